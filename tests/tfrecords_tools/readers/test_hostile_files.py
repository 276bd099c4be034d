"""Files that were once read silently wrong, each a variant of one that people have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.tfrecords_tools.fits_files import GRID, WAVE, make_flux
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import prepare_spectrum
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.spectrum import SpectrumError

FLUX = make_flux()
BAD = np.zeros(FLUX.size, np.int32)
BAD[[7, 90]] = 4
AXIS = {"CRVAL1": WAVE[0], "CDELT1": 0.01, "CRPIX1": 1.0}


def table(name: str | None = None, **columns: np.ndarray) -> fits.BinTableHDU:
    codes = {"f4": "E", "f8": "D", "i4": "J"}
    made = [
        fits.Column(
            key.upper(),
            codes[values.dtype.str[1:]],
            "Angstrom" if key == "wave" else None,
            array=values,
        )
        for key, values in columns.items()
    ]
    return fits.BinTableHDU.from_columns(made, name=name)


def image(values: np.ndarray, name: str | None = None) -> fits.ImageHDU:
    return fits.ImageHDU(values, fits.Header(AXIS), name=name)


def write(path: Path, *units: fits.PrimaryHDU, **cards: object) -> Path:
    header = fits.Header({"OBJECT": "HD 1", **cards})
    fits.HDUList([fits.PrimaryHDU(header=header), *units]).writeto(path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("flux_mask", "flux_flag", "flux_quality", "pixel_mask", "spec_mask"),
        *("data_quality", "dataqual", "quality_flag", "dq_flags", "mask_bits"),
        *("bad_pixel", "bad_pixels", "bad_pixel_mask", "is_bad", "cosmic_mask"),
        *("crmask", "msk", "qf", "mask_flux", "outliers"),
    ],
)
def test_a_mask_of_another_name(tmp_path: Path, name: str) -> None:
    unit = table(wave=WAVE, flux=FLUX, **{name: BAD})
    flux = read_spectrum(write(tmp_path / "a.fits", unit)).flux
    np.testing.assert_array_equal(np.isnan(flux), BAD > 0)


@pytest.mark.parametrize(
    "name", ["gpm", "good_pixels", "good_mask", "mask_good", "good_pixel_mask"]
)
def test_a_mask_of_good_pixels(tmp_path: Path, name: str) -> None:
    unit = table(wave=WAVE, flux=FLUX, **{name: (BAD == 0).astype("i4")})
    flux = read_spectrum(write(tmp_path / "a.fits", unit)).flux
    np.testing.assert_array_equal(np.isnan(flux), BAD > 0)


@pytest.mark.parametrize("name", ["flux_std", "sigma_flux", "fluxerror", "flux_noise"])
def test_an_error_of_another_name(tmp_path: Path, name: str) -> None:
    error = np.linspace(1.0, 2.0, FLUX.size).astype("f4")
    unit = table(wave=WAVE, flux=FLUX, **{name: error})
    spectrum = read_spectrum(write(tmp_path / "a.fits", unit))
    np.testing.assert_array_equal(spectrum.error, error)
    np.testing.assert_array_equal(spectrum.flux, FLUX)


def test_masks_of_other_things_flag_nothing(tmp_path: Path) -> None:
    unit = table(wave=WAVE, flux=FLUX, telluric_mask=BAD, sky_mask=BAD)
    assert np.isfinite(read_spectrum(write(tmp_path / "a.fits", unit)).flux).all()


@pytest.mark.parametrize("fill", [-9999.0, -999.0, -99.0])
def test_a_number_for_no_flux(tmp_path: Path, fill: float) -> None:
    bad = np.isin(np.arange(FLUX.size), [3, 50, 51])
    unit = table(wave=WAVE, flux=np.where(bad, fill, FLUX).astype("f4"))
    spectrum = read_spectrum(write(tmp_path / "a.fits", unit))
    np.testing.assert_array_equal(np.isnan(spectrum.flux), bad)
    assert f"3 pixels of {fill:g} are no data" in spectrum.history


@pytest.mark.parametrize(
    "flux", [[-99.0, -99.0, 5.0, 6.0], [-100.0, -99.0, -99.0, -99.0]]
)
def test_negative_flux_is_data(tmp_path: Path, flux: list[float]) -> None:
    unit = table(wave=WAVE[: len(flux)], flux=np.array(flux, "f4"))
    assert read_spectrum(write(tmp_path / "a.fits", unit)).flux.tolist() == flux


@pytest.mark.parametrize("first", ["THROUGHPUT", "CHI2", "STAT", "EXPMAP"])
def test_the_star_of_an_unknown_name_behind_another_thing(
    tmp_path: Path, first: str
) -> None:
    other = np.ones(FLUX.size, "f4")
    path = write(tmp_path / "a.fits", image(other, first), image(FLUX, "MYSTAR"))
    np.testing.assert_array_equal(read_spectrum(path).flux, FLUX)


def test_the_band_called_spectrum_wherever_it_stands(tmp_path: Path) -> None:
    bands = np.stack([2.0 * FLUX, FLUX])[:, np.newaxis]
    path = tmp_path / "a.fits"
    cards = {**AXIS, "BANDID1": "raw - no weights", "BANDID2": "spectrum - clean"}
    fits.PrimaryHDU(bands, fits.Header(cards)).writeto(path)
    np.testing.assert_array_equal(read_spectrum(path).flux, FLUX)


def test_rows_of_flux_and_error_are_not_two_stars(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    cards = fits.Header({"COEFF0": 3.7, "COEFF1": 1e-6})
    fits.PrimaryHDU(np.stack([FLUX, 0.1 * FLUX]), cards).writeto(path)
    with pytest.raises(SpectrumError, match="nothing says that its rows are spectra"):
        scan_file(path)


@pytest.mark.parametrize("kind", ["tables", "images"])
def test_orders_in_units_of_their_own(tmp_path: Path, kind: str) -> None:
    units = [
        table(f"ORDER_{i}", wave=WAVE + 7.0 * i, flux=FLUX)
        if kind == "tables"
        else fits.ImageHDU(
            FLUX, fits.Header({**AXIS, "CRVAL1": 5000.0 + 7.0 * i}), name=f"FLUX_{i}"
        )
        for i in range(4)
    ]
    with pytest.raises(SpectrumError, match="several spectra of different wavelengths"):
        scan_file(write(tmp_path / "a.fits", *units))


def test_two_arms_and_three_exposures_are_spectra(tmp_path: Path) -> None:
    arms = [table(name, wave=WAVE + i, flux=FLUX) for i, name in enumerate("BR")]
    assert len(scan_file(write(tmp_path / "a.fits", *arms))) == 2
    exposures = [table(f"EXP{i}", wave=WAVE, flux=FLUX) for i in range(3)]
    assert len(scan_file(write(tmp_path / "b.fits", *exposures))) == 3


def test_a_normalised_copy_is_not_another_spectrum(tmp_path: Path) -> None:
    units = [table(n, wave=WAVE, flux=FLUX) for n in ("SPECTRUM", "NORMALIZED")]
    path = write(tmp_path / "a.fits", *units)
    assert [identity.dp_id for identity in scan_file(path)] == ["a"]
    assert "not read: NORMALIZED" in read_spectrum(path).history


def test_names_of_rows(tmp_path: Path) -> None:
    columns = [
        fits.Column("NAME", "4A", array=["HD 1", "HD 2"]),
        fits.Column("WAVE", f"{WAVE.size}D", "Angstrom", array=[WAVE, WAVE]),
        fits.Column("FLUX", f"{WAVE.size}E", array=[FLUX, FLUX]),
    ]
    path = write(tmp_path / "a.fits", fits.BinTableHDU.from_columns(columns))
    assert [identity.target for identity in scan_file(path)] == ["HD 1", "HD 2"]


def test_what_a_unit_says_goes_before_what_the_file_says(tmp_path: Path) -> None:
    """The file is of the raw exposure, the unit of what was made of it."""
    unit = table("SPECTRUM", wave=WAVE, flux=FLUX)
    unit.header.update({"SPECSYS": "BARYCENT", "VACUUM": True, "BERV": 5.0})
    path = write(tmp_path / "a.fits", unit, SPECSYS="TOPOCENT", VACUUM=False, BERV=12.5)
    spectrum = read_spectrum(path)
    assert spectrum.medium == "vacuum"
    assert (spectrum.metadata.specsys, spectrum.metadata.berv) == ("BARYCENT", 5.0)


@pytest.mark.parametrize(
    ("specsys", "told"),
    [
        *(("GEOCENTR", "kept topocentric"), ("LSRK", "frame unknown")),
        *(("none", "frame unknown"), ("SOURCE", None), ("Heliocentric", None)),
    ],
)
def test_every_frame_but_those_at_rest_is_told(
    tmp_path: Path, specsys: str, told: str | None
) -> None:
    unit = table("SPECTRUM", wave=WAVE, flux=FLUX)
    path = write(tmp_path / "a.fits", unit, SPECSYS=specsys)
    prepared = prepare_spectrum(path, GRID, ConvertConfig(medium="air"))
    assert prepared.assumptions == (() if told is None else (told,))
