"""The scores of probes, as a table and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Row, Table
from numpy.typing import NDArray

from stellar_tf.analysis.labels.probes import LabelGroup, Predictions
from stellar_tf.analysis.labels.units import name_label
from stellar_tf.analysis.statistics import percentile_interval
from stellar_tf.config import AnalysisConfig

NETWORK = "network"
"""Features and method of a network that is trained with the labels from nothing."""
DESCRIPTIONS = {
    "label": "the label",
    "unit": "of it, of spread and of mad",
    "features": "what the regression has of a spectrum: the frozen latents, pixels, as "
    "many principal components as latents, or all that a network of the same encoder "
    "learns from the labelled stars alone",
    "method": "ridge regression, mean of nearest neighbours, Gaussian process, or "
    "network",
    "n_labelled": "labelled stars, of the training split",
    "n_draws": "draws of labelled stars",
    "n_held_out": "held-out stars on which it is scored",
    "spread": "median absolute deviation of the label of the held-out stars: what mad "
    "would be without a spectrum",
    "mad": "median absolute difference of prediction and label; median over the draws",
    "r2": "share of the label's variance that is predicted; median over the draws, "
    "below zero where the mean would do better",
}
_SCORES = ("mad", "r2")


class _Scores(NamedTuple):
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def score_predictions(
    predicted: NDArray[np.float64], truth: NDArray[np.float64], config: AnalysisConfig
) -> _Scores:
    """
    Compare predictions with the label.

    Parameters
    ----------
    predicted : ndarray of float, shape (n_draws, n_stars)
        From each draw of labelled stars.
    truth : ndarray of float, shape (n_stars,)
        The label of the held-out stars.
    config : AnalysisConfig
        Number of resamples, level and seed.

    Returns
    -------
    value, low, high : ndarray of float, shape (2,)
        MAD and R2: the median over the draws, and the interval of what one draw gives
        on another sample of held-out stars, by resampling both.
    """
    errors = predicted - truth
    variance = truth.var()

    def measure(wrong: NDArray[np.float64]) -> NDArray[np.float64]:
        mad = np.median(np.abs(wrong), axis=-1)
        return np.stack([mad, 1.0 - np.mean(wrong**2, axis=-1) / variance], axis=-1)

    rng = np.random.default_rng(config.seed)  # the same stars for all probes
    n_draws, n_stars = predicted.shape
    resampled = np.stack(
        [
            measure(errors[rng.integers(n_draws), rng.integers(n_stars, size=n_stars)])
            for _ in range(config.n_resamples)
        ]
    )
    value = np.median(measure(errors), axis=0)
    return _Scores(value, *percentile_interval(resampled, config.confidence))


def tabulate_probes(
    found: Sequence[tuple[LabelGroup, Sequence[Predictions]]],
    units: Mapping[str, str],
    config: AnalysisConfig,
) -> Table:
    """
    List the scores of all labels, features, methods and numbers of labelled stars.

    Parameters
    ----------
    found : sequence of pairs of LabelGroup and list of Predictions
        As of `predict_group`.
    units : mapping of str to str
        Units of the labels, where known.
    config : AnalysisConfig
        Number of resamples, level and seed.

    Returns
    -------
    table : astropy.table.Table
        The columns are those of `DESCRIPTIONS`, and the ends of the intervals.
    """
    rows = []
    for group, predictions in found:
        for column, label in enumerate(group.labels):
            truth = group.values[group.held_out, column]
            for probe, size, values in predictions:
                scores = score_predictions(values[:, :, column], truth, config)
                row: dict[str, object] = {
                    "label": label,
                    "unit": name_label(label)[1] or units.get(label, ""),
                    "features": probe.features,
                    "method": probe.method,
                    "n_labelled": size,
                    "n_draws": len(values),
                    "n_held_out": truth.size,
                    "spread": float(np.median(np.abs(truth - np.median(truth)))),
                }
                for number, name in enumerate(_SCORES):
                    for end, score in zip(("", "_low", "_high"), scores, strict=True):
                        row[name + end] = float(score[number])
                rows.append(row)
    table = Table(rows)
    for name in table.colnames:
        table[name].description = DESCRIPTIONS.get(name)
    table.meta.update(seed=config.seed, confidence=config.confidence)
    return table


def list_mad(table: Table) -> Table:
    """
    Put the MAD of all numbers of labelled stars side by side.

    Parameters
    ----------
    table : astropy.table.Table
        As of `tabulate_probes`.

    Returns
    -------
    listed : astropy.table.Table
        A row per label, features and method, a column per number, as text of three
        digits; empty where there is none.
    """
    keys = ("label", "unit", "features", "method")
    sizes = [str(size) for size in np.unique(table["n_labelled"])]
    listed: dict[tuple[str, ...], dict[str, str]] = {}
    for row in table:
        cells = listed.setdefault(
            tuple(str(row[key]) for key in keys), dict.fromkeys(sizes, "")
        )
        cells[str(row["n_labelled"])] = f"{row['mad']:.3g}"
    rows = [(*key, *cells.values()) for key, cells in listed.items()]
    return Table(rows=rows, names=(*keys, *sizes))


def describe_probes(table: Table) -> list[str]:
    """
    Say how many labelled stars latents need to do as well as a network without them.

    Parameters
    ----------
    table : astropy.table.Table
        As of `tabulate_probes`.

    Returns
    -------
    sentences : list of str
        One per label, by the method of the smallest MAD; beside pixels if no network
        was trained; none if there is only one kind of features.
    """
    rivals = [name for name in (NETWORK, "pixels") if name in set(table["features"])]
    if not rivals:
        return []
    return [
        _describe(table[table["label"] == label], rivals[0])
        for label in dict.fromkeys(table["label"])
    ]


def _describe(rows: Table, rival: str) -> str:
    """Compare latents with the largest number of labelled stars that they match."""
    latents = _best(rows[rows["features"] == "latents"])
    others = _best(rows[rows["features"] == rival])
    smallest = min(float(row["mad"]) for row in latents)
    matched = [row for row in others if smallest <= row["mad"]]
    beaten = (
        f"{latents[-1]['n_labelled']:,} labelled stars with {_name(latents[-1])} do "
        f"less well than {{:,}} with {{}}"
    )
    last, name = others[-1], str(rows["label"][0])
    if not (rows["r2_low"] > 0.0).any():
        return f"{name}: nothing predicts it (R2 at most {max(rows['r2']):z.2f})."
    if not matched:
        return f"{name}: {beaten.format(others[0]['n_labelled'], _name(others[0]))}."
    goal = matched[-1]
    enough = next(row for row in latents if row["mad"] <= goal["mad"])
    words = (
        f"{name}: {enough['n_labelled']:,} labelled stars with {_name(enough)} do as "
        f"well as {goal['n_labelled']:,} with {_name(goal)}"
    )
    if goal["n_labelled"] == last["n_labelled"]:
        return f"{words}."
    return f"{words}; {beaten.format(last['n_labelled'], _name(last))}."


def _best(rows: Table) -> list[Row]:
    """Take the better method at each number of labelled stars, fewest first."""
    return [
        min(rows[rows["n_labelled"] == size], key=lambda row: float(row["mad"]))
        for size in np.unique(rows["n_labelled"])
    ]


def _name(row: Row) -> str:
    what = {"latents": "frozen latents", NETWORK: "a network trained on them"}
    features = what.get(str(row["features"]), str(row["features"]))
    mad = f"MAD {row['mad']:.3g} {row['unit']}".rstrip()
    by = "" if row["method"] == NETWORK else f"{row['method']}, "
    return f"{features} ({by}{mad})"
