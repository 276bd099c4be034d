from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.figures.windows import block_maximum, choose_window, choose_windows

SCORES = st.lists(st.integers(0, 9), min_size=1, max_size=40)


@given(score=SCORES, n_pixels=st.integers(0, 50))
def test_no_other_window_has_more(score: list[int], n_pixels: int) -> None:
    values = np.array(score, float)
    window = choose_window(values, n_pixels)
    length = min(max(n_pixels, 1), values.size)
    assert window.stop - window.start == length
    sums = [values[i : i + length].sum() for i in range(values.size - length + 1)]
    assert values[window].sum() == max(sums)


def test_unknown_pixels_are_of_no_interest() -> None:
    score = np.array([1.0, np.nan, np.nan, 0.5, 1.0])
    assert choose_window(score, 2) == slice(3, 5)


@given(score=SCORES, n_pixels=st.integers(1, 50), n_windows=st.integers(1, 5))
def test_windows_are_apart_and_the_best_that_are_left(
    score: list[int], n_pixels: int, n_windows: int
) -> None:
    values = np.array(score, float)
    windows = choose_windows(values, n_pixels, n_windows)
    assert windows[0] == choose_window(values, n_pixels)
    length = min(n_pixels, values.size)
    taken = np.zeros(values.size, bool)
    for window in windows:
        free = [
            values[i : i + length].sum()
            for i in range(values.size - length + 1)
            if not taken[i : i + length].any()
        ]
        assert not taken[window].any()
        assert values[window].sum() == max(free)
        taken[window] = True
    if len(windows) < n_windows:
        gaps = np.flatnonzero(np.diff(np.concatenate([[True], taken, [True]])))
        assert np.diff(gaps)[::2].max(initial=0) < length


@given(score=SCORES, n_blocks=st.integers(1, 50))
def test_blocks_keep_the_peaks(score: list[int], n_blocks: int) -> None:
    values = np.array(score, float)
    wave, shortened = block_maximum(np.arange(values.size), values, n_blocks)
    assert wave.size == shortened.size <= n_blocks
    assert shortened.max() == values.max()
    assert (np.diff(wave) > 0).all()
