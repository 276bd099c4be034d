"""A corpus of files that hold no spectrum: each is refused with its reason."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest
from astropy.io import fits

from tests.tfrecords_tools.fits_files import (
    WAVE,
    drop_cards,
    make_flux,
    write_adp,
    write_image,
)
from tfrecords_tools.config import MAX_PIXELS
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.spectrum import SpectrumError

FLUX = make_flux()


def put(path, content):
    path.write_bytes(content)
    return path


def replace_card(path, keyword, value):
    content = path.read_bytes()
    at = content.index(keyword.ljust(8).encode() + b"=")
    card = f"{keyword:8}= {value:>20}".ljust(80).encode()
    return put(path, content[:at] + card + content[at + 80 :])


def wave_with(index, value):
    wave = WAVE.copy()
    wave[index] = value
    return wave


def write_table(path, **columns):
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(k, "D" if v.dtype.kind == "f" else "5A", array=v)
            for k, v in columns.items()
        ]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def two_spectra(path):
    columns = [
        fits.Column(n, f"{WAVE.size}D", array=np.stack([WAVE, WAVE]))
        for n in ("WAVE", "FLUX")
    ]
    table = fits.BinTableHDU.from_columns(columns)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


BAD = {
    "empty": (lambda p: put(p, b""), "the file is empty"),
    "text": (lambda p: put(p, b"no FITS here\n" * 500), "not a FITS file"),
    "short": (lambda p: put(p, b"SIMPLE  =       "), "truncated in a header"),
    "endless header": (
        lambda p: put(p, b"SIMPLE  =".ljust(2880 * 4200)),
        "a header has no END",
    ),
    "gzip of nothing": (lambda p: put(p, gzip.compress(b"")), "the file is empty"),
    "gzip of text": (lambda p: put(p, gzip.compress(b"x" * 3000)), "not a FITS file"),
    "truncated gzip": (
        lambda p: put(p, gzip.compress(write_adp(p).read_bytes())[:-500]),
        "truncated gzip file",
    ),
    "corrupt gzip": (
        lambda p: put(p, gzip.compress(b"x" * 3000)[:20] + b"\xff" * 30),
        "corrupt gzip file",
    ),
    "gzip with wrong checksum": (
        lambda p: put(p, gzip.compress(write_adp(p).read_bytes())[:-8] + b"12345678"),
        "corrupt gzip file: CRC check failed",
    ),
    "truncated header": (
        lambda p: put(p, write_adp(p).read_bytes()[:1000]),
        "truncated in a header",
    ),
    "truncated extension header": (
        lambda p: put(p, write_adp(p).read_bytes()[: 2880 + 100]),
        "truncated in a header",
    ),
    "truncated table": (
        lambda p: put(p, write_adp(p).read_bytes()[:-8000]),
        r"truncated: \d+ bytes of data are missing",
    ),
    "truncated image": (
        lambda p: put(p, write_image(p).read_bytes()[:-4000]),
        r"truncated: \d+ bytes of data are missing",
    ),
    "no data": (
        lambda p: fits.PrimaryHDU().writeto(p) or p,
        "no flux: the file has no data",
    ),
    "image of two axes": (
        lambda p: fits.PrimaryHDU(np.ones((3, 4))).writeto(p) or p,
        "an image of 4 x 3 pixels: nothing says that its rows are spectra; merge",
    ),
    "table without flux": (
        lambda p: write_table(p, WAVE=WAVE, ERR=WAVE),
        "no flux: the table's columns are wave, err",
    ),
    "table of text": (
        lambda p: write_table(p, WAVE=WAVE[:2], FLUX=np.array(["a", "b"])),
        "column 'flux' does not hold numbers",
    ),
    "table of two spectra": (
        two_spectra,
        "holds 2 spectra, bad#0 to bad#1: read one by its index, 0 to 1",
    ),
    "equal wavelengths": (
        lambda p: write_adp(p, wave_with(5, WAVE[4])),
        "wavelengths do not increase",
    ),
    "no step": (lambda p: write_image(p, step=0.0), "wavelengths do not increase"),
    "NaN wavelength": (
        lambda p: write_adp(p, wave_with(400, np.nan)),
        "wavelengths are not finite",
    ),
    "velocities": (
        lambda p: write_image(p, start=-20.0, step=0.5),
        "no wavelengths: -20 to 379.5 without a unit may be anything",
    ),
    "wavelengths called logarithms": (
        lambda p: write_image(p, start=300.0, step=10.0, cards={"DC-FLAG": 1}),
        "no wavelengths: logarithms by DC-FLAG, but from 300 to 8290",
    ),
    "lengths that differ": (
        lambda p: write_adp(p, flux=FLUX[:-1]),
        r"same length, got shapes \(800,\) and \(799,\)",
    ),
    "quality of another length": (
        lambda p: write_adp(p, quality=np.zeros(7, dtype=np.int32)),
        "flux and qual differ in length: 800 and 7",
    ),
    "flux all NaN": (
        lambda p: write_adp(p, flux=FLUX * np.nan),
        "flux is NaN everywhere",
    ),
    "flux all zero": (
        lambda p: write_image(p, FLUX * 0.0),
        "flux is zero everywhere",
    ),
    "flux all infinite": (
        lambda p: write_adp(p, flux=FLUX * np.inf),
        "flux is NaN everywhere",
    ),
    "one pixel": (
        lambda p: write_adp(p, WAVE[:1]),
        "the spectrum has 1 pixels",
    ),
    "bad BITPIX": (
        lambda p: replace_card(write_image(p), "BITPIX", "7"),
        "header card BITPIX is missing or malformed",
    ),
    "negative NAXIS1": (
        lambda p: replace_card(write_image(p), "NAXIS1", "-800"),
        "header card NAXIS1 is missing or malformed",
    ),
    "missing NAXIS1": (
        lambda p: drop_cards(write_image(p), "NAXIS1"),
        "header card NAXIS1 is missing or malformed",
    ),
    "huge NAXIS1": (
        lambda p: replace_card(write_image(p), "NAXIS1", "999999999999"),
        "999999999999 pixels, of 4194304 at most",
    ),
    "NAXIS1 beyond any file": (
        lambda p: replace_card(write_image(p), "NAXIS1", "9" * 20),
        r"9{20} pixels, of 4194304 at most",
    ),
    "larger NAXIS1": (
        lambda p: replace_card(write_image(p), "NAXIS1", "100000"),
        "truncated: .* bytes of data are missing",
    ),
    "wrong TFORM": (
        lambda p: replace_card(write_adp(p), "TFORM1", "'900D    '"),
        "malformed data|same length|is malformed",
    ),
    "nonsense TFORM": (
        lambda p: replace_card(write_adp(p), "TFORM1", "'?!      '"),
        "no wavelengths: the table's columns are flux, err",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused_with_its_reason(tmp_path, case):
    build, reason = BAD[case]
    with pytest.raises(SpectrumError, match=reason) as caught:
        read_spectrum(build(tmp_path / "bad.fits"))
    assert "\n" not in str(caught.value)


def test_a_file_that_unzips_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tfrecords_tools.readers.fits_file.MAX_BYTES", 10_000)
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(gzip.compress(b"SIMPLE  =".ljust(20_000)))
    with pytest.raises(SpectrumError, match="unzips to more than 10000 bytes"):
        read_spectrum(path)


TOO_MANY = MAX_PIXELS + 1


@pytest.mark.parametrize(
    ("header", "n_bytes", "reason"),
    [
        ({"BITPIX": 8, "NAXIS": 1, "NAXIS1": TOO_MANY}, TOO_MANY, "pixels, of 4194304"),
        (
            {"BITPIX": 8, "NAXIS": 2, "NAXIS1": 2, "NAXIS2": TOO_MANY},
            2 * TOO_MANY,
            "rows, of 4194304",
        ),
    ],
)
def test_a_small_file_of_many_pixels_is_not_built(tmp_path, header, n_bytes, reason):
    cards = {"SIMPLE": True, **header, "CRVAL1": 4000.0, "CDELT1": 1e-3, "CRPIX1": 1.0}
    cards |= {"CTYPE1": "WAVE", "CUNIT1": "Angstrom", "OBJECT": "HD1"}
    content = fits.Header(cards).tostring().encode() + bytes(n_bytes)
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(gzip.compress(content, 1))
    assert path.stat().st_size < 100_000
    with pytest.raises(SpectrumError, match=f"{TOO_MANY} {reason} at most"):
        read_spectrum(path)


def test_a_compressed_image_of_many_pixels_is_not_built(tmp_path):
    image = fits.CompImageHDU(np.ones((20, 1_000_000), np.float32))
    image.header.update(CRVAL1=4000.0, CDELT1=1e-3, CTYPE1="WAVE", APNUM1="1 1")
    path = tmp_path / "tiles.fits"
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    with pytest.raises(SpectrumError, match="a compressed image of 1000000 x 20 is no"):
        read_spectrum(path, 0)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(SpectrumError, match="cannot be read: No such file"):
        scan_file(tmp_path / "none.fits")
    with pytest.raises(SpectrumError, match="cannot be read: Is a directory"):
        read_spectrum(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    path = write_adp(tmp_path / "a.fits")
    path.chmod(0)
    with pytest.raises(SpectrumError, match="cannot be read: Permission denied"):
        read_spectrum(path)


def test_flipped_bytes_give_a_spectrum_or_a_reason(tmp_path):
    """No other error comes out, whatever byte of the headers is changed."""
    content = write_adp(tmp_path / "good.fits").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "bad.fits"
    n_refused = 0
    for position in rng.integers(0, 4 * 2880, 300):
        broken = bytearray(content)
        broken[position] = rng.integers(256)
        path.write_bytes(broken)
        try:
            read_spectrum(path)
        except SpectrumError:
            n_refused += 1
    assert 0 < n_refused < 300
