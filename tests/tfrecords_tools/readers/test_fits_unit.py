"""Plain data of a unit are what astropy decodes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.readers.fits_unit import (
    read_plain_image,
    read_plain_table,
    sum_words,
)
from tfrecords_tools.readers.header import Header

CODES = {"B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8"}


def split(hdu: fits.BinTableHDU | fits.ImageHDU) -> tuple[Header, bytes]:
    """Header and data of a unit, from its bytes in a file."""
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(stream)
    content = stream.getvalue()
    info = fits.open(io.BytesIO(content))[1].fileinfo()
    text = content[info["hdrLoc"] : info["datLoc"]].decode("latin-1")
    end = info["datLoc"] + hdu.header["NAXIS1"] * hdu.header.get("NAXIS2", 1) * (
        1 if hdu.header["XTENSION"] == "BINTABLE" else abs(hdu.header["BITPIX"]) // 8
    )
    return Header(text[: text.rindex("END     ")]), content[info["datLoc"] : end]


@given(
    columns=st.lists(
        st.tuples(st.sampled_from("BIJKED"), st.integers(1, 5)), min_size=1, max_size=4
    ),
    n_rows=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_tables_are_astropys(
    columns: list[tuple[str, int]], n_rows: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    arrays = [
        rng.integers(0, 100, (n_rows, n) if n > 1 else n_rows).astype(CODES[code])
        for code, n in columns
    ]
    hdu = fits.BinTableHDU.from_columns(
        [
            fits.Column(f"c{i}", f"{n}{code}", array=array)
            for i, ((code, n), array) in enumerate(zip(columns, arrays, strict=True))
        ]
    )
    table = read_plain_table(*split(hdu))
    assert table is not None
    for i, array in enumerate(arrays):
        np.testing.assert_array_equal(table.field(i), hdu.data.field(i))
        assert table.field(i).shape == array.shape


def test_strings_and_logicals_and_some_rows() -> None:
    columns = [
        fits.Column("a", "5A", array=["abc", "de"]),
        fits.Column("b", "L", array=np.array([True, False])),
        fits.Column("c", "2E", array=np.array([[1.0, 2.0], [3.0, 4.0]])),
    ]
    header, data = split(fits.BinTableHDU.from_columns(columns))
    table = read_plain_table(header, data)
    assert table is not None
    assert table.field(0).tolist() == [b"abc", b"de"]
    assert table.field(1).tolist() == [b"T", b"F"]
    row = read_plain_table(header, data[header.size("NAXIS1") :], 1)
    assert row is not None
    assert row.field(2).tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
def test_images_are_astropys(dtype: str) -> None:
    values = np.arange(12, dtype=dtype).reshape(3, 4)
    hdu = fits.ImageHDU(values)
    image = read_plain_image(*split(hdu))
    np.testing.assert_array_equal(image, values)


@pytest.mark.parametrize(
    "column",
    [
        fits.Column("a", "3X", array=np.ones((1, 3), bool)),
        fits.Column("a", "PE()", array=np.array([np.ones(3)], dtype=object)),
        fits.Column("a", "J", bzero=2**31, array=np.array([1], np.uint32)),
        fits.Column("a", "6E", dim="(3,2)", array=np.ones((1, 2, 3))),
    ],
    ids=["bits", "variable", "unsigned", "shape"],
)
def test_other_tables_are_left_to_astropy(column: fits.Column) -> None:
    assert read_plain_table(*split(fits.BinTableHDU.from_columns([column]))) is None


@pytest.mark.parametrize("card", [("BSCALE", 2.0), ("BZERO", 5.0), ("BLANK", 3)])
def test_other_images_are_left_to_astropy(card: tuple[str, float]) -> None:
    header, data = split(fits.ImageHDU(np.arange(4, dtype="i2")))
    text = "".join(header.cards.values()) + str(fits.Card(*card))
    assert read_plain_image(Header(text), data) is None
    same = "".join(header.cards.values()) + str(fits.Card("BSCALE", 1.0))
    assert read_plain_image(Header(same), data) is not None


def test_the_sum_of_words_carries_round() -> None:
    words = np.array([0xFFFFFFFF, 0x00000002, 0x80000000, 0x80000001], ">u4")
    total = int(words.astype(np.uint64).sum())
    expected = (total & 0xFFFFFFFF) + (total >> 32)
    assert sum_words(words.tobytes()) == expected
    assert sum_words(words[2:].tobytes(), sum_words(words[:2].tobytes())) == expected
