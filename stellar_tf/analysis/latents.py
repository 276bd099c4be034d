"""What the analysis reads from the table of latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Column, MaskedColumn, Table
from numpy.typing import NDArray

from stellar_tf.analysis.categories import Label
from stellar_tf.analysis.stars import name_stars, one_per_star
from stellar_tf.config import AnalysisConfig
from tfrecords_tools.errors import UserError

_NOT_LABELS = (
    *("dp_id", "target", "star", "split", "z_mean", "z_log_var", "ra", "dec"),
    "history",  # what `convert` did to the file: no property of star or exposure
)
NUISANCES = ("snr", "airmass", "berv", "mjd", "exptime")
"""Columns that describe the exposure."""
HELD_OUT = "test"
"""The split whose stars no choice of the fit has seen."""


class LatentsError(UserError):
    """A table of latents cannot be analysed; the message says what it lacks."""


class Codes(NamedTuple):
    """Checked columns of some rows of a table of latents."""

    dp_id: NDArray[np.str_]
    """Identifier of each spectrum, shape (n,)."""
    star: NDArray[np.str_]
    """Star of each spectrum; a spectrum without one is its own, shape (n,)."""
    split: NDArray[np.str_]
    """``train``, ``validation``, ``test`` or empty, shape (n,)."""
    z_mean: NDArray[np.float32]
    """Posterior means, shape (n, n_latent)."""
    z_log_var: NDArray[np.float32]
    """Natural logarithm of the posterior variances, shape (n, n_latent)."""
    labels: dict[str, Label]
    """Labels and nuisances, numbers or categories, shape (n,) each."""

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Codes:
        """
        Keep some rows.

        Parameters
        ----------
        rows : ndarray of int or bool
            Row numbers, or a mask.

        Returns
        -------
        codes : Codes
            The rows asked for.
        """
        return Codes(
            self.dp_id[rows],
            self.star[rows],
            self.split[rows],
            self.z_mean[rows],
            self.z_log_var[rows],
            {name: values[rows] for name, values in self.labels.items()},
        )

    def enter(self, splits: Sequence[str]) -> Codes:
        """
        Keep the spectra of some splits, and those that are in none.

        Parameters
        ----------
        splits : sequence of str
            Names of splits.

        Returns
        -------
        codes : Codes
            Their rows.
        """
        return self.take(np.isin(self.split, [*splits, ""]))

    def view(self, *, seed: int) -> Codes:
        """
        Keep one spectrum per star.

        Parameters
        ----------
        seed : int
            Decides which.

        Returns
        -------
        codes : Codes
            One row per star.
        """
        return self.take(one_per_star(self.dp_id, self.star, seed=seed))


def read_codes(
    latents: Table,
    config: AnalysisConfig,
    *,
    labels: Sequence[str] | None,
    factors: Sequence[str],
) -> Codes:
    """
    Check a table of latents and take the columns the analysis needs.

    Parameters
    ----------
    latents : astropy.table.Table
        As `stellar-tf encode` writes it.
    config : AnalysisConfig
        Its `labels` are used where `labels` is None.
    labels : sequence of str or None
        Label columns; None or empty: every column that may be one.
    factors : sequence of str
        Columns that hold true factors; they are labels too.

    Returns
    -------
    codes : Codes
        All rows.

    Raises
    ------
    LatentsError
        If a column is missing, of the wrong kind or shape, or a code is not finite.
    """
    for name in ("dp_id", "star", "split", "z_mean", "z_log_var"):
        _require(latents, name)
    z_mean = _floats(latents["z_mean"]).astype(np.float32)
    z_log_var = _floats(latents["z_log_var"]).astype(np.float32)
    if z_mean.ndim != 2 or z_mean.shape != z_log_var.shape:
        raise LatentsError(
            "z_mean and z_log_var must have the same shape (n, n_latent), "
            f"got {z_mean.shape} and {z_log_var.shape}"
        )
    if not (np.isfinite(z_mean).all() and np.isfinite(z_log_var).all()):
        raise LatentsError("z_mean and z_log_var must be finite, got NaN or infinity")
    dp_id = _strings(latents["dp_id"])
    return Codes(
        dp_id,
        name_stars(dp_id, _strings(latents["star"])),
        _strings(latents["split"]),
        z_mean,
        z_log_var,
        read_labels(latents, [*(labels or config.labels)], factors),
    )


def read_labels(
    table: Table, labels: Sequence[str] = (), factors: Sequence[str] = ()
) -> dict[str, Label]:
    """
    Take the labels out of a table.

    Parameters
    ----------
    table : astropy.table.Table
        One row per spectrum.
    labels : sequence of str
        Their columns; empty: every column that may be one.
    factors : sequence of str
        Columns of true factors, which are labels too.

    Returns
    -------
    labels : dict of str to ndarray of float or str, shape (n,)
        Labels in the order asked for, then what describes the exposure.

    Raises
    ------
    LatentsError
        If a column is missing or of the wrong kind.
    """
    asked = [*(labels or _label_columns(table)), *factors]
    for name in asked:
        _require(table, name)
        if not (_is_numeric(table[name]) or _is_text(table[name])):
            raise LatentsError(f"label {name} must be a column of numbers or strings")
    for name in factors:
        if not _is_numeric(table[name]):
            raise LatentsError(f"factor {name} must be a column of numbers")
    # Nuisances come last, whether asked for or not.
    chosen = [name for name in dict.fromkeys(asked) if name not in NUISANCES]
    chosen += [name for name in NUISANCES if name in table.colnames]
    return {name: _values(table[name]) for name in chosen}


def _require(latents: Table, name: str) -> None:
    if name not in latents.colnames:
        raise LatentsError(f"latents must have a column {name}")


def _label_columns(latents: Table) -> list[str]:
    return [
        name
        for name in latents.colnames
        if name not in _NOT_LABELS
        and (_is_numeric(latents[name]) or _is_text(latents[name]))
    ]


def _is_numeric(column: Column) -> bool:
    return column.ndim == 1 and column.dtype.kind in "fiub"


def _is_text(column: Column) -> bool:
    return column.ndim == 1 and column.dtype.kind in "USO"


def _values(column: Column) -> Label:
    return _strings(column) if _is_text(column) else _floats(column)


def _floats(column: Column) -> NDArray[np.float64]:
    if isinstance(column, MaskedColumn):
        return np.asarray(np.ma.filled(column.astype(np.float64), np.nan), np.float64)
    return np.asarray(column, np.float64)


def _strings(column: Column) -> NDArray[np.str_]:
    if isinstance(column, MaskedColumn):
        column = column.filled("")
    return np.asarray(column).astype(np.str_)
