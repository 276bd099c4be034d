"""Files that were once read wrongly: each against an independent read, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from astropy.io import fits

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.conversion.prepare import prepare_spectrum
from tfrecords_tools.grid import Grid
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.spectrum import SPEED_OF_LIGHT, SpectrumError

LINE = 5183.604
"""In air: the strongest line of every spectrum here, Mg b1 [Angstrom]."""
OTHERS = (".md", ".yaml", ".sh")

Arrays = tuple[np.ndarray, np.ndarray]


def axis(hdus: fits.HDUList) -> Arrays:
    header, flux = hdus[0].header, hdus[0].data
    step = header.get("CDELT1", header.get("CD1_1"))
    return header["CRVAL1"] + step * np.arange(flux.size), flux


def power(base: float) -> Callable[[fits.HDUList], Arrays]:
    return lambda hdus: (base ** axis(hdus)[0], axis(hdus)[1])


def table(wave: str, unit: float = 1.0, hdu: int = 1) -> Callable[..., Arrays]:
    def read(hdus: fits.HDUList) -> Arrays:
        data = hdus[hdu].data
        return (
            unit * np.asarray(data[wave], np.float64).ravel(),
            np.asarray(data["FLUX"]).ravel(),
        )

    return read


def images(wave: int, flux: int) -> Callable[[fits.HDUList], Arrays]:
    return lambda hdus: (hdus[wave].data, hdus[flux].data)


class Case(NamedTuple):
    """What a file holds by another route."""

    read: Callable[[fits.HDUList], Arrays]
    medium: str = "air"
    is_assumed: bool = False
    velocity: float = 0.0
    """Of the line in the record [km/s]."""


READ = {
    "any-table-is-eso-and-air/apero_s1d.fits": Case(table("wavelength", 10), "vacuum"),
    "any-table-is-eso-and-air/calspec.fits": Case(table("WAVELENGTH"), "vacuum"),
    "axis-that-is-no-wavelength/wave_first.fits": Case(images(1, 2), is_assumed=True),
    "ctype-wavelength-is-not-wave/uves.fits": Case(axis, is_assumed=True),
    "files-passed-over-in-silence/a.fits": Case(axis),
    "files-passed-over-in-silence/b.fit": Case(axis),
    "files-passed-over-in-silence/c.fits.fz": Case(
        lambda hdus: axis(fits.HDUList([fits.PrimaryHDU(hdus[1].data, hdus[1].header)]))
    ),
    "harps-fibre-b-taken-as-star/HARPS.2007-01-02T00:00:00.000_s1d_A.fits": Case(axis),
    "label-position-dropped/iraf.fits": Case(axis, is_assumed=True),
    "natural-log-axis/hermes.fits": Case(power(np.e), is_assumed=True),
    "natural-log-axis/phoenix.fits": Case(power(np.e)),
    "numeric-labels-become-categories/a.fits": Case(axis),
    "numeric-labels-become-categories/b.fits": Case(axis),
    "object-is-a-product-category/a.fits": Case(axis),
    "object-is-a-product-category/b.fits": Case(axis),
    "phase3-ucd-em-wl-is-vacuum/xshooter_phase3.fits": Case(
        table("WAVE", 10), "vacuum"
    ),
    "several-spectra-in-one-file/three_images.fits": Case(
        images(2, 0), is_assumed=True
    ),
    "several-spectra-in-one-file/two_tables.fits": Case(table("WAVE"), is_assumed=True),
    "several-spectra-in-one-file/two_tables.fits#1": Case(
        table("WAVE", hdu=2), is_assumed=True
    ),
    "topocentric-with-plain-berv/topo.fits": Case(axis, velocity=12.345),
    "vacuum-card-ignored/lamost_table.fits": Case(table("WAVELENGTH"), "vacuum"),
    "vacuum-card-ignored/sdss_image.fits": Case(power(10.0), "vacuum"),
}  # fmt: skip
WITHOUT_THE_LINE = {
    "files-passed-over-in-silence/d.s",
    "hint-at-specutils-missing/spspec.fits",
    "huge-flux-kills-fit/spike.fits",
}
REFUSED = {
    "axis-that-is-no-wavelength/bis.fits": "no wavelengths: CTYPE1 is '%'",
    "axis-that-is-no-wavelength/pixel.fits": "no wavelengths: CTYPE1 is 'PIXEL'",
    "harps-fibre-b-taken-as-star/HARPS.2007-01-02T00:00:00.000_s1d_B.fits": (
        r"no star: fibre B of HARPS \(STAR,WAVE,G2\) is on the sky or a lamp"
    ),
    **dict.fromkeys(
        (
            "label-csv-with-bom/excel.csv",
            "label-position-dropped/labels.csv",
            *(
                f"numeric-labels-become-categories/{name}"
                for name in (
                    "simbad.csv",
                    "gaia_like.csv",
                    "sentinel.csv",
                    "vizier.tsv",
                )
            ),
        ),
        "no table of numbers: ",
    ),
}


def test_every_file_has_its_expectation(cases: Path) -> None:
    found = {
        path.relative_to(cases).as_posix()
        for path in cases.rglob("*")
        if path.is_file() and path.suffix not in OTHERS
    }
    expected = {name.partition("#")[0] for name in READ}
    assert found == expected | WITHOUT_THE_LINE | set(REFUSED)


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_what_the_file_holds(cases: Path, name: str) -> None:
    case, (file, _, number) = READ[name], name.partition("#")
    with fits.open(cases / file) as hdus:
        wave, flux = case.read(hdus)
        wave, flux = np.array(wave, np.float64), np.array(flux, np.float32)
    spectrum = read_spectrum(cases / file, int(number or 0))
    np.testing.assert_allclose(spectrum.wave, wave, rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, flux)
    assert (spectrum.medium, spectrum.is_medium_assumed) == (
        case.medium,
        case.is_assumed,
    )


@pytest.mark.parametrize("name", READ)
def test_the_line_stands_where_it_is_in_nature(cases: Path, name: str) -> None:
    case, (file, _, number) = READ[name], name.partition("#")
    path = cases / file
    settings = yaml.safe_load((path.parent / "grid.yaml").read_text())["grid"]
    grid = Grid(**settings)
    prepared = prepare_spectrum(path, grid, ConvertConfig(), int(number or 0))
    pixel = np.nanargmin(prepared.flux)
    around = slice(pixel - 20, pixel + 21)
    depth = np.nanmedian(prepared.flux) - prepared.flux[around]
    center = np.average(grid.wave[around], weights=depth)
    velocity = (center / LINE - 1.0) * SPEED_OF_LIGHT
    assert velocity == pytest.approx(case.velocity, abs=1.0)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_spectrum_is_refused_with_its_reason(cases: Path, name: str) -> None:
    with pytest.raises(SpectrumError, match=REFUSED[name]):
        read_spectrum(cases / name)


def test_two_spectra_of_a_file_are_both_taken(cases: Path, tmp_path: Path) -> None:
    path = cases / "several-spectra-in-one-file" / "two_tables.fits"
    names = ["two_tables#STAR1", "two_tables#STAR2"]
    assert [identity.dp_id for identity in scan_file(path)] == names
    with pytest.raises(SpectrumError, match="holds 2 spectra, two_tables#STAR1 to"):
        read_spectrum(path)
    grid = Grid(wave_min=5110.0, wave_step=0.02, n_pixels=9000)
    summary = convert([path], tmp_path / "records", grid, ConvertConfig())
    assert (summary.n_taken, summary.n_rejected) == (2, 0)
    assert summary.counts["air assumed"] == 2


def test_names_of_stars_are_not_those_of_products(cases: Path) -> None:
    folder = cases / "object-is-a-product-category"
    targets = [scan_file(folder / name)[0].target for name in ("a.fits", "b.fits")]
    assert targets == ["HD 10700", "HD 22049"]


def test_a_place_in_hours_and_minutes(cases: Path) -> None:
    (identity,) = scan_file(cases / "label-position-dropped" / "iraf.fits")
    assert identity.ra == pytest.approx(15.0 * (1 + 44 / 60 + 4.1 / 3600))
    assert identity.dec == pytest.approx(-(15 + 56 / 60 + 15 / 3600))


def test_spikes_are_bad(cases: Path) -> None:
    path = cases / "huge-flux-kills-fit" / "spike.fits"
    grid = Grid(wave_min=5110.0, wave_step=0.02, n_pixels=9000)
    prepared = prepare_spectrum(path, grid, ConvertConfig())
    flux = fits.getdata(path)
    n_spikes = int((np.abs(flux) > 1e6).sum())
    assert prepared.n_spikes == n_spikes > 0
    assert np.nanmax(np.abs(prepared.flux)) < 1100.0


def test_a_spspec_is_read_without_specutils(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfrecords_tools.readers.with_specutils.is_installed", bool)
    spectrum = read_spectrum(cases / "hint-at-specutils-missing" / "spspec.fits")
    expected = 10.0 ** (3.7077 + 0.0001 * np.arange(150))
    np.testing.assert_allclose(spectrum.wave, expected, rtol=1e-12)
    assert spectrum.medium == "vacuum"
    assert (spectrum.flux == 1.0).all()


def test_a_folder_tells_what_it_passes_over(cases: Path, tmp_path: Path) -> None:
    grid = Grid(wave_min=5110.0, wave_step=0.02, n_pixels=9000)
    folder = cases / "files-passed-over-in-silence"
    summary = convert([folder], tmp_path / "records", grid, ConvertConfig())
    assert (summary.n_taken, summary.n_rejected) == (3, 1)  # one is not on the grid
    assert summary.passed_over == {".md": 1, ".yaml": 1}


def test_polarbase_text(cases: Path) -> None:
    spectrum = read_spectrum(cases / "files-passed-over-in-silence" / "d.s")
    np.testing.assert_allclose(spectrum.wave, [5100.0, 5101.0, 5102.0])
    np.testing.assert_array_equal(spectrum.flux, 1.0)
    np.testing.assert_allclose(spectrum.error, 0.01)
    assert spectrum.metadata.target == "TEST"
    assert "wavelengths in nm: guessed" in spectrum.history
