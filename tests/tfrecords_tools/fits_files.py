"""Small FITS files of each form the readers know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tfrecords_tools.grid import Grid

GRID = Grid(wave_min=5000.0, wave_step=0.01, n_pixels=600)
"""Small, and covered by `WAVE`."""
WAVE = 4999.5 + 0.01 * np.arange(800)
CARDS: dict[str, object] = {
    "OBJECT": "HD 1234",
    "INSTRUME": "HARPS",
    "RA": 10.5,
    "DEC": -20.25,
    "MJD-OBS": 53921.5,
    "EXPTIME": 300.0,
    "SNR": 80.5,
    "SPECSYS": "BARYCENT",
    "HIERARCH ESO DRS BERV": -8.5,
    "HIERARCH ESO TEL AIRM START": 1.25,
}


def make_flux(n: int = WAVE.size, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.normal(1000.0, 30.0, n).astype(np.float32)


def write_adp(
    path: Path,
    wave: NDArray[np.float64] = WAVE,
    flux: NDArray[np.float32] | None = None,
    *,
    cards: Mapping[str, object] = CARDS,
    prefix: str = "Spectrum.",
    names: tuple[str, str] = ("WAVE", "FLUX"),
    unit: str = "Angstrom",
    flux_unit: str = "adu",
    error: NDArray[np.float32] | None = None,
    quality: NDArray[np.int32] | None = None,
    more: tuple[fits.Column, ...] = (),
) -> Path:
    """Write a table of one row of arrays; prefix "" leaves TUTYP out."""
    flux = make_flux(wave.size) if flux is None else flux
    n = wave.size
    error = np.full(n, np.nan, np.float32) if error is None else error
    columns = [
        fits.Column(names[0], f"{n}D", unit, array=wave[np.newaxis]),
        fits.Column(names[1], f"{flux.size}E", flux_unit, array=flux[np.newaxis]),
        fits.Column("ERR", f"{n}E", flux_unit, array=error[np.newaxis]),
    ]
    utypes = ["SpectralAxis.Value", "FluxAxis.Value", "FluxAxis.Accuracy.StatError"]
    if quality is not None:
        columns.append(
            fits.Column("QUAL", f"{quality.size}J", array=quality[np.newaxis])
        )
        utypes.append("FluxAxis.Quality")
    table = fits.BinTableHDU.from_columns([*columns, *more], name="SPECTRUM")
    if prefix:
        for i, utype in enumerate(utypes):
            table.header[f"TUTYP{i + 1}"] = f"{prefix}Data.{utype}"
    primary = fits.PrimaryHDU(header=_header(cards))
    fits.HDUList([primary, table]).writeto(path)
    return path


def write_image(
    path: Path,
    flux: NDArray[np.generic] | None = None,
    *,
    start: float = float(WAVE[0]),
    step: float = 0.01,
    cards: Mapping[str, object] = CARDS,
) -> Path:
    """Write a primary image, with the wavelengths of `WAVE` unless told otherwise."""
    data = make_flux() if flux is None else flux
    header = _header({"CRVAL1": start, "CDELT1": step, "CRPIX1": 1.0, **cards})
    fits.PrimaryHDU(data, header).writeto(path)
    return path


def write_espresso(
    path: Path,
    air: NDArray[np.float64],
    flux: NDArray[np.float64],
    quality: NDArray[np.int32],
    cards: Mapping[str, object],
) -> Path:
    """Write a table of one pixel a row."""
    columns = [
        fits.Column("wavelength", "D", array=air * 1.00028),
        fits.Column("wavelength_air", "D", array=air),
        fits.Column("flux", "D", array=flux),
        fits.Column("error", "D", array=np.ones(air.size)),
        fits.Column("quality", "J", array=quality),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    fits.HDUList([fits.PrimaryHDU(header=_header(cards)), table]).writeto(path)
    return path


def write_rows(path: Path, n_rows: int) -> Path:
    """Write a table with a spectrum a row, each of a star of its own."""
    flux = np.stack([make_flux(seed=100 + i) for i in range(n_rows)])
    columns = [
        fits.Column("WAVE", f"{WAVE.size}D", "Angstrom", array=[WAVE] * n_rows),
        fits.Column("FLUX", f"{WAVE.size}E", array=flux),
        fits.Column("OBJECT", "8A", array=[f"HD 9{i}" for i in range(n_rows)]),
        fits.Column("TEFF", "E", array=1000.0 * np.arange(n_rows)),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def write_survey(folder: Path, n_stars: int) -> Path:
    """Write a spectrum of each star, one in three with errors, and no spectrum."""
    for i in range(n_stars):
        cards = {**CARDS, "OBJECT": f"HD {i}"}
        flux = make_flux(seed=i)
        error = None if i % 3 else np.sqrt(np.abs(flux))
        write_adp(folder / f"ADP.{i}.fits", flux=flux, error=error, cards=cards)
    (folder / "bad.fits").write_text("no FITS")
    return folder


def drop_cards(path: Path, *keywords: str) -> Path:
    """Blank cards in the bytes of a file, which astropy would refuse to drop."""
    content = path.read_bytes()
    for keyword in keywords:
        at = content.index(keyword.ljust(8).encode() + b"=")
        content = content[:at] + b"COMMENT ".ljust(80) + content[at + 80 :]
    path.write_bytes(content)
    return path


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _header(cards: Mapping[str, object]) -> fits.Header:
    header = fits.Header()
    for keyword, value in cards.items():
        header[keyword] = value
    return header
