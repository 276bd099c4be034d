from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.report.sheets import Cell, build_cell, build_sheet, format_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.12345, "0.123"), (-1.5, "−1.500"), (6230.72, "6231"),
        (8.2e-5, "8e−5"), (9e-110, "9e−110"), (np.nan, "–"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: float, text: str) -> None:
    assert format_number(value) == text


def test_cells_keep_all_digits_to_sort_by() -> None:
    assert build_cell(np.float64(1 / 3)) == Cell("0.333", repr(1 / 3), True)
    assert build_cell(np.int64(7)) == Cell("7", "7", True)
    assert build_cell(np.True_) == Cell("yes", "1", False)
    assert build_cell(np.str_("teff")) == Cell("teff", "teff", False)


def test_sheet_has_the_chosen_columns() -> None:
    table = Table({"mi": [0.5], "label": ["rv"], "other": [1]})
    table["mi"].description = "mutual information [nat]"
    sheet = build_sheet("labels", table, {"label": "label", "mi": "MI"})
    assert sheet.headers == (("label", "label"), ("MI", "mutual information [nat]"))
    assert [cell.text for cell in sheet.rows[0]] == ["rv", "0.500"]
