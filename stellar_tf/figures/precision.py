"""How wide posteriors are, against the signal to noise."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from astropy.table import Table

from stellar_tf.figures.style import BLUE, VERMILLION, blank_figure, choose_ticks


def draw_precision(precision: Table, label: str) -> go.Figure:
    """
    Draw the posterior widths of a label against the S/N, and the bound if it is known.

    Parameters
    ----------
    precision : astropy.table.Table
        With the columns ``label``, ``unit``, ``snr``, ``width`` and ``bound``.
    label : str
        The label.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        One point per spectrum, and a diamond for the Cramer-Rao bound of some.
    """
    rows = precision[precision["label"] == label]
    unit = str(rows["unit"][0])
    snr = np.asarray(rows["snr"], np.float32)
    figure = blank_figure(330)
    for name, colour, symbol in (
        ("width", BLUE, "circle"),
        ("bound", VERMILLION, "diamond-open"),
    ):
        values = np.asarray(rows[name], np.float32)
        known = np.isfinite(values)
        if not known.any():
            continue
        figure.add_trace(
            go.Scatter(
                x=snr[known], y=values[known], mode="markers", name=name,
                text=[str(dp_id) for dp_id in rows["dp_id"][known]],
                marker={"color": colour, "symbol": symbol, "size": 5, "opacity": 0.7},
                hovertemplate=f"%{{text}}<br>S/N %{{x:.0f}}: %{{y:.3g}} {unit}"
                f"<extra>{name}</extra>",
            )
        )  # fmt: skip
    title = f"width of {label}" + (f" [{unit}]" if unit else "")
    figure.update_xaxes(type="log", title_text="S/N", tickformat="~g", dtick="D2")
    drawn = np.concatenate([rows["width"], rows["bound"]])
    figure.update_yaxes(
        type="log", title_text=title, tickformat="~g", dtick=choose_ticks(drawn)
    )
    return figure
