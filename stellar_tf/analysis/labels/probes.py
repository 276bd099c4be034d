"""How well frozen codes predict labels, from few labelled stars."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Kernel, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors

from stellar_tf.analysis.columns import Label, is_category
from stellar_tf.analysis.latents import HELD_OUT
from stellar_tf.analysis.statistics import MIN_HELD_OUT_STARS
from tfrecords_tools.errors import UserError

SIZES = (10, 30, 100, 300, 1_000)
"""Labelled stars unless told otherwise."""
MIN_SIZE = 5
"""With fewer labelled stars no penalty can be chosen."""
N_DRAWS = 10
"""Draws of labelled stars behind each value."""
TRAINING = "train"
"""The split from which labelled stars are drawn."""
_PENALTIES = np.logspace(-7.0, 1.0, 17)
"""Of a star, in units of the features' total variance."""
_N_NEIGHBOURS = np.array([1, 2, 3, 5, 8, 13, 21, 34])
_MAX_FEATURES = 64
"""Beyond them no length scale is fitted to each feature."""
_N_SCALED = 100
"""Labelled stars to which the scales of a Gaussian process are fitted, at most: the
time goes with the third power."""
_N_PROCESS_DRAWS = 3
"""Draws that Gaussian processes are tried with, for the same reason."""

Predict = Callable[
    [NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]], NDArray[np.float64]
]
"""From rows of labelled stars, their labels, (n_labelled, n_labels), and rows of other
stars to the labels of these."""


class SizesError(UserError):
    """Numbers of labelled stars, or of draws, that cannot be; the message says why."""


class LabelGroup(NamedTuple):
    """Labels that are known for the same stars; they share the draws."""

    labels: tuple[str, ...]
    """Their names."""
    values: NDArray[np.float64]
    """The labels of all stars, shape (n_stars, n_labels)."""
    draws: NDArray[np.intp]
    """Rows of the labelled stars of each draw, shape (n_draws, largest size): the
    first n of a row are n labelled stars."""
    held_out: NDArray[np.intp]
    """Rows of the stars on which all is scored."""
    sizes: tuple[int, ...]
    """Numbers of labelled stars, ascending."""


class ProbePlan(NamedTuple):
    """Which labels are to be predicted, from which stars."""

    groups: tuple[LabelGroup, ...]
    """The labels that can be."""
    left_out: dict[str, str]
    """Why others cannot, by label."""
    cuts: tuple[str, ...]
    """Where there are fewer stars than were asked for, in lines."""


class Probe(NamedTuple):
    """A way to predict labels from a kind of features."""

    features: str
    """What of the spectrum it has."""
    method: str
    """The regression."""
    predict: Predict
    """It, fitted and applied."""
    sizes: frozenset[int] | None = None
    """Numbers of labelled stars to try it with; all if None."""
    n_draws: int | None = None
    """Draws to try it with, from the first on; all if None."""


class Predictions(NamedTuple):
    """What a probe says of the held-out stars."""

    probe: Probe
    """The probe."""
    size: int
    """Labelled stars it was fitted to."""
    values: NDArray[np.float64]
    """Labels of each draw, shape (n_draws, n_held_out, n_labels)."""


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """
    Sort numbers of labelled stars.

    Parameters
    ----------
    sizes : sequence of int
        In any order.

    Returns
    -------
    sizes : tuple of int
        Ascending, each once.

    Raises
    ------
    SizesError
        If there is none, or one is below `MIN_SIZE`.
    """
    if not sizes or min(sizes) < MIN_SIZE:
        raise SizesError(
            f"sizes must be numbers of stars of at least {MIN_SIZE}, got {list(sizes)}"
        )
    return tuple(sorted(set(sizes)))


def plan_probes(
    labels: Mapping[str, Label],
    split: NDArray[np.str_],
    sizes: Sequence[int] = SIZES,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> ProbePlan:
    """
    Choose labelled and held-out stars for each label.

    Parameters
    ----------
    labels : mapping of str to ndarray, shape (n_stars,)
        By name; NaN where unknown.
    split : ndarray of str, shape (n_stars,)
        Split of each star, of which there is one row.
    sizes : sequence of int
        Numbers of labelled stars. Those that the training split does not have are cut
        to what it has.
    n_draws : int
        Draws of labelled stars.
    seed : int
        Of the draws.

    Returns
    -------
    plan : ProbePlan
        What can be tried.
    """
    left_out: dict[str, str] = {}
    cuts: list[str] = []
    grouped: dict[bytes, list[str]] = {}
    for name, values in labels.items():
        reason = _why_not(values, split)
        if reason:
            left_out[name] = reason
        else:
            grouped.setdefault(np.isfinite(values).tobytes(), []).append(name)
    groups = []
    for names in grouped.values():
        values = np.column_stack([labels[name] for name in names])
        known = np.isfinite(values[:, 0])
        pool = np.flatnonzero(known & (split == TRAINING))
        kept = check_sizes([min(size, pool.size) for size in sizes])
        if max(sizes) > pool.size:
            cuts.append(
                f"{', '.join(names)}: known for {pool.size:,} training stars, so that "
                f"at most these are labelled, not {max(sizes):,}"
            )
        draws = np.stack(
            [
                np.random.default_rng([seed, draw]).permutation(pool)[: kept[-1]]
                for draw in range(n_draws)
            ]
        )
        held_out = np.flatnonzero(known & (split == HELD_OUT))
        groups.append(LabelGroup(tuple(names), values, draws, held_out, kept))
    return ProbePlan(tuple(groups), left_out, tuple(cuts))


def _why_not(values: Label, split: NDArray[np.str_]) -> str:
    """Say why a label cannot be predicted; nothing if it can."""
    if is_category(values):
        return "text, not numbers"
    trained, held_out = (
        values[np.isfinite(values) & (split == name)] for name in (TRAINING, HELD_OUT)
    )
    if trained.size < MIN_SIZE or held_out.size < MIN_HELD_OUT_STARS:
        return (
            f"known for {trained.size} training and {held_out.size} held-out stars, "
            f"of {MIN_SIZE} and {MIN_HELD_OUT_STARS} at least"
        )
    if np.ptp(trained) == 0.0 or np.ptp(held_out) == 0.0:
        return "the same for all stars"
    return ""


def build_probes(name: str, features: NDArray[np.floating]) -> list[Probe]:
    """
    Make the probes of a kind of features.

    Parameters
    ----------
    name : str
        What the features are.
    features : ndarray of float, shape (n_stars, n_features)
        Of all stars.

    Returns
    -------
    probes : list of Probe
        Ridge regression, the mean of nearest neighbours and, of 64 features at most, a
        Gaussian process.

    Notes
    -----
    Features are not standardised one by one, so that those that hardly vary hardly
    count: latent dimensions are in units of the prior, pixels and components in
    normalised flux. The Gaussian process has a squared exponential kernel with a length
    scale for each feature (Rasmussen & Williams 2006, eq. 5.1), and noise; the most
    likely scales are those of the first 100 labelled stars.
    """
    # Penalties are in this unit; which stars give it makes no difference.
    scaled = features / max(np.sqrt(features.var(axis=0).sum()), 1e-12)

    def ridge(
        rows: NDArray[np.intp], values: NDArray[np.float64], others: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        model = RidgeCV(_PENALTIES * rows.size, alpha_per_target=True)
        model.fit(scaled[rows], values)
        predicted = np.asarray(model.predict(scaled[others]), np.float64)
        return predicted.reshape(others.size, values.shape[1])

    def knn(
        rows: NDArray[np.intp], values: NDArray[np.float64], others: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        counts = _N_NEIGHBOURS[: np.searchsorted(_N_NEIGHBOURS, rows.size)]
        nearest = NearestNeighbors(n_neighbors=int(counts[-1]), algorithm="brute")
        nearest.fit(scaled[rows])
        # Without an argument a star is not its own neighbour: leave one out.
        left_out = _average(values[nearest.kneighbors(return_distance=False)], counts)
        found = nearest.kneighbors(scaled[others], return_distance=False)
        errors = np.mean((left_out - values) ** 2, axis=1)  # (n_counts, n_labels)
        best = np.argmin(errors, axis=0)
        predicted = _average(values[found], counts)
        return predicted[best, :, np.arange(values.shape[1])].T

    probes = [Probe(name, "ridge", ridge), Probe(name, "knn", knn)]
    if features.shape[1] <= _MAX_FEATURES:
        process = _build_process(scaled)
        probes.append(Probe(name, "gp", process, n_draws=_N_PROCESS_DRAWS))
    return probes


def _build_process(scaled: NDArray[np.floating]) -> Predict:
    """Predict by Gaussian processes, whose scales are fitted once for equal stars."""
    kernels: dict[bytes, Kernel] = {}

    def fit_kernel(x: NDArray[np.floating], y: NDArray[np.float64]) -> Kernel:
        key = x.tobytes() + y.tobytes()
        if key not in kernels:  # larger samples begin with the same stars
            kernels[key] = _fit_process(x, y, _prior_kernel(x.shape[1])).kernel_
        return kernels[key]

    def process(
        rows: NDArray[np.intp], values: NDArray[np.float64], others: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        predicted = []
        for y in values.T:
            kernel = fit_kernel(scaled[rows[:_N_SCALED]], y[:_N_SCALED])
            model = _fit_process(scaled[rows], y, kernel, optimizer=None)
            predicted.append(model.predict(scaled[others]))
        return np.column_stack(predicted)

    return process


def _prior_kernel(n_features: int) -> Kernel:
    """Begin with all features alike, and let them differ; labels are standardised."""
    smooth = RBF(np.ones(n_features), (1e-2, 1e3))
    return ConstantKernel(1.0, (1e-2, 1e5)) * smooth + WhiteKernel(1e-2, (1e-7, 1.0))


def _fit_process(
    x: NDArray[np.floating], y: NDArray[np.float64], kernel: Kernel, **options: Any
) -> GaussianProcessRegressor:
    with warnings.catch_warnings():
        # Of a feature that tells nothing the scale goes to its bound, as it should.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianProcessRegressor(kernel, normalize_y=True, **options)
        return model.fit(x, y)


def _average(
    values: NDArray[np.float64], counts: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Average over the first k neighbours, for each k: (n_counts, n, n_labels)."""
    total = np.cumsum(values, axis=1)[:, counts - 1]
    return np.moveaxis(total / counts[:, np.newaxis], 1, 0)


def count_fits(group: LabelGroup, probes: Sequence[Probe]) -> int:
    """Count the regressions that `predict_group` makes."""
    return sum(
        len(_draws(group, probe)) * len(_sizes(group, probe)) for probe in probes
    )


def predict_group(
    group: LabelGroup,
    probes: Sequence[Probe],
    advance: Callable[[int], None] = lambda n: None,
) -> list[Predictions]:
    """
    Fit all probes to all draws of labelled stars.

    Parameters
    ----------
    group : LabelGroup
        Labels and stars.
    probes : sequence of Probe
        What to try.
    advance : callable, optional
        Told after each fit.

    Returns
    -------
    predictions : list of Predictions
        One per probe and size.
    """

    def predict(probe: Probe, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        predicted = probe.predict(rows, group.values[rows], group.held_out)
        advance(1)
        return predicted

    return [
        Predictions(
            probe,
            size,
            np.stack([predict(probe, draw[:size]) for draw in _draws(group, probe)]),
        )
        for probe in probes
        for size in _sizes(group, probe)
    ]


def _sizes(group: LabelGroup, probe: Probe) -> list[int]:
    if probe.sizes is None:
        return list(group.sizes)
    return sorted({min(size, group.sizes[-1]) for size in probe.sizes})


def _draws(group: LabelGroup, probe: Probe) -> NDArray[np.intp]:
    return group.draws[: probe.n_draws]
