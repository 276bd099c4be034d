"""Mutual information in bins of equal numbers of stars, and its exact null."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlogy

_MAX_BINS = 16
_MIN_CELL = 5.0
_NULL_CHUNK = 1_000


def permutation_p_value(
    z: NDArray[np.float64],
    label: NDArray[np.float64],
    n_permutations: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """
    Test independence by permuting the label between stars.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means without ties.
    label : ndarray of float, shape (n_stars,)
        The label without ties.
    n_permutations : int
        Permutations drawn.
    rng : numpy.random.Generator
        Source of the permutations.

    Returns
    -------
    p_value : ndarray of float, shape (n_latent,)
        ``(1 + n_as_large) / (1 + n_permutations)``, never zero.

    Notes
    -----
    The statistic is `binned_information`. Its bins hold fixed numbers of stars, so
    its distribution under permutation is that of tables with fixed margins: the
    same for every dimension, and drawn directly (Patefield 1981), at no cost that
    grows with the number of stars.
    """
    n_bins = choose_n_bins(label.size)
    return table_p_value(contingency_tables(z, label, n_bins), n_permutations, rng)


def table_p_value(
    tables: NDArray[np.int64], n_permutations: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """
    Test the independence of rows and columns by permutation.

    Parameters
    ----------
    tables : ndarray of int, shape (n_latent, n_rows, n_columns)
        Counts; all tables must have the same margins.
    n_permutations : int
        Permutations drawn.
    rng : numpy.random.Generator
        Source of the permutations.

    Returns
    -------
    p_value : ndarray of float, shape (n_latent,)
        ``(1 + n_as_large) / (1 + n_permutations)``, never zero.
    """
    observed = binned_information(tables)
    null = _null_information(tables[0], n_permutations, rng)
    n_smaller = np.searchsorted(np.sort(null), observed - 1e-12)
    return np.asarray((1.0 + n_permutations - n_smaller) / (1.0 + n_permutations))


def choose_n_bins(n_stars: int) -> int:
    """Choose 2 to 16 bins, so that a cell of the table expects five stars."""
    return int(np.clip(np.sqrt(n_stars / _MIN_CELL), 2, _MAX_BINS))


def contingency_tables(
    z: NDArray[np.float64], label: NDArray[np.float64], n_bins: int
) -> NDArray[np.int64]:
    """
    Count stars in bins of equal numbers.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means without ties.
    label : ndarray of float, shape (n_stars,)
        The label without ties.
    n_bins : int
        Bins along either axis.

    Returns
    -------
    tables : ndarray of int, shape (n_latent, n_bins, n_bins)
        Counts; all tables have the same margins.
    """
    label_rank = np.argsort(np.argsort(label))
    return count_stars(z, label_rank * n_bins // label.size, n_bins, n_bins)


def count_stars(
    z: NDArray[np.float64], column: NDArray[np.intp], n_rows: int, n_columns: int
) -> NDArray[np.int64]:
    """
    Count stars in bins of equal numbers of them along z, and in given columns.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means without ties.
    column : ndarray of int, shape (n_stars,)
        Column of each star.
    n_rows : int
        Bins along z.
    n_columns : int
        Columns.

    Returns
    -------
    tables : ndarray of int, shape (n_latent, n_rows, n_columns)
        Counts; all tables have the same margins.
    """
    n_stars, n_latent = z.shape
    rank = np.argsort(np.argsort(z, axis=0), axis=0)
    cell = rank * n_rows // n_stars * n_columns + column[:, None]
    size = n_rows * n_columns
    cell += np.arange(n_latent) * size
    counts = np.bincount(cell.ravel(), minlength=n_latent * size)
    return counts.reshape(n_latent, n_rows, n_columns)


def binned_information(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """
    Estimate mutual information from contingency tables, corrected for bias.

    Parameters
    ----------
    tables : ndarray of int, shape (..., n_rows, n_columns)
        Counts.

    Returns
    -------
    information : ndarray of float, shape (...)
        Plug-in estimate minus its bias under independence,
        ``(n_rows - 1) (n_columns - 1) / 2n`` (Miller 1955, Panzeri and Treves
        1996) [nat]; below zero where the truth is about zero.
    """
    counts = tables.astype(np.float64)
    n = counts.sum(axis=(-2, -1))
    rows, columns = counts.sum(axis=-1), counts.sum(axis=-2)
    plain = (
        xlogy(counts, counts).sum(axis=(-2, -1))
        - xlogy(rows, rows).sum(axis=-1)
        - xlogy(columns, columns).sum(axis=-1)
        + xlogy(n, n)
    ) / n
    freedom = (tables.shape[-2] - 1) * (tables.shape[-1] - 1)
    return np.asarray(plain - freedom / (2.0 * n), np.float64)


def _null_information(
    table: NDArray[np.int64], n_draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    margins = stats.random_table(table.sum(axis=1), table.sum(axis=0))
    drawn = [
        binned_information(
            margins.rvs(min(_NULL_CHUNK, n_draws - start), random_state=rng)
        )
        for start in range(0, n_draws, _NULL_CHUNK)
    ]
    return np.concatenate(drawn)
