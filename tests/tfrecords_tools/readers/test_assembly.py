"""Masks and errors, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from tfrecords_tools.readers.assembly import as_error, choose_masks, find_bad
from tfrecords_tools.readers.header import Header
from tfrecords_tools.readers.layout import Field, Named
from tfrecords_tools.readers.pipelines import (
    APOGEE,
    LAMOST,
    SDSS,
    SPSPEC_BAD,
    Pipeline,
    Traits,
    find_pipeline,
)
from tfrecords_tools.spectrum import SpectrumError

APOGEE_BITS = {
    *("BADPIX", "CRPIX", "SATPIX", "UNFIXABLE", "BADDARK", "BADFLAT", "BADERR"),
    *("NOSKY", "SIG_SKYLINE", "NOT_ENOUGH_PSF"),
}
"""Those that the survey's documentation calls bad."""
APOGEE_NAMES = (
    *("BADPIX", "CRPIX", "SATPIX", "UNFIXABLE", "BADDARK", "BADFLAT", "BADERR"),
    *("NOSKY", "LITTROW_GHOST", "PERSIST_HIGH", "PERSIST_MED", "PERSIST_LOW"),
    *("SIG_SKYLINE", "SIG_TELLURIC", "NOT_ENOUGH_PSF"),
)


@pytest.mark.parametrize("bit", range(len(APOGEE_NAMES)))
def test_bits_of_apogee(bit: int) -> None:
    bad = find_bad(np.array([0, 1 << bit], ">i4"), False, APOGEE)
    assert bad.tolist() == [False, APOGEE_NAMES[bit] in APOGEE_BITS]


def test_bits_of_old_sdss_spectra() -> None:
    pipeline = Pipeline("SDSS", bad_bits=SPSPEC_BAD)
    mask = np.array([0, 0x1, 0x40000, 0x1000000, 0x40000000, 0x41000000], ">f4")
    bad = find_bad(mask, False, pipeline)
    assert bad.tolist() == [False, False, True, True, False, True]


@pytest.mark.parametrize(
    ("values", "bad"),
    [
        (np.array([0, 1, 16384, -1], ">i4"), [False, True, True, True]),
        (np.array([0.0, 2.0, np.nan], ">f4"), [False, True, True]),
        (np.array([0.0, 0.02], ">f4"), [False, True]),
        (np.array([False, True]), [False, True]),
        (np.array([b"F", b"T"]), [False, True]),
        (np.array([0, 2**63], ">u8"), [False, True]),
    ],
)
def test_any_bit_is_bad_where_nothing_else_is_known(
    values: np.ndarray, bad: list[bool]
) -> None:
    assert find_bad(values, False, None).tolist() == bad
    assert find_bad(values, False, LAMOST).tolist() == bad


def test_hubble_says_which_bits_are_serious() -> None:
    text = "".join(
        card.ljust(80) for card in ("TELESCOP= 'HST'", "SDQFLAGS=                   12")
    )
    pipeline = find_pipeline(Traits(Header(text), Header(text), frozenset()))
    bad = find_bad(np.array([0, 1, 4, 8, 16, 20]), False, pipeline)
    assert bad.tolist() == [False, False, True, True, False, True]


def test_masks_of_good_pixels() -> None:
    values = np.array([1, 0, 1])
    assert find_bad(values, True, None).tolist() == [False, True, False]
    pypeit = Pipeline("PypeIt", mask_is_good=True)
    assert find_bad(values, False, pypeit).tolist() == [False, True, False]


def test_a_mask_of_text_is_refused() -> None:
    with pytest.raises(SpectrumError, match="the mask does not hold numbers"):
        find_bad(np.array(["a"], dtype="U1"), False, None)


def test_what_is_bad_in_one_exposure_counts_for_lamost_alone() -> None:
    masks = [
        Named(Field(name, (1,), lambda _: np.zeros(1)), "mask", "", 0)
        for name in ("and_mask", "or_mask", "qual")
    ]
    chosen = [mask.field.name for mask in choose_masks(masks, SDSS)]
    assert chosen == ["and_mask", "qual"]
    for pipeline in (LAMOST, None):
        assert choose_masks(masks, pipeline) == masks
    assert choose_masks(masks[1:], SDSS) == masks[1:]


def test_errors_of_three_kinds() -> None:
    sigma = np.array([0.5, 2.0, np.nan, 0.0, -1.0])
    error, bad = as_error(sigma, "error")
    np.testing.assert_array_equal(error, np.array([0.5, 2.0, *[np.nan] * 3], "f4"))
    assert bad is None
    error, bad = as_error(np.array([4.0, 0.25, 0.0, -1.0, np.nan]), "ivar")
    np.testing.assert_array_equal(error, np.array([0.5, 2.0, *[np.nan] * 3], "f4"))
    assert bad is not None
    assert bad.tolist() == [False, False, True, True, True]
    error, bad = as_error(np.array([0.25, 4.0, 0.0, -1.0, np.nan]), "variance")
    np.testing.assert_array_equal(error, np.array([0.5, 2.0, *[np.nan] * 3], "f4"))
    assert bad is None


@pytest.mark.parametrize("role", ["error", "ivar", "variance"])
def test_errors_that_are_nan_everywhere_are_none(role: str) -> None:
    assert as_error(np.full(1000, np.nan, ">f4"), role) == (None, None)
    one = np.full(1000, np.nan, ">f4")
    one[55] = 1.0
    error, _ = as_error(one, role)
    assert error is not None
    assert np.flatnonzero(np.isfinite(error)).tolist() == [55]


def test_a_pixel_that_is_good_in_part_is_bad() -> None:
    assert find_bad(np.array([1.0, 0.98]), True, None).tolist() == [False, True]


def test_an_infinite_error_is_that_of_a_bad_pixel() -> None:
    error, bad = as_error(np.array([1.0, np.inf, np.nan, 0.0]), "error")
    assert error is not None
    assert bad is not None
    np.testing.assert_array_equal(error, [1.0, np.nan, np.nan, np.nan])
    assert bad.tolist() == [False, True, False, False]
