"""Every real file against an independent read with plain astropy and numpy."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.tfrecords_tools.fits_files import same
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import correct_spectrum, prepare_spectrum
from tfrecords_tools.grid import Grid
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.spectrum import Spectrum

N_FILES = 19
NUMBERS = {"ra": "RA", "dec": "DEC", "mjd": "MJD-OBS", "exptime": "EXPTIME"}


def files(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / "real" / kind).iterdir())


def check_metadata(spectrum: Spectrum, header: fits.Header, **expected: object) -> None:
    metadata = spectrum.metadata
    for name, keyword in NUMBERS.items():
        value = header.get(keyword, np.nan)
        assert same(getattr(metadata, name), value), name
    assert metadata.target == header.get("OBJECT", "").strip()
    assert metadata.instrument == header.get("INSTRUME", "").strip()
    for name, value in expected.items():
        found = getattr(metadata, name)
        assert found == value or same(found, value), name


def check_gap(spectrum: Spectrum, low: float, high: float, n_zeros: int) -> None:
    """Check that the zeros in the gap, and nothing else, become NaN."""
    before = spectrum.flux
    after = correct_spectrum(spectrum, ConvertConfig()).flux
    gap = np.isnan(after) & ~np.isnan(before)
    assert gap.sum() == n_zeros
    if n_zeros:
        inside = (spectrum.wave > low) & (spectrum.wave < high)
        assert (before[gap] == 0.0).all()
        assert not gap[~inside].any()
    np.testing.assert_array_equal(after[~gap], before[~gap])


def test_all_files_are_read_and_gridded(real_data):
    paths = [p for p in (real_data / "real").rglob("*") if p.is_file()]
    assert len(paths) == N_FILES
    for path in paths:
        spectrum = read_spectrum(path)
        (identity,) = scan_file(path)
        for name in ("dp_id", "target", "ra", "dec", "mjd"):
            value = getattr(identity, name)
            found = getattr(spectrum.metadata, name)
            assert found == value or same(found, value)


def test_eso_adp(real_data):
    (path,) = files(real_data, "eso_adp")
    spectrum = read_spectrum(path)
    raw = path.read_bytes()
    with fits.open(path) as hdus:
        header = hdus[0].header
        start = hdus.fileinfo(1)["datLoc"]
        header_of_table = hdus[1].header
        n = header_of_table["NELEM"]
    # The row's bytes: WAVE as float64, FLUX and ERR as float32, big-endian.
    wave = np.frombuffer(raw, ">f8", n, start)
    flux = np.frombuffer(raw, ">f4", n, start + 8 * n)
    np.testing.assert_array_equal(spectrum.wave, wave)
    np.testing.assert_array_equal(spectrum.flux, flux)
    check_metadata(
        spectrum,
        header,
        dp_id="ADP.2014-09-16T11:04:45.123",
        snr=23.35,
        berv=header["ESO DRS BERV"],
        airmass=1.077,
        specsys="BARYCENT",
        flux_unit="adu",
    )
    assert spectrum.medium == "air"
    assert spectrum.history[0] == "HARPS Phase 3 table"
    # All HARPS products are in air, whatever their UCD says.
    assert header_of_table["TUCD1"] == "em.wl"
    assert spectrum.history[1] == "in air by HARPS, though its UCD is that of vacuum"
    assert not spectrum.is_medium_assumed
    check_gap(spectrum, 5303.0, 5338.0, 3295)


def test_snr_of_the_orders_is_the_snr_card(real_data):
    (path,) = files(real_data, "eso_adp")
    header = fits.getheader(path)
    orders = [v for k, v in header.items() if k.startswith("ESO DRS SPE EXT SN")]
    assert len(orders) == 72
    assert np.median(orders) == header["SNR"]


def test_harps_s1d(real_data):
    paths = files(real_data, "harps_s1d")
    assert len(paths) == 15
    for path in paths:
        spectrum = read_spectrum(path)
        raw = path.read_bytes()
        with fits.open(path) as hdus:
            header = hdus[0].header
            start = hdus.fileinfo(0)["datLoc"]
        n = header["NAXIS1"]
        wave = header["CRVAL1"] + header["CDELT1"] * np.arange(n)
        flux = np.frombuffer(raw, ">f4", n, start)
        np.testing.assert_allclose(spectrum.wave, wave, rtol=1e-14)
        np.testing.assert_array_equal(spectrum.flux, flux)
        orders = [header[f"ESO DRS SPE EXT SN{i}"] for i in range(72)]
        shifted_by_iraf = "DOPCOR01" in header
        check_metadata(
            spectrum,
            header,
            dp_id=path.name.removesuffix(".fits"),
            snr=np.median(orders),
            berv=header["ESO DRS BERV"],
            airmass=header["ESO TEL AIRM START"],
            specsys="UNKNOWN" if shifted_by_iraf else "BARYCENT",
            flux_unit="Relative Flux",
        )
        assert spectrum.medium == "air"
        assert any("dopcor" in step for step in spectrum.history) == shifted_by_iraf
        n_zeros = 3190 if "38Vir" in path.name else int((flux == 0.0).sum())
        assert 3190 <= n_zeros <= 3295
        check_gap(spectrum, 5303.0, 5340.0, n_zeros)


def test_two_harps_files_were_shifted_by_iraf(real_data):
    shifted = {
        path.name: read_spectrum(path).history[2]
        for path in files(real_data, "harps_s1d")
        if len(read_spectrum(path).history) > 2
    }
    assert shifted == {
        "38Vir_HARPS_2017.fits": "IRAF dopcor before: -7.04619 all",
        "Sun_HARPS.fits": "IRAF dopcor before: 2.011E-5 all",
    }


def test_harpsn_and_uves_images(real_data):
    for kind in ("harpsn", "uves"):
        (path,) = files(real_data, kind)
        spectrum = read_spectrum(path)
        with fits.open(path) as hdus:
            header = hdus[0].header
            start = hdus.fileinfo(0)["datLoc"]
        n = header["NAXIS1"]
        wave = header["CRVAL1"] + header["CDELT1"] * np.arange(n)
        flux = np.frombuffer(path.read_bytes(), ">f8", n, start)
        np.testing.assert_allclose(spectrum.wave, wave, rtol=1e-14)
        np.testing.assert_array_equal(spectrum.flux, flux.astype(np.float32))
        check_metadata(
            spectrum,
            header,
            dp_id=path.stem,
            snr=np.nan,
            berv=np.nan,
            airmass=np.nan,
            specsys="UNKNOWN",
            flux_unit=header.get("BUNIT", ""),
        )
        assert spectrum.history == ("image", "air assumed")
        check_gap(spectrum, 0.0, 0.0, 0)


def test_espresso_s1d(real_data):
    (path,) = files(real_data, "espresso")
    spectrum = read_spectrum(path)
    raw = gzip.decompress(path.read_bytes())
    row = np.dtype(
        [("wave", ">f8"), ("air", ">f8"), ("flux", ">f8"), ("err", ">f8"), ("q", ">i4")]
    )
    with gzip.open(path) as stream, fits.open(stream) as hdus:
        header = hdus[0].header
        start = hdus.fileinfo(1)["datLoc"]
    rows = np.frombuffer(raw, row, 443_262, start)
    flagged = rows["q"] != 0
    assert flagged.sum() == 2650
    assert (rows["flux"][flagged] == 0.0).all()
    np.testing.assert_array_equal(spectrum.wave, rows["air"])
    np.testing.assert_array_equal(
        spectrum.flux, np.where(flagged, np.nan, rows["flux"]).astype(np.float32)
    )
    orders = [header[f"ESO QC ORDER{i} SNR"] for i in range(1, 171)]
    check_metadata(
        spectrum,
        header,
        dp_id="HD41248_1_1_S1D_A",
        snr=np.median(orders),
        berv=header["ESO QC BERV"],
        airmass=1.195,
        specsys="BARYCENT",
        flux_unit="",
    )
    assert spectrum.medium == "air"


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("eso_adp/ADP.2014-09-16T11:04:45.123.fits", "shifted"),
        ("harps_s1d/Sun_HARPS.fits", "resampled, conserving flux"),
        ("harps_s1d/38Vir_HARPS_2017.fits", "resampled, conserving flux"),
        ("harpsn/HARPN_Ganymede_norm_poly.fits", "shifted"),
        ("uves/WASP-109_UVES_2017_rv.fits", "resampled, conserving flux"),
        ("espresso/HD41248_1_1_S1D_A.fits.gz", "resampled, conserving flux"),
    ],
)
def test_gridding(real_data, name, step):
    path = real_data / "real" / name
    grid = Grid()
    prepared = prepare_spectrum(path, grid, ConvertConfig())
    assert prepared.history[-1] == step
    assert abs(prepared.phase_error) < 1e-6
    # Linear interpolation is another route to nearly the same flux.
    spectrum = correct_spectrum(read_spectrum(path), ConvertConfig())
    good = np.isfinite(spectrum.flux)
    linear = np.interp(grid.wave, spectrum.wave[good], spectrum.flux[good])
    valid = np.isfinite(prepared.flux)
    difference = np.abs(prepared.flux[valid] - linear[valid])
    assert np.median(difference) < 0.02 * prepared.median_flux
    first, last = spectrum.wave[[0, -1]]
    inside = (grid.wave > first - 0.005) & (grid.wave < last + 0.005)
    assert not valid[~inside].any()
    assert prepared.median_flux == pytest.approx(np.nanmedian(prepared.flux))


def test_lines_of_alpha_cen_b_stand_still_in_the_barycentre(real_data):
    """BERV changes by 22 km/s; barycentric wavelengths must not: 0.1 km/s here."""
    names = [
        "HARPS.2012-03-24T08:37:45.581_s1d_A",
        "HARPS.2012-05-31T00:50:34.120_s1d_A",
    ]
    grid = Grid(wave_min=6100.0, wave_step=0.01, n_pixels=8000)
    spectra = []
    for name in names:
        path = real_data / "real" / "harps_s1d" / f"{name}.fits"
        flux = prepare_spectrum(path, grid, ConvertConfig()).flux
        spectra.append(flux / np.convolve(flux, np.ones(501) / 501, "same") - 1.0)
    one, other = (spectrum[600:-600] for spectrum in spectra)
    lags = range(-60, 61)
    match = [np.dot(one[100:-100], np.roll(other, lag)[100:-100]) for lag in lags]
    assert abs(lags[int(np.argmax(match))]) <= 1  # a pixel is 0.5 km/s
