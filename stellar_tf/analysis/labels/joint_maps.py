"""Labels read from all informative dimensions together, with widths that cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

Array: TypeAlias = NDArray[np.float64]

N_NEAREST = 50
"""Codes that tell how much widths around them must be changed."""
MIN_WIDTH = 0.5
"""Of what the posterior says: neighbours do not make a width smaller than this, nor all
errors together."""
COVERED = 0.6827
"""Of a normal distribution, within its standard deviation."""
_CHUNK = 4096
"""Spectra read at a time."""


class Frame(NamedTuple):
    """Where codes of the stars of a fit lie, of which dimensions."""

    dimensions: NDArray[np.int64]
    """The informative dimensions, shape (n_dimensions,)."""
    low: Array
    """Smallest codes, shape (n_dimensions,)."""
    high: Array
    """Largest codes."""
    middle: Array
    """Their mean, which is subtracted."""
    scatter: Array
    """Their standard deviation, by which is divided."""

    def find_inside(self, z_mean: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which codes, (n, n_latent), are among them in every dimension."""
        z = np.asarray(z_mean)[:, self.dimensions]
        inside: NDArray[np.bool_] = np.all((z >= self.low) & (z <= self.high), axis=1)
        return inside

    def scale(
        self, z_mean: NDArray[np.floating], z_log_var: NDArray[np.floating]
    ) -> tuple[Array, Array]:
        """Return codes and their widths in units of the scatter, (n, n_dimensions)."""
        z = np.asarray(z_mean[:, self.dimensions], np.float64)
        width = np.exp(0.5 * np.asarray(z_log_var[:, self.dimensions], np.float64))
        return (z - self.middle) / self.scatter, width / self.scatter


class Basis(NamedTuple):
    """What a label is a linear combination of: monomials, and a Gaussian process."""

    exponents: NDArray[np.int64]
    """Of the monomials, shape (n_terms, n_dimensions)."""
    points: Array
    """Codes at which the process is known, shape (n_points, n_dimensions)."""
    length: Array
    """Over which it changes, shape (n_dimensions,)."""
    variance: float
    """Of the process, in that of what the polynomial leaves."""
    root: Array
    """Lower Cholesky factor of its covariance at the points."""

    def expand(self, z: Array) -> Array:
        """Return all functions at codes, shape (n, n_terms + n_points)."""
        related = relate(z, self.points, self.length, self.variance)
        process = solve_triangular(self.root, related.T, lower=True).T
        return np.concatenate([raise_to_powers(z, self.exponents), process], axis=1)

    def miss(self, functions: Array) -> Array:
        """Return the deviation of the process that its points leave, shape (n,)."""
        left = self.variance - np.sum(functions[:, len(self.exponents) :] ** 2, axis=1)
        return np.asarray(np.sqrt(np.maximum(left, 0.0)))

    def combine(self, z: Array, weights: Array) -> tuple[Array, Array]:
        """
        Combine the functions.

        Parameters
        ----------
        z : ndarray of float, shape (n, n_dimensions)
            Codes.
        weights : ndarray of float, shape (n_functions,)
            Of the functions.

        Returns
        -------
        value : ndarray of float, shape (n,)
            The combination.
        slopes : ndarray of float, shape (n, n_dimensions)
            Its derivatives.
        """
        n_terms = len(self.exponents)
        of_terms, of_process = weights[:n_terms], weights[n_terms:]
        at_points = solve_triangular(self.root, of_process, lower=True, trans=1)
        related = relate(z, self.points, self.length, self.variance)
        process = related @ at_points
        monomials = raise_to_powers(z, self.exponents)
        slopes = related @ (self.points * at_points[:, np.newaxis])
        slopes = (slopes - z * process[:, np.newaxis]) / self.length**2
        slopes += monomials @ self._differentiate(of_terms)
        return monomials @ of_terms + process, slopes

    def _differentiate(self, weights: Array) -> Array:
        """Return the weights of the polynomial's derivatives, (n_terms, n_dim.)."""
        place = {tuple(row): term for term, row in enumerate(self.exponents.tolist())}
        derived = np.zeros(self.exponents.shape)
        for term, axis in zip(*np.nonzero(self.exponents), strict=True):
            lowered = self.exponents[term].copy()
            lowered[axis] -= 1  # all such monomials are in the polynomial
            power = self.exponents[term, axis]
            derived[place[tuple(lowered.tolist())], axis] += power * weights[term]
        return derived


class Neighbourhood(NamedTuple):
    """By how much squares of widths differ from those of errors, code by code."""

    z: Array
    """Codes, shape (n, n_dimensions)."""
    length: Array
    """Distances are in these, shape (n_dimensions,)."""
    excess: Array
    """Square of the error less that of the width, shape (n,) [label's unit squared]."""
    factor: float
    """By which widths are multiplied at last."""

    def change(
        self, width: Array, z: Array, own: NDArray[np.intp] | None = None
    ) -> Array:
        """
        Change widths by what is known around codes.

        Parameters
        ----------
        width : ndarray of float, shape (n,)
            Widths [label's unit].
        z : ndarray of float, shape (n, n_dimensions)
            Codes.
        own : ndarray of int, shape (n,), optional
            Row of `z` of this neighbourhood that does not count, for each code.

        Returns
        -------
        changed : ndarray of float, shape (n,)
            Widths; the same where too little is known.
        """
        if len(self.z) <= N_NEAREST:
            return width
        nearest = NearestNeighbors(n_neighbors=N_NEAREST + 1).fit(self.z / self.length)
        near = nearest.kneighbors(z / self.length, return_distance=False)
        if own is not None:
            # What does not count is put last.
            order = np.argsort(near == own[:, np.newaxis], axis=1, kind="stable")
            near = np.take_along_axis(near, order, axis=1)
        # Such that another one than these is below it with this probability.
        excess = self.excess[near[:, :N_NEAREST]]
        square = np.quantile(excess, COVERED, axis=1, method="weibull")
        least = (MIN_WIDTH * width) ** 2
        changed: Array = self.factor * np.sqrt(np.maximum(width**2 + square, least))
        return changed


@dataclass(frozen=True, eq=False)
class JointMap:
    """What codes mean in the unit of a label, by all informative dimensions."""

    label: str
    """The label."""
    frame: Frame
    """The codes that it was fitted to."""
    basis: Basis
    """The functions of codes that are combined."""
    weights: Array
    """Of the functions, shape (n_functions,) [label's unit]."""
    unit: float
    """What the polynomial leaves, a standard deviation [label's unit]."""
    root: Array
    """Lower Cholesky factor of the weights' precision [1 / `unit`]."""
    of_errors: Neighbourhood
    """What squares of widths lack for stars to be compared."""
    of_visits: Neighbourhood
    """The same for visits of a star; of few codes where few stars have them."""

    def read(
        self, z_mean: NDArray[np.floating], z_log_var: NDArray[np.floating]
    ) -> tuple[Array, Array, Array]:
        """
        Turn posteriors into values of the label.

        Parameters
        ----------
        z_mean : ndarray of float, shape (n, n_latent)
            Means.
        z_log_var : ndarray of float, shape (n, n_latent)
            Natural logarithms of the variances.

        Returns
        -------
        value, width, error : ndarray of float, shape (n,)
            The label; the standard deviation by which it differs between visits of a
            star; that by which it differs from the truth. NaN where a dimension is
            beyond the stars of the fit.
        """
        read = np.full((3, len(z_mean)), np.nan)
        inside = np.flatnonzero(self.frame.find_inside(z_mean))
        for start in range(0, inside.size, _CHUNK):
            rows = inside[start : start + _CHUNK]
            z, width = self.frame.scale(z_mean[rows], z_log_var[rows])
            value, slopes = self.basis.combine(z, self.weights)
            posterior = np.sqrt(np.sum((slopes * width) ** 2, axis=1))
            known = np.hypot(posterior, self._doubt(z))
            of_visits = self.of_visits.change(posterior, z)
            read[:, rows] = value, of_visits, self.of_errors.change(known, z)
        return read[0], read[1], read[2]

    def _doubt(self, z: Array) -> Array:
        """Say how well the combination is known, a standard deviation, shape (n,)."""
        functions = self.basis.expand(z)
        known = solve_triangular(self.root, functions.T, lower=True)
        of_weights = np.sqrt(np.sum(known**2, axis=0))
        doubt: Array = self.unit * np.hypot(of_weights, self.basis.miss(functions))
        return doubt


def raise_to_powers(z: Array, exponents: NDArray[np.int64]) -> Array:
    """
    Raise codes to powers.

    Parameters
    ----------
    z : ndarray of float, shape (n, n_dimensions)
        Codes.
    exponents : ndarray of int, shape (n_terms, n_dimensions)
        Of each dimension in each monomial.

    Returns
    -------
    monomials : ndarray of float, shape (n, n_terms)
        The products.
    """
    monomials = np.ones((len(exponents), len(z)))
    columns = np.ascontiguousarray(z.T)
    for monomial, powers in zip(monomials, exponents, strict=True):
        for axis in np.flatnonzero(powers):
            monomial *= columns[axis] ** powers[axis]
    return monomials.T


def relate(z: Array, points: Array, length: Array, variance: float) -> Array:
    """Return the covariance of a process at codes and at points, (n, n_points)."""
    distance = cdist(z / length, points / length, "sqeuclidean")
    covariance: Array = variance * np.exp(-0.5 * distance)
    return covariance
