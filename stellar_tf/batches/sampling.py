"""The order in which training meets its spectra: a pure function of the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


class Sampler:
    """
    Say which record is at each position of an endless stream.

    Parameters
    ----------
    n_records : int
        Records to draw from.
    seed : int
        Decides the order of every pass.
    weights : ndarray of float, shape (n_records,), optional
        How often each is drawn, up to a factor; by default alike.

    Notes
    -----
    A pass has as many positions as there are records. Without weights each record is
    met once in it. With weights, systematic sampling draws each as often as its
    share of the pass says, rounded down or up. Reading can start anywhere, and
    nothing is read to get there.
    """

    def __init__(
        self, n_records: int, seed: int, weights: NDArray[np.floating] | None = None
    ) -> None:
        self._n_records = n_records
        self._seed = seed
        self._weights = weights
        # Reading ahead reaches into the next pass before this one is done.
        self.order = lru_cache(maxsize=2)(self._order)

    def record_at(self, position: int) -> int:
        """Return the record at a position, which counts from 0 over all passes."""
        number, offset = divmod(position, self._n_records)
        return int(self.order(number)[offset])

    def _order(self, number: int) -> NDArray[np.int64]:
        """Draw the records of a pass, shape (n_records,)."""
        rng = np.random.default_rng((self._seed, number))
        shuffled = rng.permutation(self._n_records)
        if self._weights is None:
            return shuffled
        shares = np.cumsum(self._weights[shuffled])
        points = (np.arange(self._n_records) + rng.random()) / self._n_records
        drawn = shuffled[np.searchsorted(shares / shares[-1], points, side="right")]
        return rng.permutation(drawn)


class VisitSampler:
    """
    Say which record is at each position of an endless stream of pairs.

    Parameters
    ----------
    stars : sequence of str
        The star of each record.
    seed : int
        Decides the order of every pass and who is paired.
    weights : ndarray of float, shape (n_records,), optional
        How often each leads a pair, up to a factor; by default alike.

    Notes
    -----
    Positions 2 i and 2 i + 1 hold a pair: a record as of `Sampler`, and another visit
    of its star, drawn at random. Stars that were visited once stand two and two, and
    are no pairs. So a pass has twice as many positions as there are records.
    """

    def __init__(
        self,
        stars: Sequence[str],
        seed: int,
        weights: NDArray[np.floating] | None = None,
    ) -> None:
        self._n_records, self._seed = len(stars), seed
        self._leaders = Sampler(len(stars), seed, weights)
        _, self._star, count = np.unique(
            np.array(stars, dtype=object), return_inverse=True, return_counts=True
        )
        company = np.where(count[self._star] > 1, self._star, -1)
        self._sorted = np.argsort(company, kind="stable")
        _, first, size = np.unique(
            company[self._sorted], return_index=True, return_counts=True
        )
        self._first, self._size = np.repeat(first, size), np.repeat(size, size)
        # Reading ahead reaches into the next pass before this one is done.
        self._partners = lru_cache(maxsize=2)(self._draw_partners)

    def record_at(self, position: int) -> int:
        """
        Say which record is at a position.

        Parameters
        ----------
        position : int
            Counted from 0 over all passes.

        Returns
        -------
        record : int
            Its number, from 0.
        """
        pair, is_partner = divmod(position, 2)
        leader = self._leaders.record_at(pair)
        if not is_partner:
            return leader
        return int(self._partners(pair // self._n_records)[leader])

    def is_paired(self, position: int) -> bool:
        """Tell whether the record at a position stands beside another of its star."""
        one, other = (self.record_at(p) for p in (position, position ^ 1))
        return one != other and bool(self._star[one] == self._star[other])

    def _draw_partners(self, number: int) -> NDArray[np.int64]:
        """Draw the partner of each record in a pass, shape (n_records,)."""
        # The third number keeps these draws apart from those of the order.
        rng = np.random.default_rng((self._seed, number, 1))
        rank = np.arange(self._n_records) - self._first
        others = np.maximum(self._size - 1, 1)
        step = np.where(self._size > 1, 1 + rng.integers(others), 0)
        partners = np.empty(self._n_records, np.int64)
        partners[self._sorted] = self._sorted[self._first + (rank + step) % self._size]
        return partners


def balanced_weights(stars: Sequence[str]) -> NDArray[np.float64]:
    """
    Compute weights of spectra such that every star counts alike.

    Parameters
    ----------
    stars : sequence of str
        The star of each spectrum.

    Returns
    -------
    weights : ndarray of float64, shape (n_spectra,)
        One over the number of the star's spectra, as Sedaghat et al. 2021 draw them.
    """
    counts = Counter(stars)
    return np.array([1.0 / counts[star] for star in stars])


def one_per_star(stars: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """
    Choose a spectrum of every star.

    Parameters
    ----------
    stars : sequence of str
        The star of each spectrum.
    seed : int
        Decides which.

    Returns
    -------
    chosen : ndarray of bool, shape (n_spectra,)
        True once for each star.
    """
    shuffled = np.random.default_rng(seed).permutation(len(stars))
    names = np.array(stars, dtype=object)[shuffled].astype(str)
    _, first = np.unique(names, return_index=True)
    chosen = np.zeros(len(stars), dtype=bool)
    chosen[shuffled[first]] = True
    return chosen
