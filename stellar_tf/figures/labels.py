"""Latents against the labels they follow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.columns import is_category, is_known
from stellar_tf.analysis.latents import HELD_OUT
from stellar_tf.config import UNITS
from stellar_tf.figures.style import BLUE, VERMILLION, blank_figure

_FIRST = ("rv", "teff")
MAX_POINTS = {"analysed": 1_500, "held out": 100}
"""More would hide each other, and more held-out stars the others."""


class Pair(NamedTuple):
    """A dimension and a label it shares much information with."""

    dimension: int
    """The latent dimension."""
    label: str
    """The label."""


def choose_pairs(result: AnalysisResult, *, n_most: int = 9) -> list[Pair]:
    """
    Choose the pairs worth a figure.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.
    n_most : int, default 9
        Most pairs.

    Returns
    -------
    pairs : list of Pair
        The best dimension of each label and the best label of each dimension, where
        it follows the label. Where they are too many, first rv and teff, then those of
        most mutual information; in the order of the dimensions.
    """
    followed = result.associations.find_followed(result.config.fdr)
    table = result.association_table[followed.ravel()]
    chosen: dict[Pair, float] = {}
    for key in ("label", "dimension"):
        for value in np.unique(table[key]):
            rows = table[table[key] == value]
            best = rows[int(np.argmax(rows["mi"]))]
            pair = Pair(int(best["dimension"]), str(best["label"]))
            chosen[pair] = float(best["mi"])
    ranked = sorted(chosen, key=lambda pair: -chosen[pair])
    first = [_first_of(ranked, label) for label in _FIRST]
    ordered = [pair for pair in first if pair is not None]
    ordered += [pair for pair in ranked if pair not in ordered]
    order = list(result.verdict_table["dimension"])
    return sorted(ordered[:n_most], key=lambda pair: order.index(pair.dimension))


def draw_pair(result: AnalysisResult, pair: Pair) -> go.Figure:
    """
    Draw a latent mean against a label, held-out stars in another colour.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.
    pair : Pair
        The dimension and the label.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        One point per star, at most `MAX_POINTS`; those held out in open symbols.
    """
    stars = result.stars
    label = np.asarray(stars[pair.label])
    z = np.asarray(stars["z_mean"])[:, pair.dimension]
    held_out = np.asarray(stars["split"]) == HELD_OUT
    known = is_known(label)
    entered = np.asarray(stars["entered"]) & ~held_out & known
    unit = UNITS.get(pair.label)
    hover = (
        f"%{{text}}<br>{pair.label} %{{x{'' if is_category(label) else ':.5g'}}}"
        f"{f' {unit}' if unit else ''}<br>z{pair.dimension} %{{y:.3f}}"
    )
    figure = blank_figure(330, showlegend=False)
    groups = (
        ("analysed", entered, BLUE, "circle", 0.6),
        # Open, so that they hide nothing.
        ("held out", held_out & known, VERMILLION, "diamond-open", 0.8),
    )
    for name, members, colour, symbol, opacity in groups:
        rows = np.flatnonzero(members)[: MAX_POINTS[name]]
        if not rows.size:
            continue
        figure.add_trace(
            go.Scatter(
                x=label[rows] if is_category(label) else label[rows].astype(np.float32),
                y=z[rows],
                mode="markers",
                name=name,
                text=list(stars["star"][rows]),
                marker={
                    "color": colour, "symbol": symbol, "size": 5, "opacity": opacity,
                },
                hovertemplate=f"{hover}<extra>{name}</extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(
        title_text=pair.label + (f" [{unit}]" if unit else ""), nticks=5
    )
    if not is_category(label):
        figure.update_xaxes(tickangle=0)
    figure.update_yaxes(title_text=f"z{pair.dimension}", nticks=6)
    return figure


def _first_of(ranked: list[Pair], label: str) -> Pair | None:
    return next((pair for pair in ranked if pair.label == label), None)
