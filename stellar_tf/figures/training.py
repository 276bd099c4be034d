"""How the training of a network went."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from astropy.table import Table
from plotly.subplots import make_subplots

from stellar_tf.figures.style import BLUE, VERMILLION, apply_style, choose_ticks

_PANELS = (("flux_mae", "error of flux"), ("kl", "KL [nat]"))
"""Columns of the history, and what they are called."""


def draw_training(history: Table) -> go.Figure:
    """
    Draw the curves of a training.

    Parameters
    ----------
    history : astropy.table.Table
        One row an epoch: ``step``, and ``flux_mae``, ``kl`` and ``loss`` of training
        and, as ``val_...``, of validation.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        Two panels, logarithmic, over the steps; the kept model is marked.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    step = np.asarray(history["step"])
    groups = (("training", "", BLUE), ("validation", "val_", VERMILLION))
    for panel, (column, title) in enumerate(_PANELS, start=1):
        drawn = np.concatenate([history[prefix + column] for _, prefix, _ in groups])
        for name, prefix, colour in groups:
            figure.add_trace(
                go.Scatter(
                    x=step, y=np.asarray(history[prefix + column], np.float32),
                    mode="lines+markers", name=name, legendgroup=name,
                    showlegend=panel == 1, line={"color": colour, "width": 1.5},
                    marker={"size": 4},
                    hovertemplate=f"step %{{x:,}}: {title} %{{y:.4g}}"
                    f"<extra>{name}</extra>",
                ),
                row=panel, col=1,
            )  # fmt: skip
        figure.update_yaxes(
            title_text=title, dtick=choose_ticks(drawn), row=panel, col=1
        )
    # `fit` keeps the first model of the lowest loss.
    loss = np.asarray(history["val_loss"], np.float64)
    if np.isfinite(loss).any():
        figure.add_vline(
            int(step[np.nanargmin(loss)]), line_dash="dot", line_color="#8C8C8C"
        )
    figure.update_yaxes(type="log", tickformat="~g")
    figure.update_xaxes(title_text="step", row=2, col=1)
    apply_style(figure, 460)
    return figure
