"""The informative dimensions of several runs, matched two by two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import LatentsError
from stellar_tf.analysis.files import VERDICT_NAME, AnalysisError, has_analysis
from stellar_tf.analysis.latents import one_per_star
from stellar_tf.analysis.matching import Matching, match_dimensions
from stellar_tf.analysis.similarity import kernel_alignment, neighbour_overlap
from stellar_tf.run import Run
from stellar_tf.tables import read_table


class Comparison(NamedTuple):
    """Two runs side by side."""

    first: Path
    """Folder of one run."""
    second: Path
    """Folder of the other."""
    n_informative: tuple[int, int]
    """Informative dimensions of each."""
    n_stars: int
    """Stars that both encoded."""
    matching: Matching
    """Pairs of their informative dimensions, and the stability."""
    alignment: float
    """Linear centred kernel alignment of these dimensions."""
    overlap: float
    """Share of nearest neighbours that these dimensions have in common."""

    @property
    def table(self) -> Table:
        """A row a pair: ``first``, ``second`` and their ``spearman``."""
        columns = (self.matching.first, self.matching.second, self.matching.correlation)
        return Table(columns, names=("first", "second", "spearman"))


class _Analysed(NamedTuple):
    folder: Path
    latents: Table
    dimensions: NDArray[np.intp]


def compare_runs(runs: Sequence[Run]) -> list[Comparison]:
    """
    Match the informative dimensions of every two of some runs.

    Parameters
    ----------
    runs : sequence of Run
        Two or more, each encoded and analysed on the same spectra.

    Returns
    -------
    comparisons : list of Comparison
        One a pair of runs.

    Raises
    ------
    LatentsError
        If there are fewer than two runs, or two have no spectrum in common.
    AnalysisError
        If a run has not been analysed.
    TableError
        If the latents of a run cannot be read.
    """
    if len(runs) < 2:
        raise LatentsError("compare needs two or more run folders")
    analysed = [_read(run) for run in runs]
    return [_compare(first, second) for first, second in combinations(analysed, 2)]


def mean_stability(comparisons: Sequence[Comparison]) -> float:
    """Average the stability over pairs of runs."""
    scores = np.array([pair.matching.stability for pair in comparisons])
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")


def _read(run: Run) -> _Analysed:
    if not has_analysis(run.analysis):
        raise AnalysisError(
            f"{run.analysis}: has no {VERDICT_NAME}; run stellar-tf analyze "
            f"{run.folder}"
        )
    verdict = read_table(run.analysis / VERDICT_NAME)
    informative = np.asarray(verdict["dimension"][verdict["informative"]], np.intp)
    return _Analysed(run.folder, read_table(run.latents_path), np.sort(informative))


def _compare(first: _Analysed, second: _Analysed) -> Comparison:
    ids, *rows = np.intersect1d(
        first.latents["dp_id"], second.latents["dp_id"], return_indices=True
    )
    if not ids.size:
        raise LatentsError(
            f"{first.folder} and {second.folder} have no spectrum in common"
        )
    star = np.asarray(first.latents["star"][rows[0]]).astype(np.str_)
    chosen = one_per_star(np.asarray(ids).astype(np.str_), star, seed=0)
    first_z, second_z = (
        np.asarray(run.latents["z_mean"])[row[chosen]]
        for run, row in zip((first, second), rows, strict=True)
    )
    informative = (first_z[:, first.dimensions], second_z[:, second.dimensions])
    return Comparison(
        first.folder,
        second.folder,
        (len(first.dimensions), len(second.dimensions)),
        chosen.size,
        match_dimensions(first_z, second_z, first.dimensions, second.dimensions),
        kernel_alignment(*informative),
        neighbour_overlap(*informative),
    )
