"""The spectra of a run's table of latents, to be found and compared."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import Label
from stellar_tf.analysis.labels.units import NAMES
from stellar_tf.analysis.latents import read_codes
from stellar_tf.analysis.neighbours.space import InformativeSpace
from stellar_tf.config import AnalysisConfig
from stellar_tf.explore.dimensions import MovableDimension

_SAME = 1e-3
"""Codes that differ by less, in all dimensions, are of the same spectrum."""


class Neighbour(NamedTuple):
    """A spectrum near another one."""

    row: int
    """Its row of the survey."""
    distance: float
    """In standard deviations of the informative dimensions."""


class OutlierScore(NamedTuple):
    """How unlike all others a spectrum is."""

    score: float
    """Local outlier factor: about 1 within a crowd."""
    share: float
    """Share of the survey's spectra with a smaller score, from 0 to 1."""


class Survey:
    """
    Every encoded spectrum, with its code and labels.

    Parameters
    ----------
    latents : astropy.table.Table
        As `stellar-tf encode` writes it.
    dimensions : list of MovableDimension
        Those in which spectra are compared.
    config : AnalysisConfig
        Which columns are labels.
    """

    def __init__(
        self, latents: Table, dimensions: list[MovableDimension], config: AnalysisConfig
    ) -> None:
        codes = read_codes(latents, config, labels=None, factors=())
        self.dimensions = dimensions
        self.dp_id = codes.dp_id
        """Identifier of each spectrum, shape (n,)."""
        self.star = codes.star
        """Star of each spectrum, shape (n,)."""
        self.split = codes.split
        """Split of each spectrum, shape (n,)."""
        self.z_mean = codes.z_mean
        """Posterior means, shape (n, n_latent)."""
        self.width = np.exp(0.5 * codes.z_log_var)
        """Posterior standard deviations, shape (n, n_latent)."""
        self.labels: dict[str, Label] = {
            name: values for name, values in codes.labels.items() if _varies(values)
        }
        """Labels that are not the same everywhere, shape (n,) each."""
        self.units = {
            name: str(latents[name].unit or NAMES.get(name, ("", ""))[1])
            for name in self.labels
        }
        """Unit of each label."""
        self._space = InformativeSpace(
            self.z_mean, np.array([dimension.index for dimension in dimensions])
        )
        self._rows = {str(dp_id): row for row, dp_id in enumerate(self.dp_id)}

    def __len__(self) -> int:
        """Count the spectra."""
        return len(self.dp_id)

    @property
    def n_stars(self) -> int:
        """Number of stars."""
        return len(np.unique(self.star))

    def find(self, text: str) -> NDArray[np.intp]:
        """Find spectra by a part of their star's name or identifier."""
        where = np.char.find(self._names, _fold(text))
        hits = np.flatnonzero(where >= 0)
        return hits[np.argsort(where[hits] > 0, kind="stable")]

    def find_row(self, dp_id: str) -> int | None:
        """Find the row of an identifier; None if the survey does not have it."""
        return self._rows.get(dp_id)

    def find_copy(self, dp_id: str, z_mean: NDArray[np.floating]) -> int | None:
        """
        Find the survey's own copy of a spectrum that came from elsewhere.

        Parameters
        ----------
        dp_id : str
            Of the data product.
        z_mean : ndarray of float, shape (n_latent,)
            Its code.

        Returns
        -------
        row : int or None
            None if the survey has no spectrum of that identifier and code.
        """
        row = self.find_row(dp_id)
        if row is None or np.abs(self.z_mean[row] - z_mean).max() > _SAME:
            return None
        return row

    def nearest_in_plane(
        self,
        point: tuple[float, float],
        axes: tuple[int, int],
        span: tuple[float, float],
    ) -> int:
        """Find the spectrum that was pointed at."""
        offset = (self.z_mean[:, list(axes)] - point) / np.array(span)
        return int(np.argmin((offset**2).sum(axis=1)))

    def find_neighbours(
        self, z_mean: NDArray[np.floating], n: int, *, without: int | None
    ) -> list[Neighbour]:
        """
        Find the spectra most like one.

        Parameters
        ----------
        z_mean : ndarray of float, shape (n_latent,)
            Its code.
        n : int
            Neighbours wanted.
        without : int or None
            Row of the spectrum itself, which is no neighbour.

        Returns
        -------
        neighbours : list of Neighbour
            Nearest first.
        """
        found = self._space.find_neighbours(z_mean[np.newaxis], n + 1)
        pairs = zip(found.rows[0], found.distance[0], strict=True)
        others = [Neighbour(int(r), float(d)) for r, d in pairs if r != without]
        return others[:n]

    def score_outlier(
        self, z_mean: NDArray[np.floating], row: int | None
    ) -> OutlierScore:
        """
        Say how unlike all others a spectrum is.

        Parameters
        ----------
        z_mean : ndarray of float, shape (n_latent,)
            Its code.
        row : int or None
            Its row, if the survey has it.

        Returns
        -------
        outlier : OutlierScore
            Its local outlier factor, and the share of spectra with a smaller one.
        """
        if row is None:
            score = float(self._space.score_others(z_mean[np.newaxis])[0])
        else:
            score = float(self._scores[row])
        return OutlierScore(score, float(np.mean(self._scores < score)))

    @cached_property
    def most_unusual(self) -> NDArray[np.intp]:
        """Rows of all spectra, the most unlike all others first."""
        return np.argsort(-self._scores, kind="stable")

    @cached_property
    def _scores(self) -> NDArray[np.float64]:
        return self._space.score_outliers()

    @cached_property
    def _names(self) -> NDArray[np.str_]:
        names = [
            _fold(f"{star} {dp_id}")
            for star, dp_id in zip(self.star, self.dp_id, strict=True)
        ]
        return np.array(names, np.str_)


def _fold(text: str) -> str:
    return "".join(text.casefold().split())


def _varies(values: Label) -> bool:
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return bool(known.size) and bool((known != known[0]).any())
