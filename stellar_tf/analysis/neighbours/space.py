"""The space of the informative dimensions, in which spectra are near or far."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

N_OUTLIER_NEIGHBOURS = 20
"""Neighbours a spectrum's surroundings are made of."""
MIN_SPECTRA = 3
"""With fewer, nothing is far from the others."""


class Neighbours(NamedTuple):
    """The spectra nearest to some."""

    rows: NDArray[np.intp]
    """Their row numbers, nearest first, shape (n_queries, n_neighbours)."""
    distance: NDArray[np.float64]
    """Euclidean, in standard deviations of each dimension, same shape."""


class InformativeSpace:
    """
    Latent means of the informative dimensions, each in its standard deviations.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_spectra, n_latent)
        Posterior means.
    dimensions : ndarray of int
        The informative dimensions, at least one.

    Raises
    ------
    ValueError
        If there is no informative dimension.
    """

    def __init__(
        self, z_mean: NDArray[np.floating], dimensions: NDArray[np.integer]
    ) -> None:
        if not len(dimensions):
            raise ValueError("dimensions must name at least one, got none")
        self._dimensions = np.asarray(dimensions, np.intp)
        chosen = np.asarray(z_mean[:, self._dimensions], np.float64)
        self._centre = chosen.mean(axis=0)
        spread = chosen.std(axis=0)
        self._spread = np.where(spread > 0.0, spread, 1.0)
        self._points = self._scale(z_mean)
        self._index = NearestNeighbors().fit(self._points)

    def find_neighbours(self, z_mean: NDArray[np.floating], n: int) -> Neighbours:
        """
        Find the spectra nearest to some codes.

        Parameters
        ----------
        z_mean : ndarray of float, shape (n_queries, n_latent)
            Posterior means to look around; a spectrum of the space is its own nearest.
        n : int
            Neighbours of each; fewer if there are not as many spectra.

        Returns
        -------
        neighbours : Neighbours
            Row numbers and distances.
        """
        n = min(n, len(self._points))
        distance, rows = self._index.kneighbors(self._scale(z_mean), n)
        return Neighbours(rows, distance)

    def score_outliers(self) -> NDArray[np.float64]:
        """
        Score how unlike its neighbours each spectrum of the space is.

        Returns
        -------
        score : ndarray of float, shape (n_spectra,)
            Local outlier factor: about 1 within a crowd, larger the emptier a
            spectrum's surroundings are compared with its neighbours'; 1 for all where
            there are fewer than `MIN_SPECTRA`.

        Notes
        -----
        Breunig et al. 2000 (SIGMOD), as scikit-learn has it.
        """
        n_spectra = len(self._points)
        if n_spectra < MIN_SPECTRA:
            return np.ones(n_spectra)
        return np.asarray(-self._factor.negative_outlier_factor_, np.float64)

    def score_others(self, z_mean: NDArray[np.floating]) -> NDArray[np.float64]:
        """
        Score spectra that are not of the space.

        Parameters
        ----------
        z_mean : ndarray of float, shape (n_queries, n_latent)
            Posterior means.

        Returns
        -------
        score : ndarray of float, shape (n_queries,)
            As of `score_outliers`; a spectrum of the space would count itself as its
            neighbour here.
        """
        if len(self._points) < MIN_SPECTRA:
            return np.ones(len(z_mean))
        return np.asarray(-self._factor.score_samples(self._scale(z_mean)), np.float64)

    @cached_property
    def _factor(self) -> LocalOutlierFactor:
        n_neighbours = min(N_OUTLIER_NEIGHBOURS, len(self._points) - 1)
        return LocalOutlierFactor(n_neighbors=n_neighbours, novelty=True).fit(
            self._points
        )

    def _scale(self, z_mean: NDArray[np.floating]) -> NDArray[np.float64]:
        chosen = np.asarray(z_mean[:, self._dimensions], np.float64)
        scaled: NDArray[np.float64] = (chosen - self._centre) / self._spread
        return scaled
