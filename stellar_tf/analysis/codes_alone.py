"""What can be said of codes without posteriors, such as those the paper released."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import LatentsError, read_labels
from stellar_tf.analysis.descriptions import describe_columns
from stellar_tf.analysis.evidence.dispersion import median_absolute_deviation
from stellar_tf.analysis.labels.associations import (
    Associations,
    add_tracked_labels,
    association_table,
    measure_associations,
    select_labels,
)
from stellar_tf.analysis.latents import one_per_star
from stellar_tf.analysis.statistics import MIN_STARS, Estimate
from stellar_tf.config import AnalysisConfig


@dataclass(frozen=True)
class CodesResult:
    """Dispersion and labels: no posterior, so neither K nor an error rate of it."""

    dispersion_table: Table
    """One row per dimension, the most dispersed first."""
    association_table: Table
    """One row per dimension and label."""
    unusable_labels: dict[str, str]
    """Labels left out, with the reason."""
    n_spectra: int
    """Codes given."""
    n_stars: int
    """Stars among them: the size of the sample."""
    notes: tuple[str, ...] = ()
    """What there is to say of the table of labels, in lines."""

    @property
    def tables(self) -> dict[str, Table]:
        """Both tables, by the names of their files."""
        return {
            "dispersion": self.dispersion_table,
            "associations": self.association_table,
        }


def analyze_codes(
    z_mean: NDArray[np.floating], labels: Table | None, config: AnalysisConfig
) -> CodesResult:
    """
    Apply the methods that need no posterior.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_spectra, n_latent)
        Latent means.
    labels : astropy.table.Table or None
        A row per code, in the same order; a column ``star`` or ``target`` says which
        are of one star.
    config : AnalysisConfig
        Levels, sizes and the seed.

    Returns
    -------
    result : CodesResult
        Tables.

    Raises
    ------
    LatentsError
        If the codes are not finite numbers of that shape, there are too few stars, or
        the table has another number of rows.

    Notes
    -----
    Every dimension is related to every label, and Benjamini-Hochberg runs over all of
    these cells: without a posterior no dimension can be set aside first.
    """
    _check(z_mean, labels)
    table = Table() if labels is None else labels
    rows = _choose_stars(len(z_mean), table, config.seed)
    if rows.size < MIN_STARS:
        raise LatentsError(f"codes must be of {MIN_STARS} stars, got {rows.size}")
    streams = np.random.default_rng(config.seed).spawn(2)
    z = np.asarray(z_mean[rows], np.float64)
    dispersion = median_absolute_deviation(
        z,
        n_resamples=config.n_resamples,
        confidence=config.confidence,
        rng=streams[0],
    )
    known = read_labels(table[rows], config.labels) if len(table.colnames) else {}
    usable, unusable = select_labels(known)
    associations = measure_associations(
        z, np.arange(z.shape[1]), usable, config, streams[1]
    )
    return CodesResult(
        _tabulate_dispersion(dispersion, associations, config),
        association_table(associations, config),
        unusable,
        len(z_mean),
        rows.size,
    )


def _tabulate_dispersion(
    dispersion: Estimate, associations: Associations, config: AnalysisConfig
) -> Table:
    """List the dispersion of each dimension, the largest first, and what it tracks."""
    table = Table()
    table["dimension"] = np.arange(dispersion.value.size)
    table["mad"] = dispersion.value
    table["mad_low"] = dispersion.low
    table["mad_high"] = dispersion.high
    table["mad_informative"] = dispersion.value > config.min_dispersion
    add_tracked_labels(table, associations, config.fdr)
    table.sort("mad", reverse=True)
    return describe_columns(table, config)


def _check(z_mean: NDArray[np.floating], labels: Table | None) -> None:
    if z_mean.ndim != 2 or z_mean.dtype.kind != "f":
        raise LatentsError(
            "codes must be an array of floats of shape (n_spectra, n_latent), got "
            f"{z_mean.dtype} of shape {z_mean.shape}"
        )
    if not np.isfinite(z_mean).all():
        raise LatentsError("codes must be finite, got NaN or infinity")
    if labels is not None and len(labels) != len(z_mean):
        raise LatentsError(
            f"labels must have a row for each of the {len(z_mean)} codes, in the same "
            f"order, got {len(labels)}"
        )


def _choose_stars(n_spectra: int, table: Table, seed: int) -> NDArray[np.intp]:
    dp_id = np.array([f"{row:09d}" for row in range(n_spectra)])
    for name in ("star", "target"):
        if name in table.colnames:
            star = np.asarray(table[name]).astype(np.str_)
            return one_per_star(dp_id, star, seed=seed)
    return np.arange(n_spectra)
