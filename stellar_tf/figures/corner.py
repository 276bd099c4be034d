"""The informative dimensions against each other."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.figures.dimensions import order_dimensions
from stellar_tf.figures.style import BLUE, apply_style

MAX_DIMENSIONS = 6
"""More panels than these would make are too small to read."""
_MAX_STARS = 800


def draw_corner(result: AnalysisResult) -> go.Figure:
    """
    Draw the posterior means of informative dimensions, pair by pair.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned, with two informative dimensions or more.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        A histogram of each of the six most informative dimensions, and below them
        scatter plots of at most 800 stars.

    Raises
    ------
    ValueError
        If there are less than two.
    """
    found = result.verdict.dimensions
    if found.size < 2:
        raise ValueError(
            f"result must have two informative dimensions, got {found.size}"
        )
    dimensions = found[order_dimensions(result, found)][:MAX_DIMENSIONS]
    stars = result.stars
    rows = np.flatnonzero(np.asarray(stars["entered"]))[:_MAX_STARS]
    z = np.asarray(stars["z_mean"], np.float32)[rows]
    names = list(stars["star"][rows])
    n = dimensions.size
    figure = make_subplots(
        rows=n, cols=n, shared_xaxes="columns",
        horizontal_spacing=0.02, vertical_spacing=0.02,
        specs=[[{} if column <= row else None for column in range(n)]
               for row in range(n)],
    )  # fmt: skip
    for row, vertical in enumerate(dimensions):
        for column, horizontal in enumerate(dimensions[:row]):
            pair = _draw_pair(z, horizontal, vertical, names)
            figure.add_trace(pair, row=row + 1, col=column + 1)
        figure.add_trace(_draw_histogram(z, vertical), row=row + 1, col=row + 1)
        figure.update_xaxes(title_text=f"z{vertical}", row=n, col=row + 1)
        if row:
            figure.update_yaxes(title_text=f"z{vertical}", row=row + 1, col=1)
    apply_style(figure, 140 + 110 * n, showlegend=False, bargap=0.0)
    figure.update_xaxes(nticks=4)
    # Only the panels on the left have numbers: the others share their rows'.
    figure.update_yaxes(nticks=4, showticklabels=False)
    figure.update_yaxes(showticklabels=True, col=1)
    figure.update_yaxes(showticklabels=False, row=1, col=1)
    return figure


def _draw_pair(
    z: NDArray[np.float32], horizontal: int, vertical: int, names: list[str]
) -> go.Scatter:
    return go.Scatter(
        x=z[:, horizontal],
        y=z[:, vertical],
        mode="markers",
        text=names,
        marker={"color": BLUE, "size": 3, "opacity": 0.5},
        hovertemplate=f"%{{text}}<br>z{horizontal} %{{x:.3f}}"
        f"<br>z{vertical} %{{y:.3f}}<extra></extra>",
    )


def _draw_histogram(z: NDArray[np.float32], dimension: int) -> go.Bar:
    count, edges = np.histogram(z[:, dimension], bins=24)
    return go.Bar(
        x=0.5 * (edges[1:] + edges[:-1]),
        y=count,
        marker={"color": BLUE},
        hovertemplate=f"z{dimension} %{{x:.3f}}: %{{y}} stars<extra></extra>",
    )
