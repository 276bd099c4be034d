"""The table of latents as the analysis takes it: spectra, stars, splits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import (
    Label,
    LatentsError,
    read_floats,
    read_labels,
    read_strings,
    require_column,
)
from stellar_tf.config import AnalysisConfig
from stellar_tf.flags import UNUSABLE
from tfrecords_tools.star import star_of

logger = logging.getLogger(__name__)

HELD_OUT = "test"
"""The split whose stars no choice of the fit has seen."""


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
    series_of: str = ""
    """The star, where all spectra are of one: each is then a star of its own."""

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

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """
        Draw each spectrum's z from its posterior, once.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of the draws.

        Returns
        -------
        z : ndarray of float32, shape (n, n_latent)
            The draws.
        """
        noise = rng.standard_normal(self.z_mean.shape, np.float32)
        noise *= np.exp(0.5 * self.z_log_var)
        noise += self.z_mean
        return noise

    def select_splits(self, splits: Sequence[str]) -> Codes:
        """Keep the spectra of the named splits, and those that are in none."""
        is_in = np.isin(self.split, [*splits, ""])
        return self if is_in.all() else self.take(is_in)

    def one_per_star(self, *, seed: int) -> Codes:
        """Keep one spectrum per star; another seed, another one."""
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
        All rows but those whose ``flags`` say that nothing is known of the spectrum.

    Raises
    ------
    LatentsError
        If a column is missing, of the wrong kind or shape, or a code is not finite.
    """
    for name in ("dp_id", "star", "split", "z_mean", "z_log_var"):
        require_column(latents, name)
    if "flags" in latents.colnames:
        unusable = (np.asarray(latents["flags"]) & int(UNUSABLE)) != 0
        if unusable.any():
            logger.warning("%d spectra that are unusable are left out", unusable.sum())
            latents = latents[~unusable]
    z_mean = read_floats(latents["z_mean"], np.float32)
    z_log_var = read_floats(latents["z_log_var"], np.float32)
    if z_mean.ndim != 2 or z_mean.shape != z_log_var.shape:
        raise LatentsError(
            "z_mean and z_log_var must have the same shape (n, n_latent), "
            f"got {z_mean.shape} and {z_log_var.shape}"
        )
    if not (np.isfinite(z_mean).all() and np.isfinite(z_log_var).all()):
        raise LatentsError("z_mean and z_log_var must be finite, got NaN or infinity")
    dp_id = read_strings(latents["dp_id"])
    star = name_stars(dp_id, read_strings(latents["star"]))
    is_series = star.size > 1 and bool((star == star[0]).all())
    return Codes(
        dp_id,
        dp_id if is_series else star,
        read_strings(latents["split"]),
        z_mean,
        z_log_var,
        read_labels(latents, [*(labels or config.labels)], factors),
        str(star[0]) if is_series else "",
    )


def one_per_star(
    dp_id: NDArray[np.str_], star: NDArray[np.str_], *, seed: int
) -> NDArray[np.intp]:
    """
    Draw one spectrum of each star.

    Parameters
    ----------
    dp_id : ndarray of str, shape (n,)
        Identifier of each spectrum; the draw does not depend on the order of rows.
    star : ndarray of str, shape (n,)
        Star of each spectrum; where it is empty the spectrum is its own star.
    seed : int
        Another seed draws other spectra.

    Returns
    -------
    rows : ndarray of int, shape (n_stars,)
        Row numbers of the drawn spectra, ascending.

    Notes
    -----
    The paper's "unique" view: spectra of one star are not independent, stars are.
    """
    shuffled = np.argsort(dp_id, kind="stable")
    shuffled = shuffled[np.random.default_rng(seed).permutation(shuffled.size)]
    owner = name_stars(dp_id, star)[shuffled]
    _, first = np.unique(owner, return_index=True)
    return np.sort(shuffled[first])


def name_stars(dp_id: NDArray[np.str_], star: NDArray[np.str_]) -> NDArray[np.str_]:
    """
    Give spectra without a star the name that `star_of` gives them.

    Parameters
    ----------
    dp_id : ndarray of str, shape (n,)
        Identifier of each spectrum.
    star : ndarray of str, shape (n,)
        Its star, or empty.

    Returns
    -------
    named : ndarray of str, shape (n,)
        The stars; the array given where none is empty.
    """
    if (star != "").all():
        return star
    named = [s or star_of("", i) for s, i in zip(star, dp_id, strict=True)]
    return np.array(named, np.str_)


def star_table(stars: Codes, splits: Sequence[str]) -> Table:
    """
    List the spectra, one per star, that the statistics are made from.

    Parameters
    ----------
    stars : Codes
        One spectrum per star, all stars.
    splits : sequence of str
        Splits whose stars the statistics use.

    Returns
    -------
    table : astropy.table.Table
        ``dp_id``, ``star``, ``split``, ``entered``, ``z_mean`` and the labels.
    """
    table = Table()
    table["dp_id"] = stars.dp_id
    table["star"] = stars.star
    table["split"] = stars.split
    table["entered"] = np.isin(stars.split, [*splits, ""])
    table["z_mean"] = stars.z_mean
    for name, values in stars.labels.items():
        table[name] = values
    table["entered"].description = "whether the star entered the statistics"
    table["z_mean"].description = "posterior means"
    return table
