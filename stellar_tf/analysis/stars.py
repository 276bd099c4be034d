"""Which spectra are of the same star."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def number_stars(star: NDArray[np.str_]) -> NDArray[np.intp]:
    """Give each spectrum the number of its star, from 0 on, shape (n,)."""
    return np.unique(star, return_inverse=True)[1]


def choose_stars(
    star: NDArray[np.intp],
    usable: NDArray[np.bool_],
    n_most: int,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """
    Choose the spectra of some stars where there are too many.

    Parameters
    ----------
    star : ndarray of int, shape (n,)
        Number of the star of each spectrum, as of `number_stars`.
    usable : ndarray of bool, shape (n,)
        Spectra to choose from.
    n_most : int
        Spectra that are not too many.
    rng : numpy.random.Generator
        Chooses stars.

    Returns
    -------
    rows : ndarray of int, shape (n_chosen,)
        All usable spectra of some stars, `n_most` at most, ascending.
    """
    rows = np.flatnonzero(usable)
    if rows.size <= n_most:
        return rows
    n_spectra = np.bincount(star[rows])
    order = rng.permutation(n_spectra.size)
    fits = np.cumsum(n_spectra[order]) <= n_most
    return rows[np.isin(star[rows], order[fits])]


def pair_visits(
    star: NDArray[np.str_],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """
    Pair visits of the same stars.

    Parameters
    ----------
    star : ndarray of str, shape (n,)
        Star of each spectrum.

    Returns
    -------
    one, other : ndarray of int, shape (n_pairs,)
        Rows of two spectra of a star each; a star of m visits is in m - 1 pairs.
    """
    order = np.argsort(star, kind="stable")
    first = np.flatnonzero(star[order][1:] == star[order][:-1])
    return order[first], order[first + 1]
