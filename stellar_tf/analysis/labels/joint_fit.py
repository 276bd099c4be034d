"""What all informative dimensions together say of labels, fitted to stars."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, lstsq, solve_triangular
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from stellar_tf.analysis.columns import is_known
from stellar_tf.analysis.labels.joint_maps import (
    COVERED,
    MIN_WIDTH,
    N_NEAREST,
    Array,
    Basis,
    Frame,
    JointMap,
    Neighbourhood,
    raise_to_powers,
    relate,
)
from stellar_tf.analysis.labels.units import UnitMap
from stellar_tf.analysis.latents import HELD_OUT, Codes
from stellar_tf.analysis.stars import choose_stars, number_stars, pair_visits
from stellar_tf.analysis.statistics import DEVIATION

MIN_STARS = 100
"""Labelled stars, held-out ones apart, without which a dimension's own map must do."""
MIN_STARS_PER_TERM = 10
"""Of a polynomial; with fewer its degree is smaller."""
MAX_DEGREE = 3
MIN_NEW_STARS = 50
"""Of the validation split, without which widths are those of all stars of the fit."""
TRAINED = "train"
"""The split whose spectra the network was trained on."""
N_FITTED = 10_000
"""Spectra of the fit, at most: more cost time and change little."""
N_SCALED = 800
"""Spectra to which the scales of the process are fitted."""
N_POINTS = 512
"""Codes at which the process is known, at most."""
_OUTLYING = 10.0
"""Scatters from the polynomial at which a label is taken for wrong."""
_N_REWEIGHTED = 20
_FREE = 1e-6
"""Precision of a monomial's weight beside the polynomial's: next to none."""
_JITTER = 1e-8
"""By which a matrix is kept from being singular."""


def fit_joint_maps(
    codes: Codes,
    dimensions: NDArray[np.integer],
    unit_maps: Sequence[UnitMap],
    rng: np.random.Generator,
) -> list[JointMap]:
    """
    Fit what all informative dimensions say of each label that one of them tracks.

    Parameters
    ----------
    codes : Codes
        All spectra of all stars.
    dimensions : ndarray of int, shape (n_dimensions,)
        The informative dimensions.
    unit_maps : sequence of UnitMap
        What single dimensions say.
    rng : numpy.random.Generator
        Chooses spectra and codes where there are many.

    Returns
    -------
    maps : list of JointMap
        One per label, where at least `MIN_STARS` stars that are not held out have it
        and where the others of them are read with a smaller median error than by the
        best of the single dimensions.

    Notes
    -----
    A polynomial, of degree `MAX_DEGREE` where there are enough stars, and a Gaussian
    process for what it leaves, known at `N_POINTS` codes (subset of regressors;
    Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, sect. 8.3.1).
    Both are linear in their weights, which are normal given the labels. The posterior
    of a code is propagated by the slopes; that of the weights is added.

    Neither knows where the decoder errs systematically. So each star is read by what
    the other stars teach (in closed form), and the square of a width is changed by the
    quantile of its `N_NEAREST` neighbours' squared errors, less the squares of their
    widths, that makes 68 % of errors smaller; in both directions, since of few
    neighbours the quantile scatters. Near is what is near in the lengths of the
    process. Then all widths are multiplied by what makes 68 % of all errors smaller,
    each spectrum's own error left out of its neighbours; of all of the validation split
    where that differs, since codes of spectra that the network was trained on may be
    better than others. Visits of a star have what they share in common, so the same is
    done with the differences of pairs.
    """
    maps = []
    star = number_stars(codes.star)
    for label in sorted({found.label for found in unit_maps}):
        found = [m for m in unit_maps if m.label == label]
        usable = is_known(codes.labels[label]) & (codes.split != HELD_OUT)
        of_fit = codes.take(choose_stars(star, usable, N_FITTED, rng))
        joint = _fit(of_fit, np.asarray(dimensions, np.int64), found, rng)
        if joint is not None:
            maps.append(joint)
    return maps


def _fit(
    of_fit: Codes,
    dimensions: NDArray[np.int64],
    unit_maps: Sequence[UnitMap],
    rng: np.random.Generator,
) -> JointMap | None:
    label = unit_maps[0].label
    n_stars = np.unique(of_fit.star).size
    degree = _choose_degree(n_stars, dimensions.size)
    if n_stars < MIN_STARS or not degree:
        return None
    frame = _frame(of_fit, dimensions)
    z, width = frame.scale(of_fit.z_mean, of_fit.z_log_var)
    value = np.asarray(of_fit.labels[label], np.float64)
    exponents = _list_exponents(dimensions.size, degree)
    monomials = raise_to_powers(z, exponents)
    polynomial, unit = _fit_polynomial(monomials, value)
    residual = (value - monomials @ polynomial) / unit
    kept = np.abs(residual) < _OUTLYING
    z, width, residual = z[kept], width[kept], residual[kept]

    basis, noise = _find_basis(z, residual, exponents, rng)
    functions = basis.expand(z)
    weights, root = _learn(functions, residual, noise, len(exponents))
    error, doubt = _leave_out(
        functions, residual - functions @ weights, root, noise, of_fit.star[kept]
    )
    error, doubt = unit * error, unit * np.hypot(doubt, basis.miss(functions))
    if not np.median(np.abs(error)) < _err_alone(of_fit.take(kept), unit_maps):
        return None
    weights *= unit
    weights[: len(exponents)] += polynomial
    slopes = basis.combine(z, weights)[1]
    posterior = np.sqrt(np.sum((slopes * width) ** 2, axis=1))
    read = _Read(z, error, of_fit.star[kept], of_fit.split[kept] != TRAINED)
    known = np.hypot(posterior, doubt)
    return JointMap(
        label,
        frame,
        basis,
        weights,
        unit,
        root,
        _compare_errors(read, basis.length, known),
        _compare_visits(read, basis.length, posterior),
    )


class _Read(NamedTuple):
    """Spectra of the fit, each read by what other stars teach."""

    z: Array
    error: Array
    star: NDArray[np.str_]
    is_new: NDArray[np.bool_]
    """Whether the network was not trained on it."""


def _compare_errors(read: _Read, length: Array, width: Array) -> Neighbourhood:
    found = Neighbourhood(read.z, length, read.error**2 - width**2, 1.0)
    said = found.change(width, read.z, np.arange(len(read.z)))
    ratio = np.abs(read.error) / said
    return found._replace(factor=_find_factor(ratio, read.star, read.is_new))


def _compare_visits(read: _Read, length: Array, width: Array) -> Neighbourhood:
    z, pairs = read.z, pair_visits(read.star)
    one, other = pairs
    apart = np.abs(read.error[one] - read.error[other])
    # Half of a difference is each visit's.
    excess = 0.5 * (apart**2 - width[one] ** 2 - width[other] ** 2)
    found = Neighbourhood(0.5 * (z[one] + z[other]), length, excess, 1.0)
    if one.size <= N_NEAREST:
        return found
    own = np.arange(one.size)
    ratio = apart / np.hypot(*(found.change(width[v], z[v], own) for v in pairs))
    factor = _find_factor(ratio, read.star[one], read.is_new[one])
    return found._replace(factor=factor)


def _find_factor(
    ratio: Array, star: NDArray[np.str_], is_new: NDArray[np.bool_]
) -> float:
    """
    Say by what widths are to be multiplied.

    Of stars that the network was trained on codes may err less: the others decide,
    where their share within the width says so beyond the error of its count.
    """
    factor = float(np.quantile(ratio, COVERED))
    n_new = np.unique(star[is_new]).size
    if n_new >= MIN_NEW_STARS:
        share = np.mean(ratio[is_new] < factor)
        if abs(share - COVERED) > 2.0 * np.sqrt(COVERED * (1.0 - COVERED) / n_new):
            factor = float(np.quantile(ratio[is_new], COVERED))
    # Copies of spectra do not make widths vanish.
    return max(factor, MIN_WIDTH)


def _choose_degree(n_stars: int, n_dimensions: int) -> int:
    """Choose the largest degree that there are enough stars for, or 0."""
    degrees = range(1, MAX_DEGREE + 1)
    borne = [
        degree
        for degree in degrees
        if MIN_STARS_PER_TERM * comb(n_dimensions + degree, degree) <= n_stars
    ]
    return max(borne, default=0)


def _list_exponents(n_dimensions: int, degree: int) -> NDArray[np.int64]:
    chosen = [
        np.bincount(axes, minlength=n_dimensions)
        for order in range(degree + 1)
        for axes in combinations_with_replacement(range(n_dimensions), order)
    ]
    return np.array(chosen, np.int64).reshape(-1, n_dimensions)


def _frame(codes: Codes, dimensions: NDArray[np.int64]) -> Frame:
    z = np.asarray(codes.z_mean[:, dimensions], np.float64)
    return Frame(
        dimensions, z.min(axis=0), z.max(axis=0), z.mean(axis=0), z.std(axis=0)
    )


def _fit_polynomial(monomials: Array, value: Array) -> tuple[Array, float]:
    """Fit by least squares that let outliers go; return what scatter is left, too."""
    weight = np.ones(len(value))
    for _ in range(_N_REWEIGHTED):
        root = np.sqrt(weight)
        weighted = monomials * root[:, np.newaxis], value * root
        found = lstsq(*weighted, lapack_driver="gelsy", check_finite=False)[0]
        residual = value - monomials @ found
        unit = DEVIATION * float(np.median(np.abs(residual)))
        unit = max(unit, float(np.finfo(np.float32).tiny))
        weight = 1.0 / (1.0 + (residual / (2.0 * unit)) ** 2)  # Cauchy's
    return found, unit


def _find_basis(
    z: Array,
    residual: Array,
    exponents: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[Basis, float]:
    """Fit the scales of the process; return the variance of the noise, too."""
    few = rng.permutation(len(z))[:N_SCALED]
    smooth = ConstantKernel(10.0) * RBF(np.ones(z.shape[1]), (0.1, 100.0))
    kernel = smooth + WhiteKernel(0.05, (1e-6, 10.0))
    with warnings.catch_warnings():
        # A dimension that a label does not depend on has a length at its bound.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = GaussianProcessRegressor(kernel).fit(z[few], residual[few]).kernel_
    points = z[rng.permutation(len(z))[:N_POINTS]]
    length = np.atleast_1d(found.k1.k2.length_scale)
    variance = float(found.k1.k1.constant_value)
    covariance = relate(points, points, length, variance)
    covariance[np.diag_indices(len(points))] += _JITTER * variance
    root = cholesky(covariance, lower=True)
    basis = Basis(exponents, points, length, variance, root)
    return basis, float(found.k2.noise_level)


def _learn(
    functions: Array, residual: Array, noise: float, n_terms: int
) -> tuple[Array, Array]:
    """Return the mean of the weights, and the root of their precision."""
    prior = np.ones(functions.shape[1])
    prior[:n_terms] = _FREE
    root = cholesky(functions.T @ functions / noise + np.diag(prior), lower=True)
    return cho_solve((root, True), functions.T @ residual / noise), root


def _leave_out(
    functions: Array, residual: Array, root: Array, noise: float, star: NDArray[np.str_]
) -> tuple[Array, Array]:
    """
    Return each spectrum's error, and how well it is known, without its star.

    In closed form, by the block of the hat matrix that is the star's.
    """
    known = solve_triangular(root, functions.T, lower=True)
    error, variance = np.empty(len(residual)), np.empty(len(residual))
    which = np.unique(star, return_inverse=True)[1]
    for rows in np.split(np.argsort(which), np.cumsum(np.bincount(which))[:-1]):
        block = known[:, rows].T @ known[:, rows]
        rest = np.linalg.inv(np.eye(len(rows)) * (1.0 + _JITTER) - block / noise)
        error[rows] = rest @ residual[rows]
        variance[rows] = np.diag(rest @ block)
    return error, np.sqrt(variance)


def _err_alone(codes: Codes, unit_maps: Sequence[UnitMap]) -> float:
    """Return the smallest median error of single dimensions."""
    value = codes.labels[unit_maps[0].label]
    read = (np.interp(codes.z_mean[:, m.dimension], m.z, m.value) for m in unit_maps)
    return min(float(np.median(np.abs(found - value))) for found in read)
