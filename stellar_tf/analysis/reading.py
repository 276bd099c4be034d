"""The tables of an analysis, read back."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from astropy.table import Table

from stellar_tf.tables import TableError, read_table

VERDICT_NAME = "verdict.ecsv"
"""The table by which an analysed run is known."""


class AnalysisError(TableError):
    """A run has no analysis, or one of another model; the message names it."""


class SavedAnalysis(NamedTuple):
    """What later commands need of an analysis."""

    summary: Table
    """One row: K with its interval, and numbers of stars."""
    verdict: Table
    """One row per latent dimension, the most informative first."""
    stars: Table
    """One spectrum of each star: ``z_mean`` and the labels."""


def read_analysis(folder: Path, n_latent: int) -> SavedAnalysis:
    """
    Read the tables that `write_tables` wrote.

    Parameters
    ----------
    folder : Path
        RUN/analysis.
    n_latent : int
        Latent dimensions of the run's model.

    Returns
    -------
    analysis : SavedAnalysis
        Its tables.

    Raises
    ------
    AnalysisError
        If there is no analysis, or it has another number of dimensions.
    TableError
        If a table is missing or unreadable.
    """
    if not has_analysis(folder):
        raise AnalysisError(f"{folder}: has no {VERDICT_NAME}; run stellar-tf analyze")
    tables = (read_table(folder / f"{name}.ecsv") for name in SavedAnalysis._fields)
    analysis = SavedAnalysis(*tables)
    if len(analysis.verdict) != n_latent:
        raise AnalysisError(
            f"{folder}: is of a model with {len(analysis.verdict)} latent dimensions, "
            f"this one has {n_latent}; run stellar-tf analyze --overwrite"
        )
    return analysis


def has_analysis(folder: Path) -> bool:
    """
    Tell whether a run has been analysed.

    Parameters
    ----------
    folder : Path
        RUN/analysis.

    Returns
    -------
    answer : bool
        Whether the verdict is there.
    """
    return (folder / VERDICT_NAME).is_file()
