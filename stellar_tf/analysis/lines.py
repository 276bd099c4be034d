"""Named spectral lines between 3780 and 6910 Angstrom, for a person's eyes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Line(NamedTuple):
    """A spectral line."""

    wave: float
    """Wavelength in air [Angstrom]."""
    name: str
    """Species, or the name spectroscopists know the line by."""


class Band(NamedTuple):
    """A range in which the Earth's atmosphere absorbs."""

    wave_min: float
    """First wavelength in air, observer's frame [Angstrom]."""
    wave_max: float
    """Last wavelength in air, observer's frame [Angstrom]."""
    name: str
    """The molecule and its band."""


_FEATURES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("Ca II K", (3933.66,)),
    ("Ca II H", (3968.47,)),
    ("H zeta", (3889.05,)),
    ("H epsilon", (3970.07,)),
    ("H delta", (4101.74,)),
    ("H gamma", (4340.47,)),
    ("H beta", (4861.33,)),
    ("H alpha", (6562.80,)),
    ("Mg b4", (5167.32,)),
    ("Mg b2", (5172.68,)),
    ("Mg b1", (5183.60,)),
    ("Na D2", (5889.95,)),
    ("Na D1", (5895.92,)),
    ("CH G band", (4307.74,)),
    ("Al I", (3944.01, 3961.52)),
    ("Ba II", (4554.03, 4934.08, 5853.68, 6141.71, 6496.90)),
    (
        "Ca I",
        (
            4226.73, 5588.75, 5857.45, 6102.72, 6122.22, 6162.17, 6166.44, 6169.04,
            6169.56, 6439.08, 6449.81, 6462.57, 6471.66, 6493.78, 6499.65, 6717.68,
        ),
    ),
    ("Cr I", (4254.33, 4274.80, 5204.51, 5206.04, 5208.42, 6330.09)),
    (
        "Fe I",
        (
            3859.91, 4045.81, 4063.59, 4071.74, 4132.06, 4143.87, 4202.03, 4250.79,
            4271.76, 4325.76, 4383.54, 4404.75, 4415.12, 4528.61, 4871.32, 4891.49,
            4920.50, 4957.60, 5227.19, 5269.54, 5328.04, 5371.49, 5405.77, 5429.70,
            5434.52, 5446.92, 5576.09, 5586.76, 5615.64, 6065.48, 6136.61, 6137.69,
            6191.56, 6200.31, 6213.43, 6219.28, 6230.72, 6232.64, 6240.65, 6246.32,
            6252.56, 6254.26, 6265.13, 6270.23, 6280.62, 6297.79, 6301.50, 6302.49,
            6311.50, 6315.81, 6318.02, 6322.69, 6335.33, 6336.82, 6344.15, 6355.03,
            6358.69, 6380.74, 6393.60, 6400.00, 6408.02, 6411.65, 6419.95, 6421.35,
            6430.85, 6469.19, 6475.63, 6481.87, 6494.98, 6498.94, 6518.37, 6592.91,
            6593.87, 6677.99, 6750.15,
        ),
    ),
    (
        "Fe II",
        (
            4233.17, 4583.84, 4923.93, 5018.44, 5169.03, 5316.61, 6238.39, 6247.56,
            6369.46, 6416.93, 6432.68, 6456.38, 6516.08,
        ),
    ),
    ("Li I", (6707.81,)),
    ("Mg I", (3829.36, 3832.30, 3838.29, 4702.99, 5528.40, 5711.09, 6318.72)),
    ("Na I", (5682.63, 5688.20, 6154.23, 6160.75)),
    ("Ni I", (6223.98, 6314.66, 6327.60, 6339.12, 6378.25, 6482.80, 6643.64, 6767.77)),
    ("Sc II", (6245.63,)),
    ("Si I", (6155.13, 6237.32, 6243.81, 6244.47, 6414.98)),
    ("Si II", (6347.10, 6371.36)),
    ("Sr II", (4077.71, 4215.52)),
    ("Ti I", (4981.73, 4991.07, 5210.39, 6258.10, 6258.71, 6261.10, 6303.76)),
    ("Ti II", (4395.03, 4501.27, 6491.57)),
    ("V I", (6199.19, 6243.11, 6251.83)),
)  # fmt: skip

LINES: tuple[Line, ...] = tuple(
    sorted(Line(wave, name) for name, waves in _FEATURES for wave in waves)
)
"""
Strong absorption lines of F, G and K stars, in air.

Wavelengths follow the NIST Atomic Spectra Database and Moore, Minnaert and
Houtgast's solar atlas (1966, NBS Monograph 61), to 0.02 Angstrom.
"""

_REACH = 0.45
"""Pixels farther from a line than this do not count as the line's [Angstrom]."""

TELLURIC_BANDS: tuple[Band, ...] = (
    Band(5880.0, 5960.0, "H2O (Earth)"),
    Band(6276.0, 6320.0, "O2 gamma (Earth)"),
    Band(6465.0, 6580.0, "H2O (Earth)"),
    Band(6866.0, 6945.0, "O2 B (Earth)"),
)
"""
Where the Earth's lines absorb more than 7 percent at HARPS's resolution.

The limits are those of the transmission measured from HARPS spectra of alpha
Centauri B at airmass 1.2 to 2; in a barycentric spectrum they move with BERV.
"""


def name_wavelengths(wave: ArrayLike, *, tolerance: float = 0.3) -> NDArray[np.str_]:
    """
    Name the line next to each wavelength.

    Parameters
    ----------
    wave : array_like, shape (n,)
        Wavelengths in air [Angstrom].
    tolerance : float, default 0.3
        A line farther away than this is not named [Angstrom].

    Returns
    -------
    names : ndarray of str, shape (n,)
        ``"Fe I 6230.72"``, the telluric band where no line is near, or ``""``.
    """
    wave = np.atleast_1d(np.asarray(wave, np.float64))
    positions = np.array([line.wave for line in LINES])
    names = []
    for value in wave:
        nearest = int(np.argmin(np.abs(positions - value)))
        if abs(positions[nearest] - value) <= tolerance:
            names.append(f"{LINES[nearest].name} {positions[nearest]:.2f}")
        else:
            names.append(_telluric_name(value))
    return np.array(names, dtype=np.str_)


def choose_lines(
    wave: NDArray[np.floating], score: NDArray[np.floating], *, distance: float
) -> list[Line]:
    """
    Choose lines whose names do not overlap.

    Parameters
    ----------
    wave : ndarray of float, shape (n_pixels,)
        Wavelengths in air, increasing; lines outside are not chosen [Angstrom].
    score : ndarray of float, shape (n_pixels,)
        Interest of each pixel; of two lines too near the one with more of it stays.
    distance : float
        Smallest distance of two lines [Angstrom].

    Returns
    -------
    lines : list of Line
        By wavelength.
    """
    inside = [line for line in LINES if wave[0] <= line.wave <= wave[-1]]

    def strength(line: Line) -> float:
        near = np.searchsorted(wave, [line.wave - _REACH, line.wave + _REACH])
        return float(np.max(score[slice(*near)], initial=0.0))

    chosen: list[Line] = []
    for line in sorted(inside, key=strength, reverse=True):
        if all(abs(line.wave - other.wave) >= distance for other in chosen):
            chosen.append(line)
    return sorted(chosen)


def _telluric_name(wave: float) -> str:
    for band in TELLURIC_BANDS:
        if band.wave_min <= wave <= band.wave_max:
            return band.name
    return ""
