from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from stellar_tf.tables import (
    TableError,
    check_table_path,
    join_labels,
    read_label_columns,
    read_table,
    write_table,
    writing_table,
)
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.files import LabelError
from tfrecords_tools.lock import BusyError


@pytest.fixture
def table() -> Table:
    return Table(
        {
            "dp_id": ["a", "b"],
            "star": ["HD1", "HD2"],
            "z_mean": np.arange(6, dtype=np.float32).reshape(2, 3),
        }
    )


def test_vectors_in_parquet_are_lists_of_fixed_size(
    table: Table, tmp_path: Path
) -> None:
    write_table(table, tmp_path / "t.parquet")
    vectors = pq.read_table(tmp_path / "t.parquet").column("z_mean")
    assert pa.types.is_fixed_size_list(vectors.type)
    assert vectors.type.list_size == 3
    assert vectors.to_pylist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


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


def test_a_table_that_is_being_written_is_refused(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "new" / "t.parquet"
    with writing_table(path, overwrite=False):
        with (
            pytest.raises(
                BusyError, match=r"t\.parquet: another process is writing it"
            ),
            writing_table(path, overwrite=True),
        ):
            pass
        write_table(table, path)
    assert [p.name for p in path.parent.iterdir()] == ["t.parquet"]
    with (
        pytest.raises(TableError, match=r"t\.parquet: exists"),
        writing_table(path, overwrite=False),
    ):
        pass
    with writing_table(None, overwrite=False):
        pass


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


def test_a_flipped_bit_of_parquet_changes_no_value(
    table: Table, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    write_table(table, path)
    written = path.read_bytes()
    # Its end describes the columns; the number of its bytes is before the last four.
    n_pages = len(written) - 8 - int.from_bytes(written[-8:-4], "little")
    n_refused = 0
    for place in range(n_pages):
        content = bytearray(written)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            again = read_table(path)
        except TableError:
            n_refused += 1
            continue
        assert all((again[name] == table[name]).all() for name in table.colnames)
    assert n_refused > n_pages // 2


def test_labels_are_joined_by_star(table: Table, tmp_path: Path) -> None:
    labels = Table({"target": ["hd 2", "HD 3"], "teff": [5000.0, 6000.0]})
    labels["teff"].unit = "K"
    labels["snr"] = [1.0, 2.0]  # every record has its own
    path = tmp_path / "labels.ecsv"
    labels.write(path)
    names, lines = join_labels(table, path, ConvertConfig())
    assert names == ("teff",)
    np.testing.assert_array_equal(table["teff"], [np.nan, 5000.0])
    assert str(table["teff"].unit) == "K"
    assert "snr" not in table.colnames
    assert lines == (
        f"1 of 2 spectra, 1 of 2 stars, have labels of {path}, found by target",
        "labels.ecsv: not taken as labels, for records hold them anyway: snr",
    )


def test_labels_are_joined_by_position_and_by_gaia(
    table: Table, tmp_path: Path
) -> None:
    table["ra"] = np.array([10.0, 20.0], np.float32)
    table["dec"] = np.array([-5.0, 5.0], np.float32)
    table["target"] = ["HD 1", "Gaia DR3 4295806720"]
    near, gaia = tmp_path / "near.csv", tmp_path / "gaia.csv"
    near.write_text("ra,dec,teff\n10.0002,-5,5000\n0,0,1\n")
    gaia.write_text("source_id,logg\n4295806720,4.5\n6963761190199424,1\n")
    join_labels(table, near, ConvertConfig())
    np.testing.assert_array_equal(table["teff"], [5000.0, np.nan])
    join_labels(table, gaia, ConvertConfig())
    np.testing.assert_array_equal(table["logg"], [np.nan, 4.5])
    table["source_id"] = ["6963761190199424", ""]  # a label of the records
    join_labels(table, gaia, ConvertConfig())
    np.testing.assert_array_equal(table["logg"], [1.0, 4.5])


def test_labels_of_other_stars_are_refused(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("target,teff\nHD 3,5000\n")
    with pytest.raises(
        LabelError, match=r"labels.csv: no row is about any of the 2 spec"
    ):
        join_labels(table, path, ConvertConfig())


def test_labels_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text("target\trv\tsptp\n\tm/s\t\n-----\t--\t--\nA\t1500\t~\nB\t~\tK0\n")
    table, lines = read_label_columns(path, ConvertConfig())
    assert list(table["target"]) == ["A", "B"]
    np.testing.assert_array_equal(table["rv"], [1.5, np.nan])
    assert str(table["rv"].unit) == "km / s"
    assert list(table["sptp"]) == ["", "K0"]
    assert lines == ["labels.tsv: columns of text: sptp"]
