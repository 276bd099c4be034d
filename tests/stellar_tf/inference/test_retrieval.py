"""Which spectrum is meant by what is written."""

from __future__ import annotations

import pytest
from astropy.table import MaskedColumn, Table

from stellar_tf.inference.retrieval import _find_row
from stellar_tf.run import Run


@pytest.mark.parametrize(
    ("written", "row"),
    [
        ("ADP.2", 1),
        ("HD 128621", 2),  # the best of its spectra
        ("hd_128621", 2),
        ("HD10700", 3),  # of unknown S/N
        ("HD 1", None),
        ("", None),
    ],
)
def test_a_spectrum_or_a_star_of_the_table(
    written: str, row: int | None, run: Run
) -> None:
    table = Table({"dp_id": ["ADP.1", "ADP.2", "ADP.3", "ADP.4"]})
    table["star"] = ["HD128621"] * 3 + ["HD10700"]
    table["snr"] = MaskedColumn([50.0, 0.0, 90.0, 0.0], mask=[False, True, False, True])
    assert _find_row(table, written, run) == row
