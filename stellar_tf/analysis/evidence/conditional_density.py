"""The density of one dimension when others are known: mixtures of the posteriors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import SplineTransformer

MAX_STARS = 3_000
"""Stars that enter, at most, drawn at random: the cost grows with their square."""
MAX_WEIGHING = 6
"""Known dimensions that weigh the parts of the mixture, at most."""
N_GROUPS = 20
"""Groups of stars that are left out one after the other, at most."""
_N_SELECTION = 600
_MIN_GAIN = 0.005
_BACKGROUND = 0.005
_N_FOLDS = 5
_N_KNOTS = 8
_BLURS = (1.0, 0.25)
"""Widths of what is alike, in those of the posteriors."""
_N_NEAREST = (16, 4)
"""Stars of a linear regression, and so many more for each known dimension."""
_FLAT = 1e-6
"""By which it is drawn to be flat, so that it has a solution."""
_RIDGE = np.logspace(-4.0, 4.0, 17)


class Sample(NamedTuple):
    """Posteriors of some stars and one draw from each, shapes (n_stars, n_latent)."""

    mean: NDArray[np.float32]
    """Posterior means."""
    width: NDArray[np.float32]
    """Posterior standard deviations."""
    noise: NDArray[np.float32]
    """``(z - mean) / width``."""

    @property
    def z(self) -> NDArray[np.float32]:
        """The draws."""
        return self.mean + self.width * self.noise

    def take(self, n_stars: int) -> Sample:
        """Keep the first stars."""
        return Sample(*(field[:n_stars] for field in self))

    def draw_only(self, dimension: int) -> Sample:
        """Know all other dimensions by their means."""
        noise = np.zeros_like(self.noise)
        noise[:, dimension] = self.noise[:, dimension]
        return self._replace(noise=noise)


def draw_sample(
    z_mean: NDArray[np.floating],
    z_log_var: NDArray[np.floating],
    rng: np.random.Generator,
) -> Sample:
    """
    Draw `MAX_STARS` stars at most, in random order, and z for each.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means, one spectrum per star.
    z_log_var : ndarray of float, shape (n_stars, n_latent)
        Natural logarithm of the posterior variances.
    rng : numpy.random.Generator
        Source of both.

    Returns
    -------
    sample : Sample
        Posteriors and draws.
    """
    rows = rng.permutation(len(z_mean))[:MAX_STARS]
    mean = np.asarray(z_mean[rows], np.float32)
    width = np.exp(0.5 * np.asarray(z_log_var[rows], np.float32))
    return Sample(mean, width, rng.standard_normal(mean.shape, np.float32))


class Added(NamedTuple):
    """What a dimension adds to others [nat]."""

    value: float
    """I(x; z_d | m_S)."""
    standard_error: float
    """Of that, over samples of stars; `n_groups` - 1 degrees of freedom."""
    n_groups: int
    """Groups of stars that were left out."""


def measure_added(
    sample: Sample,
    dimension: int,
    known: Sequence[int],
    rng: np.random.Generator,
) -> Added:
    """
    Compare each star's posterior with what means of other dimensions say of the draw.

    Parameters
    ----------
    sample : Sample
        Posteriors and draws.
    dimension : int
        The dimension d.
    known : sequence of int
        The other dimensions S, one at least.
    rng : numpy.random.Generator
        Decides the folds of the regression.

    Returns
    -------
    added : Added
        The mean of ``log q(z_d | x) - log q(z_d | m_S)``, less its bias, and its error.

    Notes
    -----
    Of the others the means are known, not draws: two dimensions of the same parameter
    would else add to each other what two measurements are better than one.

    With any density in the place of q(z_d | m_S) the mean is an upper bound of
    I(x; z_d | m_S), which the true density reaches (Barber and Agakov 2003, NIPS). So
    the density is chosen that makes it least. All are mixtures of the other stars'
    posteriors of z_d (leave one out: with itself in it, a star would always know its
    own z), with a background of the aggregate posterior, which bounds the ratio:

    - the stars weigh as much as their posteriors of some dimensions of S, or narrower
      ones, say that they are like this one; these dimensions are chosen forward, from
      none to `MAX_WEIGHING`;
    - with and without moving the parts by what a regression on S predicts: an additive
      one (cubic splines, ridge; cross-fitted), which does not run out of neighbours, or
      a linear one of the star's neighbours in S, which knows how dimensions of S act
      together.

    The choice is made on the first 600 stars.

    Fewer stars know the density less well, and each stands in the densities of many.
    So bias and error are those of a jackknife: groups of stars are left out, as stars
    and as parts of the mixtures (Quenouille 1956, Tukey 1958).
    """
    sample = sample.draw_only(dimension)
    few = sample.take(_N_SELECTION)
    n_few = len(few.mean)
    shifts = (
        np.zeros(len(sample.mean), np.float32),
        _predict(sample, dimension, known, rng),
        _predict_nearby(sample, dimension, known),
    )
    options = [
        (shift, blur, *_choose_weighing(few, dimension, known, blur, shift[:n_few]))
        for shift in shifts
        for blur in _BLURS
    ]
    shift, blur, weighing, _ = min(options, key=lambda option: option[3])
    log_weights = _no_weights(len(sample.mean))
    for other in weighing:
        log_weights += _log_parts(sample, other, blur=blur)
    own = _log_parts(sample, dimension, shift)
    return _leave_out_groups(
        _log_posterior(sample, dimension), own + log_weights, log_weights, own
    )


def _leave_out_groups(
    log_posterior: NDArray[np.float64], *parts: NDArray[np.float32]
) -> Added:
    """Jackknife the mean ratio; the groups are stretches of the stars' random order."""
    n_stars = len(log_posterior)
    n_groups = min(N_GROUPS, n_stars // 2)
    group = np.arange(n_stars) * n_groups // n_stars
    starts = np.searchsorted(group, np.arange(n_groups))
    sums = [
        np.stack([_log_sum(p) for p in np.split(part, starts[1:], axis=1)], axis=1)
        for part in parts
    ]
    whole = log_posterior - _log_mixture([_log_sum(s) for s in sums], n_stars)
    n_left = n_stars - np.bincount(group)
    without = log_posterior[:, np.newaxis] - _log_mixture(
        [_log_sum_of_others(s) for s in sums], n_left
    )  # (n_stars, n_groups)
    stays = group[:, np.newaxis] != np.arange(n_groups)
    means = np.sum(without, axis=0, where=stays) / n_left
    n_others = n_groups - 1
    return Added(
        float(n_groups * whole.mean() - n_others * means.mean()),
        float(np.sqrt(n_others * means.var())),
        n_groups,
    )


def _choose_weighing(
    sample: Sample,
    dimension: int,
    known: Sequence[int],
    blur: float,
    shift: NDArray[np.float32],
) -> tuple[tuple[int, ...], float]:
    """Choose forward the dimensions that weigh the stars; return them and the mean."""
    own = _log_parts(sample, dimension, shift)
    log_posterior, of_own = _log_posterior(sample, dimension), _log_sum(own)

    def mean_ratio(log_weights: NDArray[np.float32]) -> float:
        sums = (_log_sum(own + log_weights), _log_sum(log_weights), of_own)
        return float(np.mean(log_posterior - _log_mixture(sums, len(own))))

    log_weights = _no_weights(len(own))
    best = mean_ratio(log_weights)
    chosen: list[int] = []
    left = {other: _log_parts(sample, other, blur=blur) for other in known}
    while left and len(chosen) < MAX_WEIGHING:
        tried = {o: mean_ratio(log_weights + parts) for o, parts in left.items()}
        other = min(tried, key=lambda name: tried[name])
        if tried[other] > best - _MIN_GAIN:
            break
        best = tried[other]
        chosen.append(other)
        log_weights += left.pop(other)
    return tuple(chosen), best


def _log_posterior(sample: Sample, dimension: int) -> NDArray[np.float64]:
    """Log density of each draw in its star's posterior, but for a constant."""
    noise, width = sample.noise[:, dimension], sample.width[:, dimension]
    return np.asarray(-0.5 * noise**2 - np.log(width), np.float64)


def _log_mixture(
    log_sums: Sequence[NDArray[np.float64]], n_stars: int | NDArray[np.int_]
) -> NDArray[np.float64]:
    """Log density of the mixture: weighed, and with a background of all alike."""
    joint, weights, own = log_sums
    mixture = np.logaddexp(
        np.log1p(-_BACKGROUND) + joint - weights,
        np.log(_BACKGROUND) + own - np.log(n_stars),
    )
    return np.asarray(mixture, np.float64)


def _log_parts(
    sample: Sample,
    dimension: int,
    shift: NDArray[np.float32] | None = None,
    blur: float = 1.0,
) -> NDArray[np.float32]:
    """Log density of each draw (row) in each posterior (column), but for a constant."""
    z, mean = sample.z[:, dimension], sample.mean[:, dimension]
    if shift is not None:
        z, mean = z - shift, mean - shift
    width = blur * sample.width[:, dimension]
    parts = np.subtract.outer(z, mean)
    parts /= width
    np.square(parts, out=parts)
    parts *= -0.5
    parts -= np.log(width)
    return parts


def _no_weights(n_stars: int) -> NDArray[np.float32]:
    log_weights = np.zeros((n_stars, n_stars), np.float32)
    np.fill_diagonal(log_weights, -np.inf)
    return log_weights


def _log_sum(values: NDArray[np.floating]) -> NDArray[np.float64]:
    # scipy's takes several times as long and as much memory.
    largest = values.max(axis=1, keepdims=True)
    values = np.exp(values - largest)
    return np.asarray(np.log(values.sum(axis=1, dtype=np.float64)) + largest[:, 0])


def _log_sum_of_others(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the sum over all columns but one, for each column."""
    rows, largest = np.arange(len(values)), values.argmax(axis=1)
    top = values[rows, largest][:, np.newaxis]
    shares = np.exp(values - top)
    # Beside the largest the others may vanish: their sum is made without it.
    others = values.copy()
    others[rows, largest] = -np.inf
    shares[rows, largest] = 0.0
    found = np.log1p(shares.sum(axis=1, keepdims=True) - shares) + top
    found[rows, largest] = _log_sum(others)
    return np.asarray(found, np.float64)


def _predict(
    sample: Sample, dimension: int, known: Sequence[int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Predict the means from those of other dimensions, each star by the others."""
    z, target = sample.mean[:, list(known)], sample.mean[:, dimension]
    folds = KFold(_N_FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    predicted = np.empty_like(target)
    for rows, others in folds.split(z):
        splines = SplineTransformer(
            _N_KNOTS, knots="quantile", extrapolation="linear"
        ).fit(z[rows])
        basis, of_others = (splines.transform(z[part]) for part in (rows, others))
        predicted[others] = _ridge(basis, target[rows], of_others)
    return predicted


def _predict_nearby(
    sample: Sample, dimension: int, known: Sequence[int]
) -> NDArray[np.float32]:
    """Predict each mean linearly by the stars that are nearest in others, in widths."""
    scale = np.median(sample.width, axis=0)[list(known)]
    z = (sample.mean[:, list(known)] / scale).astype(np.float64)
    target = sample.mean[:, dimension].astype(np.float64)
    n_near = min(_N_NEAREST[0] + _N_NEAREST[1] * len(known), len(z) - 1)
    # Without a query each star's neighbours are others.
    near = NearestNeighbors(n_neighbors=n_near).fit(z).kneighbors(return_distance=False)
    middle, level = z[near].mean(axis=1), target[near].mean(axis=1)
    centred = z[near] - middle[:, np.newaxis]  # (n_stars, n_near, n_known)
    gram = centred.transpose(0, 2, 1) @ centred
    size = np.trace(gram, axis1=1, axis2=2) / len(known)
    gram += (_FLAT * size + _FLAT)[:, np.newaxis, np.newaxis] * np.eye(len(known))
    moment = (
        centred.transpose(0, 2, 1) @ (target[near] - level[:, np.newaxis])[..., None]
    )
    slopes = np.linalg.solve(gram, moment)[..., 0]
    return np.asarray(level + np.sum((z - middle) * slopes, axis=1), np.float32)


def _ridge(
    features: NDArray[np.floating],
    target: NDArray[np.floating],
    of_others: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Predict others; the penalty has the least error when one is left out."""
    # scikit-learn's RidgeCV does the same, but checks its input for longer than that.
    level, centre = target.mean(dtype=np.float64), features.mean(axis=0, dtype=float)
    centred, residual = features - centre, target - level
    values, axes = np.linalg.eigh(centred.T @ centred)
    along = centred @ axes  # (n_stars, n_features)
    shrink = 1.0 / (values[:, np.newaxis] + _RIDGE)  # (n_features, n_penalties)
    weights = (along.T @ residual)[:, np.newaxis] * shrink
    leverage = along**2 @ shrink + 1.0 / len(target)
    errors = (residual[:, np.newaxis] - along @ weights) / (1.0 - leverage)
    best = weights[:, np.argmin(np.mean(errors**2, axis=0))]
    return np.asarray(level + (of_others - centre) @ (axes @ best), np.float64)
