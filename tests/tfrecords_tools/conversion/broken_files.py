"""A corpus of broken FITS files: simulated products, damaged in every way known to us.

`write_corpus` makes the same files in every run. What a reader may make of one is told
by `read_independently`, by plain astropy, which shares no code with the readers.
"""

from __future__ import annotations

import gzip
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from stellar_tf.config import SimulateConfig
from stellar_tf.simulator.simulate import simulate
from tests.tfrecords_tools.fits_files import CARDS, write_image
from tfrecords_tools.grid import Grid

GRID = Grid(wave_min=5200.0, wave_step=0.01, n_pixels=1800)
_BLOCK = 2880
_S1D_CARDS = {**CARDS, "HIERARCH ESO DRS VERSION": "HARPS_3.5"}

Damage = Callable[[bytes, np.random.Generator], bytes]


class Arrays(NamedTuple):
    """What a file holds by another route; wavelengths in Angstrom."""

    wave: NDArray[np.float64]
    flux: NDArray[np.float32]


def write_originals(folder: Path) -> tuple[Path, Path]:
    """Write a sound Phase 3 table with checksums, and a sound s1d image."""
    config = SimulateConfig(
        n_stars=1, n_visits=1, wave_min=5199.0, n_pixels=2000, full_header=False
    )
    simulate(folder / "simulated", config, seed=0, overwrite=False)
    (adp,) = (folder / "simulated").glob("*.fits")
    with fits.open(adp) as hdus:
        row = hdus[1].data[0]
        start, flux = float(row["WAVE"][0]), np.array(row["FLUX"], np.float32)
    s1d = write_image(folder / "s1d.fits", flux, start=start, cards=_S1D_CARDS)
    return adp, s1d


def write_corpus(folder: Path, adp: Path, s1d: Path) -> list[Path]:
    """Write all broken files and return their paths."""
    rng = np.random.default_rng(0)
    table, image = adp.read_bytes(), s1d.read_bytes()
    contents = [
        *_damage("adp", table, rng, n_flips=45),
        *_damage("s1d", image, rng, n_flips=45),
        *(("adp card", c) for c in _edit_cards(table, _TABLE_CARDS)),
        *(("adp card signed", _sign(c)) for c in _edit_cards(table, _TABLE_CARDS)),
        *(("s1d card", c) for c in _edit_cards(image, _IMAGE_CARDS)),
        *(("adp column", _sign(c)) for c in _edit_columns(table)),
        *(("s1d pixels", c) for c in _edit_pixels(image)),
        *_zip(table, rng),
    ]
    paths = []
    for i, (kind, content) in enumerate(contents):
        path = folder / f"{i:03} {kind}.fits"
        path.write_bytes(content)
        paths.append(path)
    return paths + list(_write_odd_names(folder, table, image))


def read_independently(path: Path) -> Arrays | None:
    """Read by plain astropy; None if that cannot make anything of the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fits.open(path, memmap=False) as hdus:
                image = hdus[0].data is not None
                return _in_order(_read_image(hdus) if image else _table(hdus))
        except Exception:
            return None


def _in_order(arrays: Arrays) -> Arrays:
    """Leave out ends without a wavelength, and turn round what decreases."""
    (good,) = np.nonzero(arrays.wave > 0.0)
    if good.size < arrays.wave.size // 2:
        return arrays
    kept = slice(good[0], good[-1] + 1)
    wave, flux = arrays.wave[kept], arrays.flux[kept]
    return Arrays(wave, flux) if wave[0] < wave[-1] else Arrays(wave[::-1], flux[::-1])


def _read_image(hdus: fits.HDUList) -> Arrays:
    header, data = hdus[0].header, hdus[0].data.reshape(-1)
    pixel = np.arange(data.size) + 1.0 - header.get("CRPIX1", 1.0)
    step = header["CDELT1"] if "CDELT1" in header else header["CD1_1"]
    unit = {"nm": 10.0}.get(header.get("CUNIT1", ""), 1.0)
    return Arrays(unit * (header["CRVAL1"] + step * pixel), _as_flux(data))


def _table(hdus: fits.HDUList) -> Arrays:
    row, columns = hdus[1].data[0], hdus[1].columns
    unit = {"nm": 10.0}.get(columns["WAVE"].unit, 1.0)
    return Arrays(unit * np.array(row["WAVE"], np.float64), _as_flux(row["FLUX"]))


def _as_flux(values: NDArray[np.generic]) -> NDArray[np.float32]:
    flux = np.array(values, np.float32)
    flux[np.isinf(flux)] = np.nan
    return flux


def _damage(
    kind: str, content: bytes, rng: np.random.Generator, n_flips: int
) -> Iterator[tuple[str, bytes]]:
    for name, damage, n in (
        ("bit of a header", _flip_in_header, n_flips),
        ("bit of the data", _flip_in_data, n_flips),
        ("truncated", _truncate, 15),
        ("bytes lost", _lose, 6),
        ("bytes put in", _insert, 6),
        ("block of zeros", _blank, 6),
    ):
        for _ in range(n):
            yield f"{kind} {name}", damage(content, rng)


def _flip(content: bytes, bit: int) -> bytes:
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _header_end(content: bytes) -> int:
    """Byte after the last header."""
    end = content.rindex(b"END".ljust(80))
    return (end // _BLOCK + 1) * _BLOCK


def _flip_in_header(content: bytes, rng: np.random.Generator) -> bytes:
    return _flip(content, int(rng.integers(8 * _header_end(content))))


def _flip_in_data(content: bytes, rng: np.random.Generator) -> bytes:
    return _flip(content, int(rng.integers(8 * _header_end(content), 8 * len(content))))


def _truncate(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))]


def _lose(content: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(content) - 500))
    return content[:at] + content[at + int(rng.integers(1, 500)) :]


def _insert(content: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(content)))
    return content[:at] + rng.bytes(int(rng.integers(1, 500))) + content[at:]


def _blank(content: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(content) // 512)) * 512
    return content[:at] + bytes(len(content[at : at + 512])) + content[at + 512 :]


_TABLE_CARDS = {
    "NELEM": (1, 1999, 2001, 10**9, -5, "'many'"),
    "NAXIS": (0, 1, 3, 999, "''"),
    "NAXIS1": (0, 1, 31_999, 10**6, 10**12, 10**18, -8),
    "NAXIS2": (0, 2, 10**9, "T"),
    "PCOUNT": (10**6, 10**15, -1),
    "GCOUNT": (0, 2, 10**9),
    "TFIELDS": (0, 1, 2, 999, -1),
    "BITPIX": (16, -64, 7),
    "TFORM1": (
        "'1000D'", "'2000E'", "'1PD(2000)'", "'2000A'", "'99999999D'", "'D2000'"
    ),
    "TFORM2": ("'2000D'", "'1999E'", "'2000X'"),
    "TTYPE1": ("'FLUX'", "'WAVE_VAC'"),
    "TTYPE2": ("'WAVE'",),
    "TUNIT1": ("'nm'", "'parsec'", "'m/s'", "''"),
}  # fmt: skip
_IMAGE_CARDS = {
    "SIMPLE": ("F", "'T'"),
    "BITPIX": (8, 16, 32, 64, -64, 3, "'-32'"),
    "NAXIS": (0, 2, 3, 10**6),
    "NAXIS1": (0, 1, 1999, 2001, 10**6, 10**12, 10**19, -2000, "2E3"),
    "CRVAL1": (0.0, -5000.0, 1e300, "NaN", "'5199'", ""),
    "CDELT1": (0.0, -0.01, 1e-300, 1e300, "Infinity", "'0.01'", ""),
    "CRPIX1": (-1e9, 1000.0, "NaN", "'x'"),
}


def _edit_cards(
    content: bytes, edits: dict[str, tuple[object, ...]]
) -> Iterator[bytes]:
    for keyword, values in edits.items():
        at = _find_card(content, keyword)
        for value in values:
            card = f"{keyword:8}= {value!s:>20}".ljust(80).encode()
            yield content[:at] + card + content[at + 80 :]


def _find_card(content: bytes, keyword: str) -> int:
    """Byte of the last header's card."""
    end = _header_end(content)
    return content.rindex(f"{keyword:8}=".encode(), 0, end)


def _sign(content: bytes) -> bytes:
    """Give the last unit a CHECKSUM that fits, as if it had been made like this."""
    start = content.rindex(b"XTENSION=")
    unit = bytearray(content[start:].ljust(-(-len(content[start:]) // 4) * 4, b"\0"))
    at = bytes(unit).index(b"CHECKSUM=") + 11
    unit[at : at + 16] = b"0" * 16
    total = int(np.frombuffer(bytes(unit), ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFF_FFFF) + (total >> 32)
    encoded = fits.PrimaryHDU()._char_encode(~total & 0xFFFF_FFFF)
    unit[at : at + 16] = encoded.encode()
    return content[:start] + bytes(unit)


def _edit_columns(content: bytes) -> Iterator[bytes]:
    start = _header_end(content)
    n_pixels = _read_number(content, "NELEM")
    size = 8 * n_pixels
    wave = np.frombuffer(content, ">f8", n_pixels, start)
    for index, value in (
        (0, np.nan), (1000, np.nan), (-1, np.nan), (0, np.inf), (7, -np.inf),
        (0, -1.0), (0, 0.0), (500, wave[499]), (500, 1e300), (3, 5e-324),
    ):  # fmt: skip
        edited = wave.copy()
        edited[index] = value
        yield content[:start] + edited.tobytes() + content[start + size :]
    for edited in (
        wave[::-1], wave / 10.0, wave * 0.0, np.full_like(wave, np.nan),
        np.roll(wave, 5), np.sort(np.abs(np.sin(wave))), wave * 1e-10, wave * 1e4,
    ):  # fmt: skip
        yield content[:start] + edited.tobytes() + content[start + size :]
    for flux in _bad_fluxes(n_pixels):
        rest = content[start + size + 4 * n_pixels :]
        yield content[: start + size] + flux.astype(">f4").tobytes() + rest


def _edit_pixels(content: bytes) -> Iterator[bytes]:
    start, n_pixels = _header_end(content), _read_number(content, "NAXIS1")
    for flux in _bad_fluxes(n_pixels):
        rest = content[start + 4 * n_pixels :]
        yield content[:start] + flux.astype(">f4").tobytes() + rest


def _read_number(content: bytes, keyword: str) -> int:
    at = _find_card(content, keyword)
    return int(content[at + 10 : at + 30])


def _bad_fluxes(n_pixels: int) -> Iterator[NDArray[np.float32]]:
    """Fluxes that are refused, the first five, or hold few numbers worth having."""
    some = np.random.default_rng(5).normal(900.0, 30.0, n_pixels).astype(np.float32)
    yield from (some * np.nan, some * np.inf, some * 0.0, some * 0.01, -some)
    yield np.where(np.arange(n_pixels) < 1000, np.nan, some).astype(np.float32)
    yield np.where(np.arange(n_pixels) == 1000, np.inf, some).astype(np.float32)
    yield np.where(np.arange(n_pixels) % 7 == 0, 3e38, some).astype(np.float32)
    yield np.where(np.arange(n_pixels) < 150, 0.0, some).astype(np.float32)


def _zip(content: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    zipped = gzip.compress(content, mtime=0)
    yield "gzip", zipped
    yield "gzip twice", gzip.compress(zipped, mtime=0)
    yield "gzip and more", zipped + rng.bytes(100)
    yield "gzip of two", zipped + zipped
    for _ in range(8):
        yield "gzip truncated", zipped[: rng.integers(2, len(zipped))]
    for _ in range(12):
        yield "gzip bit", _flip(zipped, int(rng.integers(16, 8 * len(zipped))))
    zeros = gzip.compress(bytes(2**27), mtime=0)
    yield "gzip bomb", zeros * 40
    yield "gzip bomb of a header", gzip.compress(b"SIMPLE  =".ljust(2**27), mtime=0) * 9
    yield "gzip bomb after a table", zipped + zeros * 40


def _write_odd_names(folder: Path, table: bytes, image: bytes) -> Iterator[Path]:
    """Write sound files of names and kinds that break programs."""
    names = (
        "étoile Ω星.fits", "new\nline.fits", "tab\there.fits", '"quoted", comma.fits',
        "-dash.fits", " blank .fits", "x" * 250 + ".fits", "UPPER.FITS", ".hidden.fits",
        "a.fits.fits", "= formula.fits", "null.fits.gz", "%s{}$(id).fits",
    )  # fmt: skip
    for name in names:
        path = folder / name
        path.write_bytes(table)
        yield path
    undecodable = Path(os.fsdecode(os.fsencode(folder) + b"/bytes \xff\xfe.fits"))
    undecodable.write_bytes(image)
    yield undecodable
    for name, target in (
        ("loop.fits", "loop.fits"), ("loop a.fits", "loop b.fits"),
        ("loop b.fits", "loop a.fits"), ("dangling.fits", "nowhere"),
        ("zeros.fits", "/dev/zero"), ("null device.fits", "/dev/null"),
    ):  # fmt: skip
        (folder / name).symlink_to(target)
        yield folder / name
    (folder / "loop of folders").symlink_to(folder)
    (folder / "folder.fits").mkdir()
    os.mkfifo(folder / "pipe.fits")
    yield folder / "pipe.fits"
    for i, content in enumerate((table, _flip(table, 8 * 9000), image)):
        path = folder / f"copy {i}" / "same name.fits"
        path.parent.mkdir()
        path.write_bytes(content)
        yield path
