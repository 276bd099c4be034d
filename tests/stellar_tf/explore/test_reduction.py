from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.explore.reduction import find_visible, reduce_curve

VALUES = st.lists(
    st.one_of(st.integers(-9, 9).map(float), st.just(float("nan"))),
    min_size=1,
    max_size=120,
)


@given(values=VALUES, n_points=st.integers(2, 60), start=st.integers(0, 40))
def test_extremes_are_kept_at_their_own_pixels(
    values: list[float], n_points: int, start: int
) -> None:
    flux = np.array(values, np.float32)
    wave = 5000.0 + 0.5 * np.arange(flux.size)
    curve = reduce_curve(wave, flux, slice(start, flux.size), n_points)
    part = flux[start:]
    assert curve.wave.size <= max(n_points, 0)
    assert (np.diff(curve.wave) > 0.0).all()
    pixel = np.searchsorted(wave, curve.wave)
    np.testing.assert_array_equal(flux[pixel], curve.values)
    if np.isfinite(part).any():
        assert np.nanmin(curve.values) == np.nanmin(part)
        assert np.nanmax(curve.values) == np.nanmax(part)
    if part.size <= n_points:
        np.testing.assert_array_equal(curve.values, part)


def test_each_block_has_its_envelope() -> None:
    """A second route: the columns of a screen, one by one."""
    rng = np.random.default_rng(0)
    flux = rng.normal(size=10_000).astype(np.float32)
    wave = np.arange(10_000.0)
    curve = reduce_curve(wave, flux, slice(0, 10_000), 200)
    for column in range(100):
        inside = (curve.wave >= 100 * column) & (curve.wave < 100 * (column + 1))
        block = flux[100 * column : 100 * (column + 1)]
        assert set(curve.values[inside]) == {block.min(), block.max()}


def test_a_gap_stays_a_gap() -> None:
    flux = np.ones(1000, np.float32)
    flux[400:600] = np.nan
    curve = reduce_curve(np.arange(1000.0), flux, slice(0, 1000), 100)
    assert np.isnan(curve.values[(curve.wave > 420) & (curve.wave < 580)]).all()
    assert np.isnan(curve.values).any()


def test_what_is_seen_reaches_the_edges_of_the_view() -> None:
    wave = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert find_visible(wave, 2.5, 4.5) == slice(1, 5)
    assert find_visible(wave, 0.0, 9.0) == slice(0, 6)


def test_two_points_are_the_least() -> None:
    with pytest.raises(ValueError, match="n_points must be at least 2, got 1"):
        reduce_curve(np.arange(3.0), np.ones(3, np.float32), slice(0, 3), 1)
