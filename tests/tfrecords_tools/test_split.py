from __future__ import annotations

import subprocess
import sys

import pytest

from tfrecords_tools.config import SplitFractions
from tfrecords_tools.split import SPLITS, order_key, split_of

FRACTIONS = SplitFractions(train=0.7, validation=0.2, test=0.1)
STARS = [f"HD{i}" for i in range(5000)]


def test_shares_of_stars_are_the_fractions():
    drawn = [split_of(star, FRACTIONS, "salt") for star in STARS]
    for split, share in zip(SPLITS, (0.7, 0.2, 0.1), strict=True):
        # Four standard deviations of a binomial.
        margin = 4.0 * (share * (1.0 - share) / len(STARS)) ** 0.5
        assert drawn.count(split) / len(STARS) == pytest.approx(share, abs=margin)


def test_splits_do_not_depend_on_the_process():
    code = (
        "from tfrecords_tools.split import *; from tfrecords_tools.config import *;"
        "f = SplitFractions(train=0.7, validation=0.2, test=0.1);"
        "print(*[split_of(f'HD{i}', f, 'salt') for i in range(20)])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    expected = [split_of(star, FRACTIONS, "salt") for star in STARS[:20]]
    assert result.stdout.split() == expected


def test_another_salt_draws_other_splits():
    first = [split_of(star, FRACTIONS, "a") for star in STARS]
    second = [split_of(star, FRACTIONS, "b") for star in STARS]
    assert first != second


def test_more_test_stars_leave_the_training_stars_in_place():
    smaller = SplitFractions(train=0.5, validation=0.2, test=0.3)
    for star in STARS[:500]:
        if split_of(star, smaller, "s") == "train":
            assert split_of(star, FRACTIONS, "s") == "train"


def test_a_split_without_share_stays_empty():
    only = SplitFractions(train=1.0, validation=0.0, test=0.0)
    assert {split_of(star, only, "s") for star in STARS} == {"train"}


def test_order_is_a_shuffle_that_does_not_depend_on_the_others():
    ordered = sorted(STARS, key=order_key)
    assert ordered != STARS
    assert sorted(STARS[::2], key=order_key) == [s for s in ordered if s in STARS[::2]]
