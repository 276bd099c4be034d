"""Figures of dimensions: their information, their labels, their importance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from astropy.table import Table
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.figures.style import (
    KIND_MARKERS,
    SCALE,
    apply_style,
    blank_figure,
)

_FLOOR = 1e-5
"""Smallest value a logarithmic axis shows."""
_FULL_COLOUR = 0.5
"""A weaker cell than this is never painted in the full colour [nat, or share]."""


def draw_dimensions(result: AnalysisResult) -> go.Figure:
    """
    Draw the information and the dispersion of every dimension.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        Two panels over the dimensions, the most informative first, each with the label
        that it tracks, if any.
    """
    table = result.verdict_table
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.05)
    for kind, (colour, symbol) in KIND_MARKERS.items():
        rows = table[table["kind"] == kind]
        if not len(rows):
            continue
        for panel, name in enumerate(("information", "mad"), start=1):
            figure.add_trace(
                _points(rows, name, kind, colour, symbol, panel == 1), row=panel, col=1
            )
    config = result.config
    thresholds = (config.min_information, config.min_dispersion)
    words = (f"floor {thresholds[0]:g} nat", f"the paper's {thresholds[1]:g}")
    for panel, (height, word) in enumerate(zip(thresholds, words, strict=True), 1):
        if height > 0.0:
            figure.add_hline(
                height, row=panel, col=1, line_dash="dash", line_width=1.2,
                line_color="#8C8C8C",
            )  # fmt: skip
            # On a logarithmic axis lines stand at a value, words at its logarithm;
            # upright in the margin they cover no marker.
            figure.add_annotation(
                text=word, showarrow=False, row=panel, col=1, textangle=-90,
                x=1.0, xref="x domain", xanchor="left",
                y=np.log10(height), yanchor="middle",
            )  # fmt: skip
    figure.update_yaxes(type="log", dtick=1, tickformat="~g", showgrid=True)
    figure.update_yaxes(title_text="information [nat]", row=1, col=1)
    figure.update_yaxes(title_text="MAD of z_mean", row=2, col=1)
    order = [_name(d) for d in table["dimension"]]
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=order, showgrid=False,
        tickmode="array", tickvals=order,
        ticktext=[
            f"{name} <b>{tracks}</b>" if tracks else name
            for name, tracks in zip(order, table["tracks"], strict=True)
        ],
    )  # fmt: skip
    # Upright names fit beside each other on a phone, too.
    figure.update_xaxes(tickangle=-90, automargin=True)
    figure.update_xaxes(title_text="latent dimension", title_standoff=8, row=2, col=1)
    apply_style(figure, 560)
    figure.update_layout(margin={"r": 30})
    return figure


def order_dimensions(
    result: AnalysisResult, dimensions: NDArray[np.intp]
) -> NDArray[np.intp]:
    """
    Sort dimensions as all figures and tables have them.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.
    dimensions : ndarray of int, shape (n,)
        Some of its dimensions; one may stand there more than once.

    Returns
    -------
    order : ndarray of int, shape (n,)
        Indices into `dimensions`, the most informative dimension first.
    """
    ranked = list(result.verdict_table["dimension"])
    ranks = [ranked.index(d) for d in dimensions]
    return np.argsort(ranks, kind="stable").astype(np.intp)


def _draw_heat_map(
    values: NDArray[np.float64],
    significant: NDArray[np.bool_] | None,
    rows: Sequence[str],
    columns: Sequence[str],
    unit: str,
) -> go.Figure:
    """Draw a matrix, not negative, with numbers; paint and mark significant cells."""
    painted = np.ones(values.shape, np.bool_) if significant is None else significant
    mark = "" if significant is None else " *"
    top = max(float(np.nanmax(values[painted], initial=0.0)), _FULL_COLOUR)
    figure = blank_figure(120 + 34 * len(rows))
    figure.add_trace(
        go.Heatmap(
            # Nothing is transparent; without any number Plotly would draw no rows.
            z=np.where(painted, values, 0.0),
            x=list(columns),
            y=list(rows),
            zmin=0.0,
            zmax=top,
            colorscale=SCALE,
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": unit}, "thickness": 12},
            # Of all cells, also of those that are not painted.
            hovertext=[[f"{value:.4f}" for value in row] for row in values],
            hovertemplate="%{y}, %{x}: %{hovertext} " + unit + "<extra></extra>",
        )
    )
    figure.update_layout(
        annotations=[
            {
                "x": columns[column],
                "y": rows[row],
                "text": f"<b>{value:.2f}{mark}</b>"
                if mark and painted[row, column]
                else f"{value:.2f}",
                "showarrow": False,
                # The page's ink is legible on all but the strongest blue.
                "font": {"size": 12, "color": "#FFFFFF"}
                if painted[row, column] and value > 0.75 * top
                else {"size": 12},
            }
            for (row, column), value in np.ndenumerate(values)
        ]
    )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    figure.update_xaxes(side="top", type="category", showgrid=False)
    figure.update_layout(margin={"t": 66, "b": 20}, hovermode="closest")
    return figure


def draw_associations(result: AnalysisResult) -> go.Figure:
    """
    Draw the mutual information of informative dimensions and labels.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        A heat map, the most informative dimension on top.
    """
    table = result.associations
    order = order_dimensions(result, table.dimensions)
    return _draw_heat_map(
        table.mi[order],
        table.q_value[order] <= result.config.fdr,
        [_name(d) for d in table.dimensions[order]],
        table.labels,
        "nat",
    )


def draw_leakage(result: AnalysisResult) -> go.Figure:
    """
    Draw the mutual information of informative dimensions and the exposure.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        A heat map, the most informative dimension on top.
    """
    leakage = result.leakage
    order = order_dimensions(result, leakage.dimensions)
    return _draw_heat_map(
        leakage.mi[order],
        leakage.significant[order],
        [_name(d) for d in leakage.dimensions[order]],
        leakage.nuisances,
        "nat",
    )


def draw_importance(result: AnalysisResult) -> go.Figure:
    """
    Draw how much each dimension matters for predicting each factor.

    Parameters
    ----------
    result : AnalysisResult
        With disentanglement scores.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        A heat map of the informative dimensions, or of all if none is.
    """
    scores = result.disentanglement
    if scores is None:
        raise ValueError("result must have disentanglement scores, got none")
    dimensions = result.verdict.dimensions
    if not dimensions.size:
        dimensions = np.arange(result.n_latent)
    dimensions = dimensions[order_dimensions(result, dimensions)]
    importance = scores.importance[dimensions]
    return _draw_heat_map(
        importance,
        None,
        [_name(d) for d in dimensions],
        scores.factors,
        "share",
    )


def _points(
    rows: Table, name: str, kind: str, colour: str, symbol: str, legend: bool
) -> go.Scatter:
    value = np.maximum(rows[name], _FLOOR)
    low, high = (np.maximum(rows[f"{name}_{end}"], _FLOOR) for end in ("low", "high"))
    return go.Scatter(
        x=[_name(d) for d in rows["dimension"]],
        y=np.asarray(value),
        error_y={
            "type": "data",
            "symmetric": False,
            "array": np.maximum(np.asarray(high - value), 0.0),
            "arrayminus": np.maximum(np.asarray(value - low), 0.0),
            "thickness": 1.6,
            "width": 3,
        },
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 1.5}},
        name=kind,
        legendgroup=kind,
        showlegend=legend,
        text=[f"follows {tracks}" if tracks else "" for tracks in rows["tracks"]],
        hovertemplate="%{x} %{text}<br>" + name.replace("mad", "MAD") + " %{y:.4g}"
        "<extra>" + kind + "</extra>",
    )


def _name(dimension: int) -> str:
    return f"z{dimension}"
