"""How well labels are predicted, against the number of labelled stars."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from astropy.table import Table
from plotly.subplots import make_subplots

from stellar_tf.figures.style import (
    BLUE,
    GREEN,
    ORANGE,
    VERMILLION,
    apply_style,
)

MAX_LABELS = 8
"""Labels that are drawn; the table has all."""
_COLOURS = {"latents": BLUE, "pca": ORANGE, "pixels": GREEN, "network": VERMILLION}
_DASHES = {"ridge": "solid", "knn": "dot", "gp": "dash", "network": "solid"}
_NAMES = {"pca": "PCA", "knn": "neighbours", "gp": "Gaussian process"}
_APART = 0.02
"""Between curves, so that bars do not hide each other [dex]."""
_LEAST_R2 = -0.25
_ROW_HEIGHT = 250


def draw_probes(table: Table) -> go.Figure:
    """
    Draw the scores of probes against the number of labelled stars.

    Parameters
    ----------
    table : astropy.table.Table
        As of `stellar_tf.analysis.labels.probe_table.tabulate_probes`.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        A row for each of the first `MAX_LABELS` labels: MAD on the left, R2 on the
        right, with intervals.
    """
    labels = list(dict.fromkeys(table["label"]))[:MAX_LABELS]
    figure = make_subplots(
        rows=len(labels), cols=2, shared_xaxes=True, horizontal_spacing=0.12,
        vertical_spacing=0.12 / len(labels),
    )  # fmt: skip
    kinds = list(dict.fromkeys(zip(table["features"], table["method"], strict=True)))
    named: set[str] = set()
    for row, label in enumerate(labels, start=1):
        of_label = table[table["label"] == label]
        for number, (features, method) in enumerate(kinds):
            chosen = (of_label["features"] == features) & (of_label["method"] == method)
            if not chosen.any():
                continue
            shift = 10.0 ** (_APART * (number - 0.5 * (len(kinds) - 1)))
            for column, score in enumerate(("mad", "r2"), start=1):
                curve = _draw_curve(of_label[chosen], score, shift)
                curve.update(showlegend=curve.name not in named)
                named.add(curve.name)
                figure.add_trace(curve, row=row, col=column)
        unit = str(of_label["unit"][0])
        title = f"{label}: MAD{f' [{unit}]' if unit else ''}"
        figure.add_hline(
            float(of_label["spread"][0]), line_dash="dot", line_color="#8C8C8C",
            row=row, col=1,
        )  # fmt: skip
        figure.update_yaxes(
            title_text=title, type="log", tickformat="~g", dtick="D2", row=row, col=1
        )
        figure.update_yaxes(title_text="R²", range=[_LEAST_R2, 1.03], row=row, col=2)
    figure.update_xaxes(type="log", tickvals=np.unique(table["n_labelled"]).tolist())
    figure.update_xaxes(title_text="labelled stars", row=len(labels))
    apply_style(figure, 110 + _ROW_HEIGHT * len(labels))
    return figure


def _draw_curve(rows: Table, score: str, shift: float) -> go.Scatter:
    """Draw one method, moved a little so that its bars stand beside the others'."""
    features, method = str(rows["features"][0]), str(rows["method"][0])
    name = _NAMES.get(features, features)
    if method != features:
        name += f", {_NAMES.get(method, method)}"
    value, low, high = (
        np.asarray(rows[score + end], np.float32) for end in ("", "_low", "_high")
    )
    colour: dict[str, Any] = {"color": _COLOURS[features]}
    n_labelled = np.asarray(rows["n_labelled"])
    return go.Scatter(
        x=(n_labelled * shift).astype(np.float32), y=value, name=name,
        legendgroup=name, mode="lines+markers", customdata=n_labelled,
        line={**colour, "width": 1.5, "dash": _DASHES[method]}, marker={"size": 5},
        error_y={
            **colour, "array": np.maximum(high - value, 0.0),
            "arrayminus": np.maximum(value - low, 0.0), "thickness": 1, "width": 0,
        },
        hovertemplate=f"%{{customdata:,}} stars: %{{y:.4g}}<extra>{name}</extra>",
    )  # fmt: skip
