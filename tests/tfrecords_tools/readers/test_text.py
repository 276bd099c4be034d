"""Spectra in text files of all sorts, and texts that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfrecords_tools.config import MAX_PIXELS
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.readers.text import looks_like_spectrum
from tfrecords_tools.spectrum import SpectrumError

N = 50
WAVE = np.round(5000.0 + 0.1 * np.arange(N), 4)
FLUX = np.round(np.random.default_rng(0).normal(1.0, 0.01, N), 6)
ERROR = np.round(np.random.default_rng(1).uniform(0.01, 0.02, N), 6)


def rows(*columns: np.ndarray, separator: str = " ") -> str:
    return "".join(
        separator.join(repr(float(value)) for value in row) + "\n"
        for row in zip(*columns, strict=True)
    )


POLARBASE = "***Reduced spectrum of 'HD 1'\n"
TEXTS: dict[str, tuple[str, bool]] = {
    "two columns.dat": (rows(WAVE, FLUX), False),
    "three columns.txt": (rows(WAVE, FLUX, ERROR), True),
    "comments.asc": (f"# OBJECT = HD 1\n# x\n\n{rows(WAVE, FLUX)}", False),
    "numpy.txt": (f"# wave flux error\n{rows(WAVE, FLUX, ERROR)}", True),
    "names in another order.csv": (
        "flux,err,wavelength\n" + rows(FLUX, ERROR, WAVE, separator=","), True
    ),
    "units.csv": (
        "Wavelength [nm],Flux\n" + rows(WAVE / 10.0, FLUX, separator=","), False
    ),
    "more columns.csv": (
        "wave,flux,continuum,snr\n" + rows(WAVE, FLUX, FLUX, FLUX, separator=","), False
    ),
    "tabs.tsv": ("waveobs\tflux\terr\n" + rows(WAVE / 10, FLUX, ERROR, separator="\t"),
                 True),
    "german.csv": (
        "wave;flux\n" + rows(WAVE, FLUX, separator=";").replace(".", ","), False
    ),
    "decimal commas between tabs.txt": (
        rows(WAVE, FLUX, separator="\t").replace(".", ","), False
    ),
    "decimal commas between blanks.txt": (rows(WAVE, FLUX).replace(".", ","), False),
    "mark.csv": ("\ufeffwave,flux\n" + rows(WAVE, FLUX, separator=","), False),
    "quoted.csv": ('"wave","flux"\n' + rows(WAVE, FLUX, separator=","), False),
    "polarbase intensity.s": (
        f"{POLARBASE} {N} 2\n{rows(WAVE / 10, FLUX, ERROR)}", True
    ),
    "polarbase without quotation marks.s": (
        f"*** Polarized spectrum of HD 1\n {N} 2\n{rows(WAVE / 10, FLUX, ERROR)}", True
    ),
    "stars alone.s": (f"*** xyz\n {N} 2\n{rows(WAVE / 10, FLUX, ERROR)}", True),
    "polarbase stokes.s": (
        f"{POLARBASE} {N} 5\n{rows(WAVE / 10, FLUX, ERROR, ERROR, ERROR, ERROR)}", True
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_spectra(tmp_path: Path, name: str) -> None:
    content, has_error = TEXTS[name]
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    spectrum = read_spectrum(path)
    np.testing.assert_allclose(spectrum.wave, WAVE, rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, FLUX.astype(np.float32))
    if has_error:
        np.testing.assert_array_equal(spectrum.error, ERROR.astype(np.float32))
    else:
        assert spectrum.error is None
    assert spectrum.is_medium_assumed
    (identity,) = scan_file(path)
    assert identity.dp_id == path.stem
    assert identity.target == ("HD 1" if "HD 1" in content else "")
    assert looks_like_spectrum(path)


def test_orders_of_polarbase_are_cut_half_way(tmp_path: Path) -> None:
    """The bluest order comes last, as in the files of the archive."""
    orders = [WAVE / 10 + 0.4 * i for i in (2, 1, 0)]
    wave, flux = np.concatenate(orders), np.repeat([3.0, 2.0, 1.0], N)
    path = tmp_path / "a.s"
    path.write_text(f"{POLARBASE} {3 * N} 2\n" + rows(wave, flux, flux))
    spectrum = read_spectrum(path)
    assert (np.diff(spectrum.wave) > 0.0).all()
    edges = [
        10 * (orders[2][-1] + orders[1][0]) / 2,
        10 * (orders[1][-1] + orders[0][0]) / 2,
    ]
    expected = 1.0 + np.searchsorted(edges, spectrum.wave, side="right")
    np.testing.assert_array_equal(spectrum.flux, expected)
    assert spectrum.history[0] == "text of 3 orders, cut half way"
    assert spectrum.wave[[0, -1]] == pytest.approx([5000.0, 5000.0 + 4.9 + 8.0])


def test_what_comments_say(tmp_path: Path) -> None:
    comments = [
        *("TARGET: HD 7", "RA = 01:00:00", "SPECSYS = 'TOPOCENT'", "BERV = 3.5"),
        "wavelengths in vacuum",
    ]
    text = "".join(f"# {line}\n" for line in comments) + rows(WAVE, FLUX)
    path = tmp_path / "a.txt"
    path.write_text(text)
    spectrum = read_spectrum(path)
    metadata = spectrum.metadata
    assert (metadata.target, metadata.ra, metadata.berv) == ("HD 7", 15.0, 3.5)
    assert (metadata.specsys, spectrum.medium) == ("TOPOCENT", "vacuum")


REFUSED = {
    "prose": ("This is a note.\nIt has lines.\n", "no table of numbers: 'It has"),
    "labels": ("star,teff\nHD 1,5000\n", "no table of numbers: 'HD 1,5000'"),
    "numbers of other things": ("teff,logg\n5000,4.4\n4000,4.5\n", "no flux with wave"),
    "four columns": (rows(WAVE, FLUX, FLUX, FLUX), "4 columns of numbers without"),
    "nothing": ("", "no table of numbers"),
    "only comments": ("# wave flux\n", "no table of numbers"),
    "a row too long": (rows(WAVE, FLUX) + "1 2 3\n", "no table of numbers: the number"),
    "a word among numbers": (rows(WAVE, FLUX) + "5010 high\n", "no table of numbers: "),
    "overlapping orders": (
        rows(np.concatenate([WAVE, WAVE + 2.0]), np.tile(FLUX, 2)),
        "wavelengths step back 1 times, as overlapping orders of an echelle do: merge",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_texts_are_refused(tmp_path: Path, case: str) -> None:
    content, reason = REFUSED[case]
    path = tmp_path / "a.dat"
    path.write_text(content)
    with pytest.raises(SpectrumError, match=reason):
        read_spectrum(path)
    is_broken = case in ("a row too long", "a word among numbers")
    assert is_broken or not looks_like_spectrum(path)


def test_a_long_spectrum_is_known_by_its_beginning(tmp_path: Path) -> None:
    wave = 5000.0 + 0.001 * np.arange(20_000)
    path = tmp_path / "a.dat"
    path.write_text(rows(wave, wave) + "the end\n")
    assert looks_like_spectrum(path)
    with pytest.raises(SpectrumError, match="no table of numbers"):
        read_spectrum(path)


def test_a_text_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfrecords_tools.readers.text._MAX_BYTES", 100)
    path = tmp_path / "a.dat"
    path.write_text(rows(WAVE, FLUX))
    with pytest.raises(SpectrumError, match="a text of more than 100 bytes is no"):
        read_spectrum(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1\n" * (MAX_PIXELS + 1), f"{MAX_PIXELS + 1} pixels, of {MAX_PIXELS} at"),
        ("1 2\n" + "1 " * 32_768, "a line of more than 65536 characters"),
    ],
)
def test_a_text_is_not_cut_into_millions_of_parts(
    content: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.dat"
    path.write_text(content)
    with pytest.raises(SpectrumError, match=reason):
        read_spectrum(path)


def test_a_fits_file_with_the_name_of_a_text(tmp_path: Path) -> None:
    from tests.tfrecords_tools.fits_files import write_image

    path = write_image(tmp_path / "a.fits").rename(tmp_path / "a.dat")
    assert read_spectrum(path).history[0] == "HARPS image"
