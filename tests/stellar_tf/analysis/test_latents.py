from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.analysis.latents import name_stars, one_per_star, read_codes
from stellar_tf.config import AnalysisConfig
from stellar_tf.flags import Flag

CONFIG = AnalysisConfig()
STARS = st.lists(st.sampled_from(["", "HD1", "HD2", "HD3"]), min_size=1, max_size=30)


def test_numbers_and_categories_are_labels(
    latents: Table,
) -> None:
    codes = read_codes(latents, CONFIG, labels=None, factors=())
    assert list(codes.labels) == [
        "rv", "teff", "logg", "spectral_type",
        "snr", "airmass", "berv", "mjd", "exptime",
    ]  # fmt: skip
    assert set(codes.labels["spectral_type"]) == {"F", "K"}


def test_spectra_of_one_star_count_as_stars(latents: Table) -> None:
    series = latents.copy()
    series.replace_column("star", ["HD128621"] * len(series))
    codes = read_codes(series, CONFIG, labels=None, factors=())
    assert codes.series_of == "HD128621"
    assert codes.one_per_star(seed=0).dp_id.size == len(series)
    assert read_codes(latents, CONFIG, labels=None, factors=()).series_of == ""
    assert read_codes(series[:1], CONFIG, labels=None, factors=()).series_of == ""


def test_chosen_labels_and_factors(latents: Table) -> None:
    codes = read_codes(latents, CONFIG, labels=["teff"], factors=["rv"])
    assert list(codes.labels)[:2] == ["teff", "rv"]
    config = AnalysisConfig(labels=("logg",))
    codes = read_codes(latents, config, labels=None, factors=())
    assert list(codes.labels)[:2] == ["logg", "snr"]


def test_fits_and_masked_columns_read_the_same(latents: Table, tmp_path: Path) -> None:
    expected = read_codes(latents, CONFIG, labels=None, factors=())
    latents.write(tmp_path / "latents.fits")
    masked = Table.read(tmp_path / "latents.fits")
    masked["rv"] = MaskedColumn(masked["rv"], mask=np.arange(len(masked)) == 3)
    found = read_codes(masked, CONFIG, labels=None, factors=())
    np.testing.assert_array_equal(found.star, expected.star)
    np.testing.assert_array_equal(found.z_mean, expected.z_mean)
    np.testing.assert_array_equal(found.labels["teff"], expected.labels["teff"])
    assert np.flatnonzero(np.isnan(found.labels["rv"])) == [3]


def test_unusable_spectra_are_left_out(
    latents: Table, logged: pytest.LogCaptureFixture
) -> None:
    flagged = latents.copy()
    flagged["flags"] = np.zeros(len(latents), np.int32)
    flagged["flags"][3] = Flag.MEDIAN_NOT_POSITIVE
    flagged["flags"][5] = Flag.FEW_VALID_PIXELS  # which is usable
    codes = read_codes(flagged, CONFIG, labels=None, factors=())
    np.testing.assert_array_equal(codes.dp_id, np.delete(latents["dp_id"], 3))
    assert "flags" not in codes.labels
    assert "1 spectra that are unusable are left out" in logged.text


def test_spectra_of_no_split_are_kept(latents: Table) -> None:
    mixed = latents.copy()
    mixed["split"][:10] = ""
    codes = read_codes(mixed, CONFIG, labels=None, factors=())
    assert set(codes.select_splits(["test"]).split) == {"test", ""}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.remove_column("z_mean"), "latents must have a column z_mean"),
        (
            lambda t: t.replace_column("z_log_var", t["z_log_var"][:, :3]),
            r"must have the same shape \(n, n_latent\), got \(800, 12\) and \(800, 3\)",
        ),
        (lambda t: t["z_mean"].__setitem__((0, 0), np.nan), "must be finite, got NaN"),
    ],
)
def test_bad_tables_are_errors(
    latents: Table, change: Callable[[Table], None], message: str
) -> None:
    broken = latents.copy()
    change(broken)
    with pytest.raises(ValueError, match=message):
        read_codes(broken, CONFIG, labels=None, factors=())


def test_bad_labels_are_errors(latents: Table) -> None:
    with pytest.raises(ValueError, match="latents must have a column vsini"):
        read_codes(latents, CONFIG, labels=["vsini"], factors=())
    with pytest.raises(ValueError, match="factor spectral_type must be a column of"):
        read_codes(latents, CONFIG, labels=None, factors=["spectral_type"])
    with pytest.raises(ValueError, match="label z_mean must be a column of numbers or"):
        read_codes(latents, CONFIG, labels=["z_mean"], factors=())
    with pytest.raises(ValueError, match="latents must have a column tilt"):
        read_codes(latents, CONFIG, labels=None, factors=["tilt"])


@given(stars=STARS, seed=st.integers(0, 5))
def test_one_spectrum_of_each_star(stars: list[str], seed: int) -> None:
    star = np.array(stars)
    dp_id = np.array([f"ADP.{index}" for index in range(star.size)])
    rows = one_per_star(dp_id, star, seed=seed)
    owner = name_stars(dp_id, star)
    assert sorted(owner[rows]) == sorted(set(owner))
    assert (np.diff(rows) > 0).all()


@given(stars=STARS, seed=st.integers(0, 5))
def test_draw_does_not_depend_on_the_order_of_rows(stars: list[str], seed: int) -> None:
    star = np.array(stars)
    dp_id = np.array([f"ADP.{index}" for index in range(star.size)])
    drawn = set(dp_id[one_per_star(dp_id, star, seed=seed)])
    turned = one_per_star(dp_id[::-1], star[::-1], seed=seed)
    assert set(dp_id[::-1][turned]) == drawn


def test_another_seed_draws_other_spectra() -> None:
    star = np.repeat([f"HD{index}" for index in range(50)], 4)
    dp_id = np.array([f"ADP.{index:03d}" for index in range(star.size)])
    first, second = (one_per_star(dp_id, star, seed=seed) for seed in (0, 1))
    assert (first != second).any()


def test_every_visit_is_as_likely() -> None:
    star = np.repeat(["HD1"], 4)
    dp_id = np.array(["a", "b", "c", "d"])
    drawn = [one_per_star(dp_id, star, seed=seed)[0] for seed in range(400)]
    counts = np.bincount(drawn, minlength=4)
    assert abs(counts - 100).max() < 40
