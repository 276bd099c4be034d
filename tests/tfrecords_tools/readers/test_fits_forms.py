"""Made files of the forms of surveys and pipelines, after their data models."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.spectrum import SpectrumError

N, M = 4, 600
RNG = np.random.default_rng(1)
WAVE = 5000.0 + 0.2 * np.arange(M)
FLUX = RNG.normal(100.0, 2.0, (N, M)).astype(np.float32)
ERROR = RNG.uniform(0.5, 2.0, (N, M)).astype(np.float32)
LOG_WAVE = 3.7 + 1e-4 * np.arange(M)


@pytest.fixture(autouse=True)
def _without_specutils(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfrecords_tools.readers.with_specutils.is_installed", bool)


def write(path: Path, *hdus: fits.PrimaryHDU, **cards: object) -> Path:
    units = list(hdus)
    if not isinstance(units[0], fits.PrimaryHDU):
        units.insert(0, fits.PrimaryHDU())
    units[0].header.update(cards)
    fits.HDUList(units).writeto(path)
    return path


def table(
    name: str | None = None, units: dict[str, str] | None = None, **columns: np.ndarray
) -> fits.BinTableHDU:
    """A table of as many rows as the arrays have; (1, n): a row of arrays."""
    codes = {"f4": "E", "f8": "D", "i4": "J", "i8": "K", "b1": "L"}
    made = []
    for key, values in columns.items():
        if values.dtype.kind in "US":
            form = f"{values.dtype.itemsize}A"
        else:
            n = "" if values.ndim == 1 else str(values.shape[1])
            form = f"{n}{codes[values.dtype.str[1:]]}"
        made.append(fits.Column(key, form, (units or {}).get(key), array=values))
    return fits.BinTableHDU.from_columns(made, name=name)


def one(values: np.ndarray, kind: str = "f4") -> np.ndarray:
    return values[np.newaxis].astype(kind)


# --- Tables ------------------------------------------------------------------------


def test_a_spectrum_a_row(tmp_path: Path) -> None:
    rows = table(
        WAVE=np.tile(WAVE, (N, 1)),
        FLUX=FLUX,
        ERR=ERROR,
        RA=np.arange(N) * 10.0,
        DEC=np.arange(N) * 1.0,
        OBJECT=np.array([f"HD {i}" for i in range(N)]).astype("S6"),
        MJD=np.arange(N) + 55000.0,
        TEFF=np.arange(N) * 1000.0,
        units={"WAVE": "Angstrom"},
    )
    path = write(tmp_path / "rows.fits", rows, SPECSYS="BARYCENT", OBJECT="a plate")
    identities = scan_file(path)
    assert [i.dp_id for i in identities] == [f"rows#{k}" for k in range(N)]
    assert [i.target for i in identities] == [f"HD {k}" for k in range(N)]
    assert [i.mjd for i in identities] == [55000.0 + k for k in range(N)]
    assert [i.labels for i in identities] == [{"TEFF": 1000.0 * k} for k in range(N)]
    for i in (2, 0, 3, 1):
        spectrum = read_spectrum(path, i)
        np.testing.assert_array_equal(spectrum.wave, WAVE)
        np.testing.assert_array_equal(spectrum.flux, FLUX[i])
        np.testing.assert_array_equal(spectrum.error, ERROR[i])
        assert spectrum.metadata.target == f"HD {i}"
        assert spectrum.metadata.specsys == "BARYCENT"


def test_rows_of_a_file_with_checksums(tmp_path: Path) -> None:
    rows = table(WAVE=np.tile(WAVE, (N, 1)), FLUX=FLUX)
    path = tmp_path / "rows.fits"
    fits.HDUList([fits.PrimaryHDU(), rows]).writeto(path, checksum=True)
    np.testing.assert_array_equal(read_spectrum(path, 1).flux, FLUX[1])
    content = bytearray(path.read_bytes())
    content[-5000] ^= 1
    damaged = tmp_path / "damaged.fits"
    damaged.write_bytes(content)
    for i in range(N):
        with pytest.raises(SpectrumError, match="does not fit its CHECKSUM"):
            read_spectrum(damaged, i)
    read_spectrum(damaged, 0, verify_checksums=False)


def test_a_gzipped_file_of_rows_is_unzipped_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    plain = write(tmp_path / "a.fits", table(WAVE=np.tile(WAVE, (N, 1)), FLUX=FLUX))
    path = tmp_path / "b.fits.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    np.testing.assert_array_equal(read_spectrum(path, 0).flux, FLUX[0])

    def refuse(*_: object) -> None:
        raise AssertionError("unzipped again")

    monkeypatch.setattr("tfrecords_tools.readers.fits_file.gzip.open", refuse)
    for i in (3, 1, 2):
        np.testing.assert_array_equal(read_spectrum(path, i).flux, FLUX[i])


def test_orders_of_an_echelle_are_refused(tmp_path: Path) -> None:
    wave = np.stack([WAVE + 100.0 * i for i in range(N)])
    path = write(tmp_path / "orders.fits", table(WAVE=wave, FLUX=FLUX))
    with pytest.raises(SpectrumError, match="4 rows of different wavelengths, such as"):
        scan_file(path)


def test_lamost_low_resolution_table(tmp_path: Path) -> None:
    ivar = ERROR[:1].copy()
    ivar[0, 5] = 0.0
    ormask = np.zeros((1, M), "f4")
    ormask[0, 9] = 2.0
    unit = table("COADD", FLUX=FLUX[:1], IVAR=ivar, WAVELENGTH=one(WAVE), ORMASK=ormask)
    path = write(
        tmp_path / "spec.fits", unit,
        TELESCOP="LAMOST", DESIG="LAMOST J1", HELIO=True, HELIO_RV=-12.5, VACUUM=True,
    )  # fmt: skip
    spectrum = read_spectrum(path)
    assert np.flatnonzero(np.isnan(spectrum.flux)).tolist() == [5, 9]
    assert spectrum.error is not None
    np.testing.assert_allclose(spectrum.error[6:], ivar[0, 6:] ** -0.5, rtol=1e-6)
    assert spectrum.metadata.target == "LAMOST J1"
    assert (spectrum.metadata.specsys, spectrum.metadata.berv) == ("HELIOCEN", -12.5)
    assert spectrum.history[0] == "LAMOST table"


@pytest.mark.parametrize("has_axis", [True, False])
def test_lamost_low_resolution_image(tmp_path: Path, has_axis: bool) -> None:
    mask = np.zeros(M)
    mask[[3, 7]] = 1.0
    wave = 10.0**LOG_WAVE
    rows = np.stack([FLUX[0], ERROR[0], wave, mask, mask]).astype("f4")
    cards = {"COEFF0": 3.7, "COEFF1": 1e-4} if has_axis else {}
    path = write(
        tmp_path / "spec.fits", fits.PrimaryHDU(rows), TELESCOP="LAMOST", **cards
    )
    spectrum = read_spectrum(path)
    np.testing.assert_allclose(spectrum.wave, wave, rtol=1e-12 if has_axis else 1e-7)
    expected = np.where(mask, np.nan, FLUX[0])
    np.testing.assert_array_equal(spectrum.flux, expected.astype("f4"))
    assert spectrum.error is not None
    np.testing.assert_allclose(spectrum.error, ERROR[0] ** -0.5, rtol=1e-6)
    assert spectrum.medium == "vacuum"


def test_lamost_medium_resolution(tmp_path: Path) -> None:
    names = ("COADD_B", "COADD_R", "B-84420148", "R-84420148")
    units = [
        table(name, FLUX=FLUX[[i]], LOGLAM=one(LOG_WAVE, "f8"), PIXMASK=one(0 * WAVE))
        for i, name in enumerate(names)
    ]
    path = write(tmp_path / "med.fits", *units, TELESCOP="LAMOST", DESIG="LAMOST J2")
    assert [i.dp_id for i in scan_file(path)] == [f"med#{name}" for name in names]
    assert {i.target for i in scan_file(path)} == {"LAMOST J2"}
    for i in range(4):
        spectrum = read_spectrum(path, i)
        np.testing.assert_array_equal(spectrum.flux, FLUX[i])
        np.testing.assert_allclose(spectrum.wave, 10.0**LOG_WAVE, rtol=1e-12)
        assert spectrum.medium == "vacuum"


def test_sdss_spectrum(tmp_path: Path) -> None:
    and_mask, or_mask = np.zeros(M, "i4"), np.ones(M, "i4")
    and_mask[9] = 1 << 24
    coadd = table(
        "COADD", flux=FLUX[0], loglam=LOG_WAVE.astype("f4"), ivar=np.full(M, 4.0, "f4"),
        and_mask=and_mask, or_mask=or_mask, wdisp=FLUX[1], sky=FLUX[2], model=FLUX[3],
    )  # fmt: skip
    lines = table("SPZLINE", LINEWAVE=np.arange(3.0), LINEZ=np.arange(3.0))
    path = write(
        tmp_path / "spec.fits", coadd, lines, TELESCOP="SDSS 2.5-M", OBJECT="x"
    )
    spectrum = read_spectrum(path)
    np.testing.assert_allclose(spectrum.wave, 10.0**LOG_WAVE, rtol=2e-6)
    expected = np.where(and_mask, np.nan, FLUX[0]).astype("f4")
    np.testing.assert_array_equal(spectrum.flux, expected)
    np.testing.assert_array_equal(spectrum.error, np.full(M, 0.5, "f4"))
    assert (spectrum.medium, spectrum.metadata.specsys) == ("vacuum", "HELIOCEN")


def test_sdss_spspec(tmp_path: Path) -> None:
    mask = np.zeros(M)
    mask[[2, 4]] = [0x1000000, 0x40000000]  # NODATA; an emission line is no fault
    rows = np.stack([FLUX[0], FLUX[1], ERROR[0], mask, FLUX[2]]).astype("f4")
    lines = table(wave=np.arange(3.0), waveErr=np.arange(3.0))
    path = write(
        tmp_path / "spSpec.fit", fits.PrimaryHDU(rows), lines,
        TELESCOP="SDSS 2.5-M", COEFF0=3.7, COEFF1=1e-4, OBJID="1 2 3",
    )  # fmt: skip
    spectrum = read_spectrum(path)
    assert np.flatnonzero(np.isnan(spectrum.flux)).tolist() == [2]
    np.testing.assert_array_equal(spectrum.error, ERROR[0])
    np.testing.assert_allclose(spectrum.wave, 10.0**LOG_WAVE)


def test_galah_and_ispec_and_pypeit(tmp_path: Path) -> None:
    galah = write(tmp_path / "g.fits", table(wave=WAVE, sob=FLUX[0], uob=ERROR[0]))
    ispec = write(
        tmp_path / "i.fits", table(waveobs=WAVE / 10.0, flux=FLUX[0], err=ERROR[0])
    )
    good = np.ones(M, "i4")
    good[[0, 8]] = 0
    padded = WAVE.copy()
    padded[0] = 0.0
    onespec = table(
        "SPECTRUM", wave=padded, flux=FLUX[0].astype("f8"),
        ivar=ERROR[0].astype("f8"), mask=good,
    )  # fmt: skip
    onespec.header["DMODCLS"] = "OneSpec"
    pypeit = write(tmp_path / "p.fits", onespec)
    for path, medium in ((galah, "air"), (ispec, "air"), (pypeit, "vacuum")):
        spectrum = read_spectrum(path)
        cut = path == pypeit
        np.testing.assert_allclose(spectrum.wave, WAVE[cut:], rtol=1e-12)
        bad = np.flatnonzero(np.isnan(spectrum.flux)).tolist()
        assert bad == ([7] if cut else [])
        assert spectrum.medium == medium
        assert spectrum.is_medium_assumed == (path == ispec)
        assert spectrum.error is not None


def test_the_quality_of_calspec_is_one_where_it_is_good(tmp_path: Path) -> None:
    quality = np.ones(M, "i4")
    quality[[3, 9]] = 0
    standard = table(
        WAVELENGTH=WAVE, FLUX=FLUX[0], STATERROR=ERROR[0], SYSERROR=FLUX[1],
        FWHM=FLUX[2], DATAQUAL=quality,
    )  # fmt: skip
    spectrum = read_spectrum(write(tmp_path / "gd71.fits", standard))
    assert np.flatnonzero(np.isnan(spectrum.flux)).tolist() == [3, 9]
    np.testing.assert_array_equal(spectrum.error, ERROR[0])
    assert spectrum.medium == "vacuum"


def test_a_star_of_sdss_v(tmp_path: Path) -> None:
    flags = np.zeros((1, M), "i8")
    flags[0, 4] = 2**33
    unit = table(
        "BOSS/APO", sdss_id=np.array([7]).astype("i8"), wavelength=one(WAVE, "f8"),
        flux=one(FLUX[0]), ivar=one(ERROR[0]), pixel_flags=flags,
    )  # fmt: skip
    spectrum = read_spectrum(write(tmp_path / "mwmStar.fits", unit))
    assert np.flatnonzero(np.isnan(spectrum.flux)).tolist() == [4]
    assert (spectrum.medium, spectrum.metadata.specsys) == ("vacuum", "SOURCE")


@pytest.mark.parametrize("name", ["COUNTS_ERR", "UNCERT", "STATERR", "RMS"])
def test_errors_by_other_names(tmp_path: Path, name: str) -> None:
    columns = {"WAVE": WAVE, "COUNTS": FLUX[0], name: ERROR[0]}
    spectrum = read_spectrum(write(tmp_path / "a.fits", table(**columns)))
    np.testing.assert_array_equal(spectrum.error, ERROR[0])


def test_errors_of_another_flux_are_not_taken(tmp_path: Path) -> None:
    columns = {"COUNTS": FLUX[1], "COUNTS_ERR": ERROR[1], "FLUX_ERR": ERROR[0]}
    path = write(tmp_path / "a.fits", table(WAVE=WAVE, FLUX=FLUX[0], **columns))
    np.testing.assert_array_equal(read_spectrum(path).error, ERROR[0])


def test_a_mask_of_something_else_is_told_of(tmp_path: Path) -> None:
    masks = {"MASK": np.zeros(M, "i4"), "SKY_MASK": np.ones(M, "i4")}
    path = write(tmp_path / "a.fits", table(WAVE=WAVE, FLUX=FLUX[0], **masks))
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(spectrum.flux, FLUX[0])
    assert "masks not applied: sky_mask" in spectrum.history


def test_errors_in_per_cent_are_not_taken_for_those_of_the_flux(tmp_path: Path) -> None:
    unit = table(WAVE=WAVE, FLUX=FLUX[0], ERR=ERROR[0], units={"ERR": "%"})
    assert read_spectrum(write(tmp_path / "a.fits", unit)).error is None


def test_stars_of_mastar(tmp_path: Path) -> None:
    ids = np.array([f"3-{i}" for i in range(N)]).astype("S3")
    rows = table(MANGAID=ids, WAVE=np.tile(WAVE, (N, 1)), FLUX=FLUX, IVAR=ERROR)
    path = write(tmp_path / "mastar.fits", rows)
    assert [i.target for i in scan_file(path)] == [f"3-{i}" for i in range(N)]
    assert read_spectrum(path, 1).medium == "vacuum"


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_the_integer_that_stands_for_no_value(tmp_path: Path, scale: float) -> None:
    stored = np.arange(M, dtype="i4")
    unit = table(WAVE=WAVE, FLUX=stored)
    unit.header["TNULL2"] = 77
    path = write(tmp_path / "a.fits", unit)
    if scale != 1.0:  # in place of a card that says nothing
        card = f"{'TSCAL2':8}= {scale:20}".ljust(80).encode()
        content = path.read_bytes()
        at = content.index(b"TFORM1")
        end = content.index(b"END ".ljust(80), at)
        path.write_bytes(content[:end] + card + b"END".ljust(80) + content[end + 160 :])
    spectrum = read_spectrum(path)
    assert np.flatnonzero(np.isnan(spectrum.flux)).tolist() == [77]
    expected = np.where(stored == 77, np.nan, scale * stored).astype("f4")
    np.testing.assert_array_equal(spectrum.flux, expected)


def test_a_label_without_value_and_a_long_identifier(tmp_path: Path) -> None:
    ids = np.array([5853498713190525696 + i for i in range(N)])
    visits = np.array([3, -1, 5, 6], "i4")
    unit = table(SOURCE_ID=ids, N_VISITS=visits, WAVE=np.tile(WAVE, (N, 1)), FLUX=FLUX)
    unit.header["TNULL1"], unit.header["TNULL2"] = int(ids[3]), -1
    identities = scan_file(write(tmp_path / "a.fits", unit))
    assert [i.target for i in identities] == [*map(str, ids[:3]), ""]
    labels = [i.labels["N_VISITS"] for i in identities]
    np.testing.assert_array_equal(labels, [3.0, np.nan, 5.0, 6.0])


def test_frequencies_of_a_table_are_not_taken_for_wavelengths(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", table(frequency=WAVE, flux=FLUX[0]))
    reason = r"no wavelengths: the table's columns are frequency, flux \(specutils is"
    with pytest.raises(SpectrumError, match=reason):
        read_spectrum(path)


def test_a_table_of_text(tmp_path: Path) -> None:
    columns = [
        fits.Column("WAVELENGTH", "F12.4", "nm", array=WAVE / 10.0, ascii=True),
        fits.Column("FLUX", "E15.7", array=FLUX[0], ascii=True),
    ]
    unit = fits.TableHDU.from_columns(columns)
    spectrum = read_spectrum(write(tmp_path / "a.fits", unit, OBJECT="HD 1"))
    np.testing.assert_allclose(spectrum.wave, WAVE, rtol=1e-12)
    np.testing.assert_allclose(spectrum.flux, FLUX[0], rtol=1e-6)


def test_tables_of_other_spectra_are_told_of(tmp_path: Path) -> None:
    units = [
        table(name, WAVE=WAVE, FLUX=flux)
        for name, flux in zip(("SKY", "STAR", "TELLURIC"), FLUX, strict=False)
    ]
    spectrum = read_spectrum(write(tmp_path / "a.fits", *units))
    np.testing.assert_array_equal(spectrum.flux, FLUX[1])
    assert "not read: SKY, TELLURIC" in spectrum.history
    # One that stands alone is all there is.
    alone = read_spectrum(
        write(tmp_path / "b.fits", table("MODEL", WAVE=WAVE, FLUX=FLUX[2]))
    )
    np.testing.assert_array_equal(alone.flux, FLUX[2])


# --- Images ------------------------------------------------------------------------

AXIS = {"CRVAL1": 5000.0, "CDELT1": 0.2, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}


def image(
    values: np.ndarray, name: str | None = None, **cards: object
) -> fits.ImageHDU:
    return fits.ImageHDU(values, fits.Header(cards), name=name)


@pytest.mark.parametrize("first", ["ERR", "SIGMA", "IVAR", "MASK", "WAVE", "SKY", "DQ"])
def test_what_stands_before_the_flux_is_not_it(tmp_path: Path, first: str) -> None:
    values = np.where(np.arange(M) == 3, 0.0, 1.0).astype("f4")
    if first == "WAVE":
        values = WAVE
    elif first in ("MASK", "DQ"):
        values = 1.0 - values
    path = write(
        tmp_path / "a.fits",
        image(values, first, **AXIS),
        image(FLUX[0], "FLUX", **AXIS),
    )
    spectrum = read_spectrum(path)
    valid = np.isfinite(spectrum.flux)
    np.testing.assert_array_equal(spectrum.flux[valid], FLUX[0][valid])
    assert valid.all() == (first not in ("IVAR", "MASK", "DQ"))
    np.testing.assert_allclose(spectrum.wave, WAVE)


def test_the_image_from_which_a_table_was_extracted_is_told_of(tmp_path: Path) -> None:
    made = table("SPEC", WAVE=WAVE, FLUX=FLUX[0])
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(FLUX), made)
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(spectrum.flux, FLUX[0])
    assert "not read: an image" in spectrum.history
    made.name = "SKY"
    path = write(tmp_path / "b.fits", fits.PrimaryHDU(FLUX), made)
    with pytest.raises(SpectrumError, match="an image of 600 x 4 pixels: nothing says"):
        read_spectrum(path)


def test_an_image_of_an_unknown_name_is_told_of(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.fits",
        fits.PrimaryHDU(FLUX[0], fits.Header(AXIS)),
        image(FLUX[1], "STAR 2", **AXIS),
        image(FLUX[2], **AXIS),
        image(FLUX[3], "CONTINUUM", **AXIS),
    )
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(spectrum.flux, FLUX[0])
    assert "not read: star 2, unit 2" in spectrum.history


def test_bands_of_iraf(tmp_path: Path) -> None:
    bands = np.stack([FLUX[0], FLUX[1], FLUX[2], ERROR[0]])[:, np.newaxis]
    ids = {
        f"BANDID{i + 1}": f"{name} - background fit, weights none"
        for i, name in enumerate(("spectrum", "raw", "background", "sigma"))
    }
    path = write(
        tmp_path / "a.fits", fits.PrimaryHDU(bands), CTYPE1="LINEAR", **AXIS, **ids
    )
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(spectrum.flux, FLUX[0])
    np.testing.assert_array_equal(spectrum.error, ERROR[0])
    np.testing.assert_allclose(spectrum.wave, WAVE)


def test_apertures_of_iraf(tmp_path: Path) -> None:
    cards = {f"APNUM{i + 1}": f"{i + 1} 1" for i in range(N)}
    cards |= {f"APID{i + 1}": f"HD {i}" for i in range(N)}
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(FLUX), **AXIS, **cards)
    assert [i.target for i in scan_file(path)] == [f"HD {i}" for i in range(N)]
    np.testing.assert_array_equal(read_spectrum(path, 2).flux, FLUX[2])
    multispec = write(
        tmp_path / "m.fits", fits.PrimaryHDU(FLUX), CTYPE1="MULTISPE", **cards
    )
    with pytest.raises(SpectrumError, match="nothing says that its rows are spectra"):
        scan_file(multispec)


def test_a_plate_of_sdss(tmp_path: Path) -> None:
    ivar = ERROR.copy()
    ivar[1, 4] = 0.0
    and_mask = np.zeros((N, M), "i4")
    and_mask[2, 6] = 1 << 22
    plug = table(
        "PLUGMAP",
        RA=np.arange(N) * 1.0,
        DEC=np.arange(N) * 2.0,
        OBJTYPE=np.array(["GALAXY", "SKY", "STAR", "STAR"]).astype("S8"),
        FIBERID=np.arange(N, dtype="i4"),
    )
    path = write(
        tmp_path / "spPlate.fits",
        fits.PrimaryHDU(FLUX), image(ivar), image(and_mask), image(and_mask + 1),
        image(FLUX * 0.5), plug,
        TELESCOP="SDSS 2.5-M", COEFF0=3.7, COEFF1=1e-4, OBJECT="plate 266",
    )  # fmt: skip
    identities = scan_file(path)
    assert [i.dp_id for i in identities] == [f"spPlate#{k}" for k in range(N)]
    assert {i.target for i in identities} == {""}  # the plate's name is no star's
    assert [i.dec for i in identities] == [2.0 * k for k in range(N)]
    with pytest.raises(SpectrumError, match="no star: OBJTYPE is SKY"):
        read_spectrum(path, 1)
    spectrum = read_spectrum(path, 2)
    assert np.flatnonzero(np.isnan(spectrum.flux)).tolist() == [6]
    np.testing.assert_allclose(spectrum.wave, 10.0**LOG_WAVE)
    assert spectrum.error is not None
    np.testing.assert_allclose(spectrum.error, ivar[2] ** -0.5, rtol=1e-6)
    assert (spectrum.medium, spectrum.metadata.specsys) == ("vacuum", "HELIOCEN")


@pytest.mark.parametrize("is_compressed", [False, True])
def test_arms_of_desi_are_joined(tmp_path: Path, is_compressed: bool) -> None:
    arms = {"B": 3600.0 + 0.8 * np.arange(100), "R": 3664.0 + 0.8 * np.arange(100)}
    kind = fits.CompImageHDU if is_compressed else fits.ImageHDU
    units: list[fits.ImageHDU] = [
        table("FIBERMAP", TARGETID=np.arange(N) + 900, TARGET_RA=np.arange(N) * 1.0)
    ]
    flux, ivar, mask = {}, {}, {}
    for arm, wave in arms.items():
        flux[arm] = RNG.normal(10.0, 1.0, (N, 100)).astype("f4")
        ivar[arm] = RNG.uniform(0.5, 2.0, (N, 100)).astype("f4")
        mask[arm] = np.zeros((N, 100), "i4")
        mask[arm][1, 50] = 4
        units += [image(wave, f"{arm}_WAVELENGTH"), image(flux[arm], f"{arm}_FLUX")]
        units += [image(ivar[arm], f"{arm}_IVAR"), kind(mask[arm], name=f"{arm}_MASK")]
    path = write(tmp_path / "coadd.fits", *units)
    assert [i.target for i in scan_file(path)] == ["900", "901", "902", "903"]
    for i in range(N):
        spectrum = read_spectrum(path, i)
        np.testing.assert_allclose(spectrum.wave, 3600.0 + 0.8 * np.arange(180))
        weights = {arm: np.where(mask[arm][i], 0.0, ivar[arm][i]) for arm in arms}
        values = np.zeros(180)
        total = np.zeros(180)
        for arm, first in (("B", 0), ("R", 80)):
            values[first : first + 100] += weights[arm] * flux[arm][i]
            total[first : first + 100] += weights[arm]
        with np.errstate(invalid="ignore"):
            expected = values / total
        np.testing.assert_allclose(spectrum.flux, expected, rtol=1e-6)
        assert spectrum.error is not None
        both = slice(81, 100)
        np.testing.assert_allclose(spectrum.error[both], total[both] ** -0.5, rtol=1e-6)
        assert "arms joined: b, r" in spectrum.history
        assert spectrum.medium == "vacuum"


def test_images_of_the_same_name_are_spectra_by_their_numbers(tmp_path: Path) -> None:
    units = []
    for i in range(2):
        units += [image(FLUX[i], "FLUX"), image(WAVE + i, "WAVELENGTH")]
        units.append(image(ERROR[i], "ERROR"))
    path = write(tmp_path / "a.fits", *units)
    assert [i.dp_id for i in scan_file(path)] == ["a#flux_1 1", "a#flux_2 2"]
    for i in range(2):
        spectrum = read_spectrum(path, i)
        np.testing.assert_array_equal(spectrum.flux, FLUX[i])
        np.testing.assert_array_equal(spectrum.error, ERROR[i])
        np.testing.assert_allclose(spectrum.wave, WAVE + i)


def test_columns_with_numbers_are_spectra(tmp_path: Path) -> None:
    columns = {"WAVE1": WAVE, "FLUX1": FLUX[0], "WAVE2": WAVE + 5, "FLUX2": FLUX[1]}
    path = write(tmp_path / "a.fits", table(**columns))
    assert [i.dp_id for i in scan_file(path)] == ["a#1", "a#2"]
    np.testing.assert_allclose(read_spectrum(path, 1).wave, WAVE + 5)


def test_another_flux_with_wavelengths_is_told_of(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.fits",
        table(WAVE=WAVE, FLUX=FLUX[0], WAVE_B=WAVE, FLUX_B=FLUX[1], FLUX_CAL=FLUX[2]),
    )
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(spectrum.flux, FLUX[0])
    assert "not read: flux_b" in spectrum.history


def test_wavelengths_of_several_rows_do_not_go_with_one_flux(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.fits",
        image(FLUX[0], "FLUX"),
        image(np.tile(WAVE, (N, 1)), "WAVELENGTH"),
    )
    with pytest.raises(SpectrumError, match="no wavelengths: CRVAL1 or CDELT1 is"):
        read_spectrum(path)


def test_two_stars_on_one_axis_are_two_spectra(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", table(WAVE=WAVE, FLUX_A=FLUX[0], FLUX_B=FLUX[1]))
    assert [i.dp_id for i in scan_file(path)] == ["a#a", "a#b"]
    for i in range(2):
        np.testing.assert_array_equal(read_spectrum(path, i).flux, FLUX[i])


def apogee_cards(**cards: object) -> dict[str, object]:
    return {"SURVEY": "apogee", "COMMENT": "APOGEE", "OBJID": "2M1", **cards}


def test_apstar_and_its_visits(tmp_path: Path) -> None:
    flux = FLUX.copy()
    flux[:, :150] = 0.0  # no data
    mask = np.zeros((N, M), "i4")
    mask[0, [200, 201]] = [1 << 12, 1 << 10]  # SIG_SKYLINE; PERSIST_MED only warns
    axis = {"CRVAL1": 4.179, "CDELT1": 6e-6, "CRPIX1": 1, "CTYPE1": "LOG-LINEAR"}
    units = [image(flux, **axis), image(ERROR, **axis), image(mask), image(FLUX)]
    path = write(tmp_path / "apStar.fits", *units, **apogee_cards(VHELIO=-20.0))
    keys = ["combined", "visit 1", "visit 2"]
    assert [i.dp_id for i in scan_file(path)] == [f"apStar#{key}" for key in keys]
    assert {i.target for i in scan_file(path)} == {"2M1"}
    for i, row in enumerate((0, 2, 3)):
        spectrum = read_spectrum(path, i)
        expected = np.where(flux[row] == 0.0, np.nan, flux[row])
        if row == 0:
            expected[200] = np.nan
        np.testing.assert_array_equal(spectrum.flux, expected.astype("f4"))
        np.testing.assert_array_equal(spectrum.error, ERROR[row])
        np.testing.assert_allclose(spectrum.wave, 10 ** (4.179 + 6e-6 * np.arange(M)))
        assert (spectrum.medium, spectrum.metadata.specsys) == ("vacuum", "SOURCE")
        assert "the second combination is not read" in spectrum.history


def test_chips_of_apvisit_are_joined(tmp_path: Path) -> None:
    wave = np.stack([np.linspace(a, a - 200.0, M) for a in (16900.0, 16400.0, 15800.0)])
    mask = np.zeros((3, M), "i4")
    mask[1, 5] = 1
    pixels = {"CTYPE1": "Pixel", "CTYPE2": "Chip", "CRVAL1": 1.0, "CDELT1": 1.0}
    units = [image(FLUX[:3], **pixels), image(ERROR[:3]), image(mask), image(wave)]
    path = write(tmp_path / "apVisit.fits", *units, **apogee_cards())
    spectrum = read_spectrum(path)
    order = np.argsort(wave.ravel())
    np.testing.assert_allclose(spectrum.wave, wave.ravel()[order])
    expected = np.where(mask, np.nan, FLUX[:3]).ravel()[order]
    np.testing.assert_array_equal(spectrum.flux, expected.astype("f4"))
    np.testing.assert_array_equal(spectrum.error, ERROR[:3].ravel()[order])
    assert spectrum.medium == "vacuum"


def test_wavelengths_of_an_image_in_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(FLUX[0]), table(WAVELENGTH=WAVE))
    np.testing.assert_allclose(read_spectrum(path).wave, WAVE)


@pytest.mark.parametrize("ending", [".fit", ".fts", ".fits.fz"])
def test_other_endings(tmp_path: Path, ending: str) -> None:
    header = fits.Header({**AXIS, "CTYPE1": "AWAV", "OBJECT": "HD 1"})
    path = tmp_path / f"a{ending}"
    if ending == ".fits.fz":
        # Without quantisation: what is read is what was written.
        unit = fits.CompImageHDU(
            FLUX[0], header, quantize_level=0, compression_type="GZIP_2"
        )
        fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    else:
        fits.PrimaryHDU(FLUX[0], header).writeto(path)
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(spectrum.flux, FLUX[0])
    np.testing.assert_allclose(spectrum.wave, WAVE)
    assert scan_file(path)[0].dp_id == "a"
    assert scan_file(path)[0].target == "HD 1"


REFUSED = {
    "e2ds": (
        lambda p: write(p, fits.PrimaryHDU(FLUX), INSTRUME="HARPS"),
        "an image of 600 x 4 pixels: nothing says that its rows are spectra; merge",
    ),
    "S2D": (
        lambda p: write(p, image(FLUX, "SCIDATA"), image(FLUX, "WAVEDATA_VAC_BARY")),
        "an image of 600 x 4 pixels",
    ),
    "orders with wavelengths": (
        lambda p: write(
            p,
            image(FLUX, "FLUX"),
            image(np.stack([WAVE + 90.0 * i for i in range(N)]), "WAVE"),
        ),
        "4 rows of different wavelengths",
    ),
    "a cube": (
        lambda p: write(p, fits.PrimaryHDU(np.ones((3, 4, 50), "f4"))),
        "no flux: the image has 50 x 4 x 3 pixels, not one row",
    ),
    "all flagged": (
        lambda p: write(p, table(WAVE=WAVE, FLUX=FLUX[0], MASK=np.ones(M, "i4"))),
        "every pixel is flagged as bad",
    ),
    "magnitudes": (
        lambda p: write(p, table(units={"FLUX": "mag"}, WAVE=WAVE, FLUX=FLUX[0])),
        "the flux is a logarithm: its unit is 'mag'",
    ),
    "a logarithm": (
        lambda p: write(p, image(FLUX[0], "FLUX", BUNIT="log10(erg/s)", **AXIS)),
        r"the flux is a logarithm: its unit is 'log10\(erg/s\)'",
    ),
    "a mask of several flags a pixel": (
        lambda p: write(p, table(WAVE=WAVE, FLUX=FLUX[0], QUAL=np.zeros((M, 3), "i4"))),
        "flux and qual differ in length: 600 and 3",
    ),
    "wavelengths that are no numbers": (
        lambda p: write(p, table(WAVE=np.ones((N, M), "b1"), FLUX=FLUX)),
        "column 'wave' does not hold numbers",
    ),
    "wavelengths of both edges": (
        lambda p: write(p, table(WAVE_LO=WAVE, WAVE_HI=WAVE + 0.2, FLUX=FLUX[0])),
        "several wavelengths of one flux: wave_lo, wave_hi",
    ),
    "an error alone": (
        lambda p: write(p, image(ERROR[0], "ERR", **AXIS)),
        r"no flux: an image of 600 pixels, called 'ERR' \(specutils is not installed",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_spectrum_is_refused(tmp_path: Path, case: str) -> None:
    build, reason = REFUSED[case]
    with pytest.raises(SpectrumError, match=reason):
        read_spectrum(build(tmp_path / "a.fits"))


def test_a_table_of_targets_is_of_as_many_rows_as_the_flux(tmp_path: Path) -> None:
    """Names of three sky fibres are not those of the first three stars."""
    names = table("FIBERMAP", NAME=np.array(["a", "b", "c"]).astype("S1"))
    sky, wave = image(FLUX[:3], "SKY"), image(WAVE, "WAVE")
    path = write(tmp_path / "a.fits", sky, image(FLUX, "FLUX"), wave, names)
    assert [identity.target for identity in scan_file(path)] == [""] * N
    few = image(FLUX[:3], "SPEC_1"), image(FLUX, "SPEC_2")
    path = write(tmp_path / "b.fits", *few, wave, names)
    with pytest.raises(SpectrumError, match="images of 3 and of 4 rows: nothing says"):
        read_spectrum(path, 0)


# --- Real files that come with specutils -------------------------------------------


def test_real_desi_files() -> None:
    specification = importlib.util.find_spec("specutils")
    if specification is None or specification.origin is None:
        pytest.skip("specutils is not installed")
    folder = Path(specification.origin).parent / "io/default_loaders/tests"
    paths = sorted((folder / "desi_test_data").glob("coadd*.fits"))
    if not paths:
        pytest.skip("specutils without its test data")
    n_read = 0
    for path in paths:
        with fits.open(path) as hdus:
            arms = {
                arm: {
                    kind: np.array(hdus[f"{arm}_{kind}"].data, np.float64)
                    for kind in ("WAVELENGTH", "FLUX", "IVAR", "MASK")
                }
                for arm in "BRZ"
            }
            fibers = hdus["FIBERMAP"].data
        identities = scan_file(path)
        assert [i.target for i in identities] == [str(n) for n in fibers["TARGETID"]]
        for i in range(len(identities)):
            weights = {
                name: np.where(arm["MASK"][i] != 0, 0.0, arm["IVAR"][i])
                for name, arm in arms.items()
            }
            is_sky = fibers["OBJTYPE"][i] == "SKY"
            if is_sky or not any(weight.any() for weight in weights.values()):
                reason = "no star: OBJTYPE" if is_sky else "every pixel is flagged"
                with pytest.raises(SpectrumError, match=reason):
                    read_spectrum(path, i)
                continue
            spectrum = read_spectrum(path, i)
            wave = 3600.0 + 0.8 * np.arange(7781)
            np.testing.assert_allclose(spectrum.wave, wave, rtol=1e-9)
            total, values = np.zeros(7781), np.zeros(7781)
            for name, arm in arms.items():
                first = round((arm["WAVELENGTH"][0] - 3600.0) / 0.8)
                weight = weights[name]
                part = slice(first, first + weight.size)
                total[part] += weight
                values[part] += weight * arm["FLUX"][i]
            with np.errstate(invalid="ignore"):
                np.testing.assert_allclose(
                    spectrum.flux, values / total, rtol=1e-4, atol=1e-5
                )
            n_read += 1
    assert n_read == 3
