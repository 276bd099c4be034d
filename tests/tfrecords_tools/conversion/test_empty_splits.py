from __future__ import annotations

import math
from pathlib import Path

import pytest

from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.empty_splits import warn_of_empty_splits
from tfrecords_tools.conversion.scan import PlannedSpectrum
from tfrecords_tools.records.manifest import SplitInfo
from tfrecords_tools.split import SPLITS, split_of


def spectra(
    n_stars: int, n_visits: int, config: ConvertConfig
) -> list[PlannedSpectrum]:
    planned = []
    for i in range(n_stars * n_visits):
        star, dp_id = f"HD{i % n_stars}", f"ADP.{i}"
        key = star if config.split_by == "star" else dp_id
        split = split_of(key, config.split, config.split_salt)
        nan = math.nan
        planned.append(
            PlannedSpectrum(
                Path(dp_id), 0, dp_id, "", star, nan, nan, nan, split, {}, 0, 0
            )
        )
    return planned


def warn(taken: list[PlannedSpectrum], config: ConvertConfig) -> tuple[str, ...]:
    totals = {}
    for split in SPLITS:
        stars = [spectrum.star for spectrum in taken if spectrum.split == split]
        names = tuple(sorted(set(stars)))
        totals[split] = SplitInfo(n_spectra=len(stars), stars=names)
    return warn_of_empty_splits(totals, taken, config)


def follow(advice: str, config: ConvertConfig) -> ConvertConfig:
    """Do what the advice says."""
    key, _, value = advice.partition("--set convert.")[2].split()[0].partition("=")
    return config.model_copy(update={key: value})


@pytest.mark.parametrize(
    ("n_stars", "n_visits", "key"),
    [(1, 60, "split_by=visit"), (3, 60, "split_by=visit"), (15, 1, "split_salt="),
     (15, 9, "split_salt=")],
)  # fmt: skip
def test_the_advice_mends_it(n_stars: int, n_visits: int, key: str) -> None:
    config = ConvertConfig()
    taken = spectra(n_stars, n_visits, config)
    (line,) = warn(taken, config)
    stars = "1 star" if n_stars == 1 else f"{n_stars} stars"
    assert f"empty: {n_stars * n_visits} spectra of {stars}; " in line
    assert f"--set convert.{key}" in line
    mended = follow(line, config)
    again = spectra(n_stars, n_visits, mended)
    assert {spectrum.split for spectrum in again} == set(SPLITS)
    assert warn(again, mended) == ()


def test_too_few_spectra_for_any_advice() -> None:
    config = ConvertConfig()
    (line,) = warn(spectra(2, 1, config), config)
    assert line.endswith("convert more, or give that split more by convert.split")


def test_a_split_that_is_to_be_empty_is_no_fault() -> None:
    config = ConvertConfig(split=SplitFractions(train=1.0, validation=0.0, test=0.0))
    assert warn(spectra(1, 5, config), config) == ()
    assert warn([], ConvertConfig()) == ()
