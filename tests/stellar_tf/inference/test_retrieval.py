"""Which spectrum is meant by what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from stellar_tf.analysis.columns import LatentsError
from stellar_tf.inference.retrieval import _find_row, find_neighbours
from stellar_tf.run import Run
from stellar_tf.tables import write_table


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


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "latents must have a column dp_id"),
        (("dp_id", "star"), "latents must have a column z_mean"),
        (("dp_id", "star", "z_mean"), "t.ecsv: z_mean has not 4 dimensions"),
    ],
)
def test_a_table_of_something_else(
    names: tuple[str, ...], message: str, run: Run, tmp_path: Path
) -> None:
    columns = {"dp_id": ["a"], "star": ["b"], "z_mean": np.zeros((1, 3)), "x": [1]}
    write_table(
        Table({name: columns[name] for name in (*names, "x")}), tmp_path / "t.ecsv"
    )
    with pytest.raises(LatentsError, match=message):
        find_neighbours(run, "a", 1, tmp_path / "t.ecsv")
