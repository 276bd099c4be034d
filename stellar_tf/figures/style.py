"""Colours that are told apart by everyone, on light and on dark ground."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import sample_colorscale

BLUE, ORANGE, GREEN, VERMILLION, PURPLE, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#8C8C8C",
)  # fmt: skip
"""Of Okabe and Ito (2008)."""

KIND_MARKERS = {
    "stellar": (BLUE, "circle"),
    "observational": (VERMILLION, "diamond"),
    "undecided": (PURPLE, "square"),
    "uninformative": (GREY, "x-thin-open"),
}
"""Colour and marker of each class of dimension."""

SCALE = [[0.0, "rgba(0,114,178,0)"], [1.0, "rgba(0,114,178,1)"]]
"""Colour scale of heat maps: from the page's own ground to blue."""

_RAMP = [[0.0, "#2C7FC4"], [0.5, "#9A9A9A"], [1.0, "#C8382E"]]


def ramp(n: int) -> list[str]:
    """Build a blue-grey-red ramp."""
    return list(sample_colorscale(_RAMP, np.linspace(0.0, 1.0, n).tolist()))


def blank_figure(height: int, **layout: Any) -> go.Figure:
    """Make a figure without ground and theme; the page sets ink and grid colours."""
    figure = go.Figure()
    apply_style(figure, height, **layout)
    return figure


def apply_style(figure: go.Figure, height: int, **layout: Any) -> None:
    """
    Give a figure the report's look.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        Changed in place.
    height : int
        In pixels.
    **layout
        Further keys of the layout.
    """
    figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 66, "r": 16, "t": 44, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
        hoverlabel={"font": {"family": "system-ui, sans-serif"}},
        separators=".",  # wavelengths and dates have no commas
        **layout,
    )
    figure.update_yaxes(automargin=True, title_standoff=6)
    figure.update_xaxes(title_standoff=6, exponentformat="none")


def choose_ticks(values: NDArray[np.floating]) -> str | int:
    """
    Choose where a logarithmic axis has numbers, so that they do not overlap.

    Parameters
    ----------
    values : ndarray of float
        What is drawn along the axis.

    Returns
    -------
    dtick : str or int
        Plotly's: every digit, 2 and 5 besides 1, or powers of ten alone.
    """
    known = values[np.isfinite(values) & (values > 0.0)]
    ratio = known.max() / known.min() if known.size else 1.0
    return "D1" if ratio < 5.0 else "D2" if ratio < 200.0 else 1
