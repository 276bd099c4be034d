"""Spectra of real stars, every file against an independent read with astropy."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import correct_spectrum
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

N_FILES = {
    "lamost": 1654,
    "miles": 984,
    "apogee": 553,
    "alpha_cen_b_mg": 145,
    "alpha_cen_b_o2b": 145,
}


some_or_all = pytest.mark.parametrize(
    "every",
    [pytest.param(20, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)],
)


@pytest.fixture(scope="module")
def stars(real_data: Path) -> Path:
    folder = real_data / "real_stars"
    if not folder.is_dir():
        pytest.skip(f"no stars in {folder}")
    return folder


def files(stars: Path, kind: str, every: int = 1) -> list[Path]:
    paths = sorted((stars / kind).iterdir())
    assert len(paths) == N_FILES[kind]
    return paths[::every]


def read_labels(stars: Path, kind: str) -> dict[str, dict[str, str]]:
    with (stars / f"{kind}_labels.csv").open(newline="") as stream:
        return {row["dp_id"]: row for row in csv.DictReader(stream)}


@some_or_all
def test_lamost(stars: Path, every: int) -> None:
    labels = read_labels(stars, "lamost")
    for path in files(stars, "lamost", every):
        with fits.open(path) as hdus:
            header, row = hdus[0].header, hdus["COADD"].data[0]
            wave = np.array(row["WAVELENGTH"], np.float64)
            flux, ivar = np.array(row["FLUX"]), np.array(row["IVAR"], np.float64)
            flux[(ivar == 0.0) | (row["ORMASK"] != 0)] = np.nan
        spectrum = read_spectrum(path)
        np.testing.assert_array_equal(spectrum.wave, wave)
        np.testing.assert_array_equal(spectrum.flux, flux)
        assert spectrum.error is not None
        good = ivar > 0.0
        np.testing.assert_allclose(spectrum.error[good], ivar[good] ** -0.5, rtol=1e-6)
        assert np.isnan(spectrum.error[~good]).all()
        metadata = spectrum.metadata
        assert (spectrum.medium, metadata.specsys) == ("vacuum", "HELIOCEN")
        assert metadata.berv == header["HELIO_RV"]
        (identity,) = scan_file(path)
        assert identity.target == labels[identity.dp_id]["desig"]
        assert (identity.ra, identity.dec) == (header["RA"], header["DEC"])


@some_or_all
def test_miles(stars: Path, every: int) -> None:
    for path in files(stars, "miles", every):
        flux = fits.getdata(path)
        spectrum = read_spectrum(path)
        np.testing.assert_allclose(spectrum.wave, 3540.5 + 0.9 * np.arange(flux.size))
        np.testing.assert_array_equal(spectrum.flux, flux)
        assert (spectrum.medium, spectrum.metadata.specsys) == ("air", "SOURCE")
        assert not spectrum.is_medium_assumed
        assert spectrum.error is None


@some_or_all
def test_apogee(stars: Path, every: int) -> None:
    for path in files(stars, "apogee", every):
        with fits.open(path) as hdus:
            flux, error = hdus[1].data, hdus[2].data
            identifier = hdus[0].header["OBJ"]
        spectrum = read_spectrum(path)
        wave = 10.0 ** (4.179 + 6e-6 * np.arange(flux.size))
        np.testing.assert_allclose(spectrum.wave, wave, rtol=1e-12)
        expected = np.where(flux == 0.0, np.nan, flux)
        np.testing.assert_array_equal(spectrum.flux, expected.astype(np.float32))
        assert spectrum.error is not None
        np.testing.assert_array_equal(spectrum.error[error > 0.0], error[error > 0.0])
        assert spectrum.medium == "vacuum"
        assert spectrum.metadata.specsys == "SOURCE"
        assert scan_file(path)[0].target == identifier


@some_or_all
@pytest.mark.parametrize("kind", ["alpha_cen_b_mg", "alpha_cen_b_o2b"])
def test_alpha_cen_b(stars: Path, kind: str, every: int) -> None:
    for path in files(stars, kind, every):
        content = gzip.decompress(path.read_bytes())
        with fits.open(path) as hdus:
            header, start = hdus[0].header, hdus.fileinfo(0)["datLoc"]
        n = header["NAXIS1"]
        spectrum = read_spectrum(path)
        flux = np.frombuffer(content, ">f4", n, start)
        np.testing.assert_array_equal(spectrum.flux, flux)
        wave = header["CRVAL1"] + header["CDELT1"] * np.arange(n)
        np.testing.assert_allclose(spectrum.wave, wave, rtol=1e-13)
        metadata = spectrum.metadata
        assert metadata.target == "HD128621"
        assert metadata.berv == header["ESO DRS BERV"]
        assert (spectrum.medium, metadata.specsys) == ("air", "BARYCENT")
        assert not spectrum.is_medium_assumed


# --- By nature ---------------------------------------------------------------------

STEP = 25.0
"""Pixels of the cross-correlation [km/s]; the label's error is smaller."""
LOW, HIGH = 3900.0, 5500.0
N_SPECTRA = 200


def rectify(wave: np.ndarray, flux: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Flux on an even grid of velocities, over its running mean, of zero mean."""
    good = np.isfinite(flux)
    even = np.interp(grid, wave[good], flux[good])
    box = np.ones(161) / 161.0
    mean = np.convolve(np.pad(even, 80, mode="edge"), box, "valid")
    return np.clip(even / mean - 1.0, -0.5, 0.5) * np.hanning(grid.size)


def test_velocities_of_lamost_are_those_of_its_catalogue(stars: Path) -> None:
    """Air taken for vacuum, or vacuum for air, would be 83 km/s off."""
    config = ConvertConfig()
    n = int(np.log(HIGH / LOW) * SPEED_OF_LIGHT / STEP)
    grid = LOW * np.exp(STEP / SPEED_OF_LIGHT * np.arange(n))
    templates = read_labels(stars, "miles")
    known = [name for name, row in templates.items() if row["teff"]]
    temperatures = np.array([float(templates[name]["teff"]) for name in known])
    labels = read_labels(stars, "lamost")
    bright = [path for path in files(stars, "lamost") if is_bright(labels, path)]
    offsets = []
    for path in bright[:: len(bright) // N_SPECTRA][:N_SPECTRA]:
        label = labels[path.name.removesuffix(".fits.gz")]
        near = known[np.argmin(abs(temperatures - float(label["teff"])))]
        template = read_spectrum(stars / "miles" / f"{near}.fits.gz")
        observed = correct_spectrum(read_spectrum(path), config)
        velocity = cross_correlate(
            rectify(observed.wave, observed.flux, grid),
            rectify(template.wave, template.flux, grid),
        )
        offsets.append(velocity - float(label["rv"]))
    assert len(offsets) == N_SPECTRA
    assert abs(np.median(offsets)) < 10.0


def is_bright(labels: dict[str, dict[str, str]], path: Path) -> bool:
    row = labels[path.name.removesuffix(".fits.gz")]
    return float(row["snrg"]) > 20.0


def cross_correlate(observed: np.ndarray, template: np.ndarray) -> float:
    """Velocity of the best match, to a part of a step by a parabola [km/s]."""
    lags = np.arange(-40, 41)
    match = np.array([np.dot(observed, np.roll(template, lag)) for lag in lags])
    best = int(np.clip(np.argmax(match), 1, lags.size - 2))
    before, top, after = match[best - 1 : best + 2]
    shift = 0.5 * (before - after) / (before - 2.0 * top + after)
    return float(STEP * (lags[best] + shift))
