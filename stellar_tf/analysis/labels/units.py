"""Dimensions in the names and units of what they track."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from stellar_tf.analysis.columns import is_category, is_known
from stellar_tf.analysis.labels.associations import Associations, find_tracked
from stellar_tf.analysis.latents import HELD_OUT, Codes
from stellar_tf.analysis.statistics import MIN_HELD_OUT_STARS, MIN_LABELLED_STARS
from stellar_tf.config import AnalysisConfig

MIN_CORRELATION = 0.8
"""Least |Spearman| of a dimension and the label it tracks: below, no map is made."""
N_KNOTS = 65
"""Values at which a map is kept."""
NAMES = {
    "teff": ("T_eff", "K"),
    "logg": ("log g", "dex"),
    "mh": ("[M/H]", "dex"),
    "feh": ("[Fe/H]", "dex"),
    "alpha": ("[alpha/M]", "dex"),
    "vsini": ("v sin i", "km/s"),
    "rv": ("radial velocity", "km/s"),
    "berv": ("BERV", "km/s"),
    "snr": ("S/N", ""),
    "exptime": ("exposure time", "s"),
    "mjd": ("MJD", "d"),
}
"""Name and unit of known labels; others keep their own name, without a unit."""


class UnitMap(NamedTuple):
    """What a value of a dimension means in the unit of the label that it tracks."""

    dimension: int
    """The latent dimension."""
    label: str
    """The label."""
    z: NDArray[np.float64]
    """Values of z, ascending, shape (n_knots,)."""
    value: NDArray[np.float64]
    """The label there, monotone, same shape."""
    error: float
    """Median absolute error on held-out stars; NaN with too few of them."""
    n_held_out: int
    """Held-out stars with a known label."""
    width: float
    """Median over stars of the posterior's standard deviation, in the label's unit."""

    @property
    def unit(self) -> str:
        """The label's unit; empty if it has none."""
        return name_label(self.label)[1]

    def read(
        self, z: NDArray[np.floating], width: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """
        Turn posteriors of the dimension into values of the label.

        Parameters
        ----------
        z : ndarray of float, shape (n,)
            Means.
        width : ndarray of float, shape (n,)
            Standard deviations.

        Returns
        -------
        value, width : ndarray of float, shape (n,)
            The label and its standard deviation, in its unit; NaN beyond the stars of
            the fit, where nothing says what z means.
        """
        value = np.interp(z, self.z, self.value, np.nan, np.nan)
        low, high = (
            np.clip(at, self.z[0], self.z[-1]) for at in (z - width, z + width)
        )
        rise = np.abs(
            np.interp(high, self.z, self.value) - np.interp(low, self.z, self.value)
        )
        # Near an end one side of the interval is shorter than the width.
        slope = np.divide(rise, high - low, where=high > low, out=np.zeros_like(rise))
        return value, np.where(np.isfinite(value), slope * width, np.nan)

    def describe(self, z: float, width: float = 0.0) -> str:
        """
        Say what a value of z means.

        Parameters
        ----------
        z : float
            The value.
        width : float, default 0
            Its standard deviation; adds the interval of 68 %.

        Returns
        -------
        words : str
            Such as ``radial velocity about -12.0 km/s (68 %: -12.1 to -11.9)``, with as
            many digits as the width (without it, the median width) bears.
        """
        name, unit = name_label(self.label)
        middle, low, high = (
            float(np.interp(at, self.z, self.value)) for at in (z, z - width, z + width)
        )
        low, high = min(low, high), max(low, high)
        half = 0.5 * (high - low) or self.width
        words = f"{name} about {_round(middle, half)} {unit}".rstrip()
        if not width:
            return words
        return f"{words} (68 %: {_round(low, half)} to {_round(high, half)})"

    def describe_quality(self) -> str:
        """
        Say how far the label can be told by the dimension.

        Returns
        -------
        words : str
            Such as ``wrong by 0.4 km/s (median of 80 held-out stars); posteriors are
            0.06 km/s wide``.
        """
        unit = name_label(self.label)[1]
        width = f"posteriors are {f'{self.width:.2g} {unit}'.rstrip()} wide"
        if not math.isfinite(self.error):
            return width
        error = f"{self.error:.2g} {unit}".rstrip()
        return (
            f"wrong by {error} (median of {self.n_held_out:,} held-out stars); {width}"
        )


def name_label(label: str) -> tuple[str, str]:
    """Return the proper name of a label and its unit."""
    return NAMES.get(label, (label, ""))


def _round(value: float, width: float) -> str:
    """Give the digits that differ between values a width apart."""
    if not width > 0.0:
        return f"{value:.4g}"
    return f"{value:z.{max(math.ceil(-math.log10(width)), 0)}f}"


def fit_unit_maps(
    stars: Codes, associations: Associations, config: AnalysisConfig
) -> list[UnitMap]:
    """
    Fit a monotone map to each dimension that tracks a label monotonically.

    Parameters
    ----------
    stars : Codes
        One spectrum per star, all stars.
    associations : Associations
        Informative dimensions against labels.
    config : AnalysisConfig
        The false discovery rate at which a dimension tracks a label.

    Returns
    -------
    maps : list of UnitMap
        One per dimension whose |Spearman| with its label reaches `MIN_CORRELATION`.

    Notes
    -----
    Centered isotonic regression (Oron and Flournoy 2017) of the label on z_mean, rising
    or falling, fitted without the held-out stars, which give its error.
    """
    maps = []
    for dimension in associations.dimensions:
        tracked = find_tracked(associations, int(dimension), config.fdr)
        if tracked is None or not abs(tracked.spearman) >= MIN_CORRELATION:
            continue
        found = _fit(stars, int(dimension), tracked.label)
        if found is not None:
            maps.append(found)
    return maps


def _fit(stars: Codes, dimension: int, label: str) -> UnitMap | None:
    values = stars.labels[label]
    if is_category(values):
        return None
    known, held_out = is_known(values), stars.split == HELD_OUT
    z = np.asarray(stars.z_mean[:, dimension], np.float64)
    fitted, tested = known & ~held_out, known & held_out
    if fitted.sum() < MIN_LABELLED_STARS:
        return None
    knots, at_knots = _centre(z[fitted], np.asarray(values[fitted], np.float64))

    def read(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(at, knots, at_knots)

    n_tested = int(tested.sum())
    error = np.nan
    if n_tested >= MIN_HELD_OUT_STARS:
        error = float(np.median(np.abs(read(z[tested]) - values[tested])))
    half = np.exp(0.5 * np.asarray(stars.z_log_var[:, dimension], np.float64))
    width = np.abs(read(z + half) - read(z - half)) / 2.0
    return UnitMap(
        dimension,
        label,
        knots,
        at_knots,
        error,
        n_tested,
        float(np.median(width)),
    )


def _centre(
    z: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit monotone steps and join their centres: within a step no width is 0."""
    steps = IsotonicRegression(increasing="auto").fit_transform(z, values)
    levels, step = np.unique(steps, return_inverse=True)
    centres = np.bincount(step, z) / np.bincount(step)
    order = np.argsort(centres)
    # Beyond the outermost centres a step is flat, and a width would be 0.
    inside = np.clip(z, centres.min(), centres.max())
    knots = np.unique(np.quantile(inside, np.linspace(0.0, 1.0, N_KNOTS)))
    return knots, np.interp(knots, centres[order], levels[order])


def unit_map_table(maps: list[UnitMap]) -> Table:
    """
    List the knots of the maps.

    Parameters
    ----------
    maps : list of UnitMap
        As `fit_unit_maps` returns them.

    Returns
    -------
    table : astropy.table.Table
        A row per knot; error and width of each map are repeated.
    """
    table = Table()
    size = [found.z.size for found in maps]
    for name, dtype in (
        ("dimension", np.int64), ("label", np.str_), ("error", np.float64),
        ("n_held_out", np.int64), ("width", np.float64),
    ):  # fmt: skip
        values = np.array([getattr(found, name) for found in maps], dtype)
        table[name] = np.repeat(values, size)
    for name in ("z", "value"):
        table[name] = np.concatenate([np.empty(0), *(getattr(m, name) for m in maps)])
    table["error"].description = "median absolute error, held-out stars [label's unit]"
    table["width"].description = "median posterior width [label's unit]"
    table["z"].description = "value of the dimension"
    table["value"].description = "the label there [its unit]"
    return table


def list_unit_maps(table: Table) -> dict[int, UnitMap]:
    """
    Take the maps out of their table.

    Parameters
    ----------
    table : astropy.table.Table
        As of `unit_map_table`.

    Returns
    -------
    maps : dict of int to UnitMap
        By dimension.
    """
    maps = {}
    for dimension in np.unique(np.asarray(table["dimension"], np.int64)):
        rows = table[table["dimension"] == dimension]
        maps[int(dimension)] = UnitMap(
            int(dimension),
            str(rows["label"][0]),
            np.asarray(rows["z"], np.float64),
            np.asarray(rows["value"], np.float64),
            float(rows["error"][0]),
            int(rows["n_held_out"][0]),
            float(rows["width"][0]),
        )
    return maps
