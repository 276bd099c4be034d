from __future__ import annotations

import numpy as np

from stellar_tf.explore.colouring import OTHER, UNKNOWN, colour_by
from stellar_tf.explore.plane_figure import MAX_POINTS, choose_rows


def test_numbers_are_on_a_ramp() -> None:
    label = np.linspace(0.0, 100.0, 101)
    label[50] = np.nan
    colouring = colour_by(label)
    assert colouring.ends is not None
    np.testing.assert_allclose(colouring.ends, (1.98, 98.02), atol=0.05)
    red, blue = colouring.rgba[:, 0].astype(int), colouring.rgba[:, 2].astype(int)
    known = np.isfinite(label)
    assert (np.diff((red - blue)[known]) >= -2).all()  # from blue to red
    assert red[0] - blue[0] < -100 < 100 < red[-1] - blue[-1]
    assert colouring.marker[50] == "x"
    assert [entry.text for entry in colouring.legend] == [UNKNOWN]


def test_hot_stars_are_blue() -> None:
    teff = np.linspace(3000.0, 9000.0, 101)
    hot, other = colour_by(teff, "K"), colour_by(teff)
    np.testing.assert_array_equal(hot.rgba, other.rgba[::-1])
    assert other.ends is not None
    assert hot.ends == other.ends[::-1]


def test_categories_differ_by_shape_as_well() -> None:
    label = np.repeat(["G", "K", "F", "M", "A", "B", "O", ""], [9, 8, 7, 6, 5, 4, 3, 2])
    colouring = colour_by(label)
    assert [entry.text for entry in colouring.legend] == [*"GKFMA", OTHER, UNKNOWN]
    assert len({entry.marker for entry in colouring.legend}) == 7
    for entry in colouring.legend[:5]:
        assert set(colouring.marker[label == entry.text]) == {entry.marker}
    assert set(colouring.marker[label == "O"]) == {"cross"}
    assert colouring.ends is None


def test_a_label_that_nobody_knows() -> None:
    colouring = colour_by(np.full(3, np.nan))
    assert set(colouring.marker) == {"x"}
    assert colour_by(np.full(3, "")).legend[0].text == UNKNOWN


def test_a_large_survey_is_thinned_always_the_same() -> None:
    rows = choose_rows(5 * MAX_POINTS)
    assert rows.size == np.unique(rows).size == MAX_POINTS
    np.testing.assert_array_equal(rows, choose_rows(5 * MAX_POINTS))
    assert choose_rows(10).tolist() == list(range(10))
