"""Small files of each form, with the quirks of their releases."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.io import fits

from tests.tfrecords_tools.fits_files import (
    CARDS,
    WAVE,
    drop_cards,
    make_flux,
    same,
    write_adp,
    write_espresso,
    write_image,
)
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.spectrum import SpectrumError

FLUX = make_flux()
EXPECTED = {
    "target": "HD 1234",
    "instrument": "HARPS",
    "ra": 10.5,
    "dec": -20.25,
    "mjd": 53921.5,
    "exptime": 300.0,
    "snr": 80.5,
    "berv": -8.5,
    "airmass": 1.25,
    "specsys": "BARYCENT",
}


def check(path, **expected):
    spectrum = read_spectrum(path)
    np.testing.assert_allclose(spectrum.wave, WAVE, rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, FLUX)
    for name, value in {**EXPECTED, **expected}.items():
        found = getattr(spectrum.metadata, name)
        assert found == value or same(found, value), name
    return spectrum


# --- ESO Phase 3 -------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["Spectrum.", "spec:", "eso:", "SPECTRUM.", ""])
def test_adp_columns_by_every_prefix_of_tutyp(tmp_path, prefix):
    spectrum = check(write_adp(tmp_path / "a.fits", prefix=prefix), flux_unit="adu")
    assert spectrum.metadata.dp_id == "a"


def test_adp_columns_by_tutyp_whatever_their_names(tmp_path):
    check(write_adp(tmp_path / "a.fits", names=("X", "Y")))


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("nm", 10.0), ("Angstroms", 1.0), ("um", 1e4), ("m", 1e10), ("0.1 nm", 1.0)],
)
def test_wavelengths_in_their_unit(tmp_path, unit, factor):
    check(write_adp(tmp_path / "a.fits", WAVE / factor, unit=unit))


def test_unknown_unit_is_refused(tmp_path):
    with pytest.raises(SpectrumError, match="unknown unit of wavelength 'parsec'"):
        read_spectrum(write_adp(tmp_path / "a.fits", unit="parsec"))


def test_flagged_pixels_are_bad(tmp_path):
    quality = np.zeros(WAVE.size, dtype=np.int32)
    quality[[3, 700]] = [1, 16384]
    spectrum = read_spectrum(write_adp(tmp_path / "a.fits", quality=quality))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(spectrum.flux)), [3, 700])


def test_main_flux_goes_before_those_beside(tmp_path):
    beside = fits.Column("FLUX_CAL", f"{WAVE.size}E", array=[FLUX * 2.0])
    path = write_adp(tmp_path / "a.fits", names=("WAVE", "FLUX_EL"), more=(beside,))
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["TUTYP4"] = "eso:Data.FluxAxis.Value"
    check(path)


def test_wavelengths_in_air_go_before_those_in_vacuum(tmp_path):
    air = fits.Column("WAVE_AIR", f"{WAVE.size}D", "Angstrom", array=[WAVE])
    path = write_adp(tmp_path / "a.fits", WAVE * 1.00028, more=(air,))
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["TUTYP4"] = "eso:Data.SpectralAxis.Value"
    spectrum = check(path)
    assert spectrum.medium == "air"
    assert spectrum.history == ("HARPS Phase 3 table", "in air by the name wave_air")


def test_ucd_and_name_tell_the_medium(tmp_path):
    path = write_adp(tmp_path / "a.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["TUCD1"] = "em.wl;obs.atmos"
    assert read_spectrum(path).history[1] == "in air by the UCD em.wl;obs.atmos"
    path = write_adp(tmp_path / "v.fits", names=("WAVE_VAC", "FLUX"))
    assert read_spectrum(path).medium == "vacuum"


def test_variable_length_arrays(tmp_path):
    def column(name, form, values):
        return fits.Column(name, form, array=np.array([values], dtype=object))

    table = fits.BinTableHDU.from_columns(
        [column("WAVE", "PD()", WAVE), column("FLUX", "PE()", FLUX)]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "a.fits")
    spectrum = read_spectrum(tmp_path / "a.fits")
    np.testing.assert_array_equal(spectrum.wave, WAVE)
    np.testing.assert_array_equal(spectrum.flux, FLUX)


# --- HARPS s1d ---------------------------------------------------------------------


def test_s1d_is_barycentric_without_saying_so(tmp_path):
    cards = {k: v for k, v in CARDS.items() if k != "SPECSYS"}
    path = write_image(
        tmp_path / "x_s1d_A.fits", cards={**cards, "BUNIT": "Relative Flux"}
    )
    spectrum = check(path, flux_unit="Relative Flux", dp_id="x_s1d_A")
    guessed = "wavelengths in Angstrom: guessed"
    assert spectrum.history == ("HARPS image", guessed, "in air by HARPS")


def test_harpsn_cards(tmp_path):
    cards = {"INSTRUME": "HARPN", "HIERARCH TNG DRS BERV": 12.5, "AIRMASS": 1.5}
    metadata = read_spectrum(write_image(tmp_path / "a.fits", cards=cards)).metadata
    assert (metadata.berv, metadata.airmass) == (12.5, 1.5)
    assert metadata.specsys == "BARYCENT"


def test_s1d_that_iraf_shifted_is_in_no_known_frame(tmp_path):
    cards = {k: v for k, v in CARDS.items() if k != "SPECSYS"}
    path = write_image(tmp_path / "a.fits", cards={**cards, "DOPCOR01": "-7.0 all"})
    spectrum = check(path, specsys="UNKNOWN")
    assert spectrum.history[-1] == "IRAF dopcor before: -7.0 all"


# --- ESPRESSO ----------------------------------------------------------------------


def test_espresso_table(tmp_path):
    quality = np.zeros(WAVE.size, dtype=np.int32)
    quality[:10] = 16384
    cards = {
        "INSTRUME": "ESPRESSO",
        "HIERARCH ESO QC BERV": 3.5,
        "HIERARCH ESO TEL3 AIRM START": 1.5,
        "HIERARCH ESO QC ORDER1 SNR": 10.0,
        "HIERARCH ESO QC ORDER2 SNR": 30.0,
    }
    path = write_espresso(
        tmp_path / "a.fits", WAVE, FLUX.astype(np.float64), quality, cards
    )
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(spectrum.wave, WAVE)
    assert np.isnan(spectrum.flux[:10]).all()
    np.testing.assert_array_equal(spectrum.flux[10:], FLUX[10:])
    metadata = spectrum.metadata
    assert (metadata.berv, metadata.airmass, metadata.snr) == (3.5, 1.5, 20.0)
    assert metadata.specsys == "BARYCENT"


# --- Images ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4"])
def test_plain_image(tmp_path, dtype):
    flux = np.round(FLUX).astype(dtype)
    cards = {"OBJECT": "star", "BUNIT": "ADU"}
    spectrum = read_spectrum(write_image(tmp_path / "a.fits", flux, cards=cards))
    np.testing.assert_array_equal(spectrum.flux, np.round(FLUX))
    assert spectrum.metadata.specsys == "UNKNOWN"
    assert spectrum.metadata.flux_unit == "ADU"
    assert np.isnan(spectrum.metadata.ra)
    guessed = "wavelengths in Angstrom: guessed"
    assert spectrum.history == ("image", guessed, "air assumed")
    assert spectrum.is_medium_assumed


def test_scaled_integers_and_blanks(tmp_path):
    stored = np.arange(1, 101, dtype=">i2")
    stored[7] = -1
    cards = {
        "SIMPLE": "T",
        "BITPIX": 16,
        "NAXIS": 1,
        "NAXIS1": 100,
        "BSCALE": 0.5,
        "BZERO": 10.0,
        "BLANK": -1,
        "CRVAL1": 5000.0,
        "CDELT1": 0.01,
    }
    text = "".join(f"{key:8}= {value:>20}".ljust(80) for key, value in cards.items())
    path = tmp_path / "a.fits"
    path.write_bytes((text + "END").ljust(2880).encode() + stored.tobytes())
    expected = np.arange(1, 101) * 0.5 + 10.0
    expected[7] = np.nan
    flux = read_spectrum(path).flux
    np.testing.assert_array_equal(flux, expected.astype(np.float32))


def test_image_of_one_row_in_an_extension(tmp_path):
    header = fits.Header({"CRVAL1": WAVE[0], "CD1_1": 0.01, "CUNIT1": "Angstrom"})
    image = fits.ImageHDU(FLUX[np.newaxis], header)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "a.fits")
    spectrum = read_spectrum(tmp_path / "a.fits")
    np.testing.assert_allclose(spectrum.wave, WAVE, rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, FLUX)


def test_reference_pixel_and_unit(tmp_path):
    cards = {"CRPIX1": 11.0, "CUNIT1": "nm", "CTYPE1": "AWAV"}
    path = write_image(
        tmp_path / "a.fits", FLUX, start=WAVE[10] / 10.0, step=0.001, cards=cards
    )
    spectrum = read_spectrum(path)
    np.testing.assert_allclose(spectrum.wave, WAVE, rtol=1e-12)
    assert spectrum.history == ("image", "in air by CTYPE1 AWAV")


def test_unit_by_iraf(tmp_path):
    cards = {"WAT1_001": "wtype=linear label=Wavelength units=nanometers"}
    path = write_image(
        tmp_path / "a.fits", FLUX, start=WAVE[0] / 10.0, step=0.001, cards=cards
    )
    np.testing.assert_allclose(read_spectrum(path).wave, WAVE, rtol=1e-12)


def test_logarithmic_axes(tmp_path):
    log = 3.7 + 1e-6 * np.arange(FLUX.size)
    path = write_image(
        tmp_path / "a.fits", FLUX, start=3.7, step=1e-6, cards={"DC-FLAG": 1}
    )
    np.testing.assert_allclose(read_spectrum(path).wave, 10.0**log, rtol=1e-12)
    path = write_image(
        tmp_path / "b.fits", FLUX, start=5000.0, step=0.01, cards={"CTYPE1": "WAVE-LOG"}
    )
    spectrum = read_spectrum(path)
    expected = 5000.0 * np.exp(0.01 / 5000.0 * np.arange(FLUX.size))
    np.testing.assert_allclose(spectrum.wave, expected, rtol=1e-12)
    assert spectrum.medium == "vacuum"


# --- Metadata ----------------------------------------------------------------------

FIELDS = {
    "OBJECT": ("target", ""),
    "INSTRUME": ("instrument", ""),
    "RA": ("ra", np.nan),
    "DEC": ("dec", np.nan),
    "MJD-OBS": ("mjd", np.nan),
    "EXPTIME": ("exptime", np.nan),
    "SNR": ("snr", np.nan),
    "HIERARCH ESO DRS BERV": ("berv", np.nan),
    "HIERARCH ESO TEL AIRM START": ("airmass", np.nan),
}


@pytest.mark.parametrize("keyword", FIELDS)
def test_every_card_is_optional(tmp_path, keyword):
    cards = {k: v for k, v in CARDS.items() if k != keyword}
    name, unknown = FIELDS[keyword]
    check(write_adp(tmp_path / "a.fits", cards=cards), **{name: unknown})


@pytest.mark.parametrize("keyword", ["RA", "SNR", "HIERARCH ESO DRS BERV"])
@pytest.mark.parametrize("value", ["n/a", True, ""])
def test_cards_of_another_type_are_unknown(tmp_path, keyword, value):
    path = write_adp(tmp_path / "a.fits", cards={**CARDS, keyword: value})
    check(path, **{FIELDS[keyword][0]: np.nan})


def test_metadata_of_the_extension_fill_gaps(tmp_path):
    path = write_adp(tmp_path / "a.fits", cards={})
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["OBJECT"] = "in the extension"
        hdus[1].header["RA"] = 12.5
    assert scan_file(path)[0].target == "in the extension"
    assert read_spectrum(path).metadata.ra == 12.5


def test_snr_falls_back_on_the_median_of_the_orders(tmp_path):
    cards = {k: v for k, v in CARDS.items() if k != "SNR"}
    orders = {f"HIERARCH ESO DRS SPE EXT SN{i}": 10.0 * i for i in (0, 1, 2, 7)}
    check(write_adp(tmp_path / "a.fits", cards={**cards, **orders}), snr=15.0)


@pytest.mark.parametrize(
    ("name", "dp_id"),
    [
        ("ADP.2014-09-16T11:04:45.123.fits", "ADP.2014-09-16T11:04:45.123"),
        ("x.fits.gz", "x"),
        ("x.FITS", "x"),
        ("x.fit", "x"),
        ("x.fts.gz", "x"),
        ("x.fits.fz", "x"),
        ("x.gz", "x.gz"),
        ("été\n1.fits", "été\n1"),
        (b"\xff1.fits".decode(errors="surrogateescape"), "\\xff1"),
    ],
)
def test_dp_id_is_the_name_of_the_file(tmp_path, name, dp_id):
    assert scan_file(write_adp(tmp_path / name))[0].dp_id == dp_id


@pytest.mark.parametrize("name", ["a.fits.gz", "a.fits", "a.bin"])
def test_gzip_is_told_by_content(tmp_path, name):
    plain = write_adp(tmp_path / "plain.fits")
    path = tmp_path / name
    path.write_bytes(gzip.compress(plain.read_bytes()))
    check(path)
    assert scan_file(path)[0].target == "HD 1234"


def test_scan_and_read_agree(tmp_path):
    path = write_adp(tmp_path / "a.fits")
    metadata = read_spectrum(path).metadata
    (identity,) = scan_file(path)
    for name in ("dp_id", "target", "ra", "dec", "mjd"):
        assert getattr(metadata, name) == getattr(identity, name)
    assert identity.labels == {}


def test_long_strings_go_on_in_continue_cards(tmp_path):
    cards = {**CARDS, "OBJECT": "x" * 150}
    check(write_adp(tmp_path / "a.fits", cards=cards), target="x" * 150)


def test_missing_wavelengths_of_an_image(tmp_path):
    path = drop_cards(write_image(tmp_path / "a.fits"), "CDELT1")
    with pytest.raises(SpectrumError, match="no wavelengths: CRVAL1 or CDELT1"):
        read_spectrum(path)
