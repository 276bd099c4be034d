from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.tables import (
    TableError,
    check_table_path,
    join_labels,
    read_table,
    write_table,
)


@pytest.fixture
def table() -> Table:
    return Table(
        {
            "dp_id": ["a", "b"],
            "star": ["HD1", "HD2"],
            "z_mean": np.arange(6, dtype=np.float32).reshape(2, 3),
        }
    )


def test_csv_has_a_column_an_element(table: Table, tmp_path: Path) -> None:
    write_table(table, tmp_path / "t.csv")
    again = read_table(tmp_path / "t.csv")
    assert again.colnames == ["dp_id", "star", "z_mean_0", "z_mean_1", "z_mean_2"]
    assert list(again["z_mean_1"]) == [1.0, 4.0]


def test_nothing_is_replaced_unasked(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "t.ecsv"
    write_table(table, path)
    with pytest.raises(TableError, match="exists; choose another name"):
        write_table(table[:1], path)
    assert len(read_table(path)) == 2
    write_table(table[:1], path, overwrite=True)
    assert len(read_table(path)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["t.ecsv"]


def test_unknown_ending(table: Table, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"must be one of \.parquet, \.fits"):
        check_table_path(tmp_path / "t.xlsx", overwrite=False)
    with pytest.raises(TableError, match="must be one of"):
        read_table(tmp_path / "t.xlsx")


def test_missing_and_broken_tables(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such table"):
        read_table(tmp_path / "t.fits")
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(TableError, match="cannot be read as a table"):
        read_table(tmp_path / "t.parquet")


def test_labels_are_joined_by_star(table: Table, tmp_path: Path) -> None:
    labels = Table({"target": ["hd 2", "HD 3"], "teff": [5000.0, 6000.0]})
    labels["teff"].unit = "K"
    labels["snr"] = [1.0, 2.0]  # every record has its own
    labels.write(tmp_path / "labels.ecsv")
    join_labels(table, tmp_path / "labels.ecsv", {})
    np.testing.assert_array_equal(table["teff"], [np.nan, 5000.0])
    assert str(table["teff"].unit) == "K"
    assert "snr" not in table.colnames
