"""A table in parts is read as it was written, and no damage to it goes unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table, vstack

from stellar_tf.parts import PARTS_NAME, PartInfo, PartList, PartWriter
from stellar_tf.tables import TableError, check_table_path, read_table, write_table
from tfrecords_tools.records.manifest import hash_file


def make_table(n_rows: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    z_mean = rng.normal(size=(n_rows, 3)).astype(np.float32)
    z_mean[0, 0] = np.nan
    return Table(
        {
            "dp_id": [f"ADP.{seed}.{'x' * (i % 7)}{i}" for i in range(n_rows)],
            "star": [f"Gl\u00e4s {i % 3}" for i in range(n_rows)],
            "z_mean": z_mean,
            "mjd": rng.normal(size=n_rows),
            "flags": rng.integers(0, 9, n_rows, np.int32),
        }
    )


def write_part(folder: Path, number: int, table: Table, batch: int) -> PartInfo:
    path = folder / f"part-{number:05}.parquet"
    with PartWriter(path) as writer:
        for i in range(0, len(table), batch):
            rows = table[i : i + batch]
            writer.write({name: np.asarray(rows[name]) for name in rows.colnames})
    size = path.stat().st_size
    return PartInfo(
        file=path.name, n_rows=writer.n_rows, n_bytes=size, sha256=hash_file(path)
    )


def write_folder(folder: Path, *tables: Table) -> Path:
    folder.mkdir()
    parts = tuple(write_part(folder, i, t, 7) for i, t in enumerate(tables))
    PartList(parts=parts, n_rejected=0, request={}).write(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "t.parquet", make_table(20, 1), make_table(9, 2))


def test_the_rows_of_all_parts_in_order(folder: Path) -> None:
    expected = vstack([make_table(20, 1), make_table(9, 2)])
    found = read_table(folder)
    assert found.colnames == expected.colnames
    for name in expected.colnames:
        np.testing.assert_array_equal(found[name], expected[name])
        assert found[name].dtype == expected[name].dtype


def test_columns_are_left_out(folder: Path, tmp_path: Path) -> None:
    expected = ["dp_id", "z_mean", "mjd", "flags"]
    single = tmp_path / "single.parquet"
    write_table(read_table(folder), single)
    for path in (folder, single):
        assert read_table(path, leave_out=("star", "none")).colnames == expected


def test_plain_readers_of_parquet_read_the_folder(folder: Path) -> None:
    found = pq.read_table(folder)
    expected = read_table(folder)
    assert found.column("dp_id").to_pylist() == list(expected["dp_id"])
    np.testing.assert_array_equal(
        np.stack(found.column("z_mean").to_numpy()), expected["z_mean"]
    )


def test_equal_batches_give_equal_bytes_and_rows_do_not_pile_up(tmp_path: Path) -> None:
    table = make_table(10_000, 3)
    a, b = write_part(tmp_path, 1, table, 16), write_part(tmp_path, 2, table, 16)
    assert a.sha256 == b.sha256
    groups = pq.ParquetFile(tmp_path / a.file).metadata
    sizes = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
    assert sizes == [4096, 4096, 10_000 - 2 * 4096]


def test_no_row_makes_no_file(tmp_path: Path) -> None:
    with PartWriter(tmp_path / "part") as writer:
        pass
    assert writer.n_rows == 0
    assert not list(tmp_path.iterdir())


def lose(folder: Path) -> None:
    (folder / "part-00001.parquet").unlink()


def cut(folder: Path) -> None:
    path = folder / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1])


def flip(folder: Path) -> None:
    """Change a byte of the data: its page no longer fits its checksum."""
    path = folder / "part-00000.parquet"
    content = bytearray(path.read_bytes())
    content[content.index(b"ADP.1.")] ^= 1
    path.write_bytes(content)


def overwrite_end(folder: Path) -> None:
    path = folder / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-4] + b"none")


def damage_list(folder: Path) -> None:
    (folder / PARTS_NAME).write_text("{}")


def lose_list(folder: Path) -> None:
    (folder / PARTS_NAME).unlink()


def mix(folder: Path) -> None:
    """Take a part of another table, with its size and checksum."""
    other = make_table(4, 4)
    other.remove_column("mjd")
    parts = PartList.model_validate_json((folder / PARTS_NAME).read_text())
    infos = (*parts.parts, write_part(folder, 2, other, 4))
    parts.model_copy(update={"parts": infos}).write(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose, r"part-00001\.parquet: is missing or has another size"),
        (cut, r"part-00000\.parquet: is missing or has another size"),
        (flip, r"part-00000\.parquet: cannot be read \(.*; encode again"),
        (overwrite_end, r"part-00000\.parquet: cannot be read \(.*; encode again"),
        (damage_list, r"_parts\.json: is damaged or of another version"),
        (lose_list, r"t\.parquet: is a folder, but no table in parts"),
        (mix, "its parts have different columns"),
    ],
)
def test_damage_is_told(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)
    with pytest.raises(TableError, match=message):
        read_table(folder)


def test_a_single_table_does_not_replace_parts(folder: Path) -> None:
    with pytest.raises(TableError, match="is a folder; choose another name, or remove"):
        check_table_path(folder, overwrite=True)
