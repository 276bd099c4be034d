from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tfrecords_tools.fits_files import GRID, write_survey
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.records.layout import index_name, read_index
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.records.tfrecord import RecordError, read_records

CONFIG = ConvertConfig(
    split=SplitFractions(train=0.5, validation=0.3, test=0.2), shard_mib=0.01
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "records"
    convert([write_survey(tmp_path_factory.mktemp("in"), 16)], out, GRID, CONFIG)
    return out


@pytest.fixture
def records(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "records"))


def test_records_by_number_are_those_in_order(whole: Path) -> None:
    manifest = read_manifest(whole)
    for split in manifest.splits:
        table = RecordTable(manifest, split)
        paths = manifest.shard_paths(split)
        expected = [record for path in paths for record in read_records(path)]
        assert len(table) == len(expected) == manifest.n_spectra(split)
        decoded = [manifest.record_schema.decode(record) for record in expected]
        for i, (flux, values) in enumerate(decoded):
            np.testing.assert_array_equal(table.read(i)[0], flux)
            np.testing.assert_equal(table.read(i)[1], values)
            assert set(table.read(i, ["snr"])[1]) == {"snr", "flux_scale"}
        values = [values for _, values in decoded]
        assert [table.locate(i).dp_id for i in range(len(table))] == [
            v["dp_id"] for v in values
        ]
        assert table.stars() == [v["star"] for v in values]


def test_a_corrupt_record_is_named(records: Path) -> None:
    manifest = read_manifest(records)
    table = RecordTable(manifest, "train")
    location = table.locate(2)
    content = bytearray(location.path.read_bytes())
    offsets = np.load(records / "index" / f"{location.path.name}.npy")
    content[int(offsets[location.row]) + 50] ^= 4
    location.path.write_bytes(content)
    with pytest.raises(RecordError, match=rf"record {location.row} \(.*\) is corrupt"):
        table.read(2)
    assert table.read(1)
    other = manifest.record_schema.model_copy(update={"n_pixels": 7})
    table = RecordTable(replace(manifest, record_schema=other), "train")
    with pytest.raises(
        RecordError, match=r"record \d \(ADP.*\): flux must have 28 bytes"
    ):
        table.read(1)
    location.path.unlink()
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        table.read(2)


@pytest.mark.parametrize("damage", ["missing", "short", "nonsense"])
def test_a_damaged_index_is_named(records: Path, damage: str) -> None:
    manifest = read_manifest(records)
    path = next((records / "index").glob("spec-train*"))
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        np.save(path, np.load(path)[:-1])
    else:
        path.write_text("no array")
    with pytest.raises(RecordError, match=path.name):
        RecordTable(manifest, "train")


def test_a_flipped_bit_in_an_index_is_named_or_harmless(records: Path) -> None:
    manifest = read_manifest(records)
    shard = next(s for s in manifest.shards if s.split == "train")
    path, right = records / index_name(shard.file), read_index(records, shard)
    written = path.read_bytes()
    n_refused = 0
    for place in range(8 * (len(written) - right.nbytes)):
        content = bytearray(written)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            np.testing.assert_array_equal(read_index(records, shard), right)
        except RecordError:
            n_refused += 1
    assert n_refused > 500
    for n_bytes in range(len(written)):
        path.write_bytes(written[:n_bytes])
        with pytest.raises(RecordError, match=path.name):
            read_index(records, shard)


def empty(path: Path, offsets: list[int]) -> None:
    path.write_bytes(b"")


def cut_at_record(path: Path, offsets: list[int]) -> None:
    path.write_bytes(path.read_bytes()[: offsets[-2]])


def double(path: Path, offsets: list[int]) -> None:
    path.write_bytes(path.read_bytes() * 2)


@pytest.mark.parametrize(
    "damage", [empty, cut_at_record, double, lambda path, _: path.unlink()]
)
def test_a_shard_of_another_size_is_told_when_it_is_opened(
    records: Path, damage: Callable[[Path, list[int]], None]
) -> None:
    manifest = read_manifest(records)
    path = manifest.shard_paths("validation")[0]
    damage(path, [int(n) for n in np.load(records / "index" / f"{path.name}.npy")])
    assert RecordTable(manifest, "train")
    with pytest.raises(
        RecordError,
        match=rf"{path.name}: has [\d,]+ bytes, its manifest says [\d,]+ \(",
    ):
        RecordTable(manifest, "validation")


def swap(path: Path, other: Path) -> None:
    aside = path.rename(path.with_name("aside"))
    other.rename(path)
    aside.rename(other)


def test_a_shard_of_another_split_is_told_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    records, one_each = tmp_path / "records", {"shard_mib": 0.001}
    config = CONFIG.model_copy(update=one_each)
    convert([write_survey(tmp_path / "in", 10)], records, GRID, config)
    manifest = read_manifest(records)
    sizes = {s.file: (s.count, s.n_bytes) for s in manifest.shards}
    one, other = next(
        (path, other)
        for path in manifest.shard_paths("train")
        for other in manifest.shard_paths("validation")
        if sizes[path.name] == sizes[other.name]
    )
    swap(one, other)
    table = RecordTable(manifest, "train")
    number = next(n for n in range(len(table)) if table.locate(n).path == one)
    reason = rf"record 0 \({table.locate(number).dp_id}\) is the record of another sp"
    for read in (table.read, table.read_error):
        with pytest.raises(RecordError, match=reason):
            read(number)


def test_a_data_set_without_plan_has_no_stars(records: Path) -> None:
    (records / "plan.csv").unlink()
    with pytest.raises(RecordError, match="no star of"):
        RecordTable(read_manifest(records), "train").stars()
