from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tfrecords_tools.fits_files import CARDS, GRID, make_flux, write_adp
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.records.manifest import Manifest, read_manifest
from tfrecords_tools.records.salvage import SalvageError, salvage
from tfrecords_tools.records.tfrecord import read_records

CONFIG = ConvertConfig(
    split=SplitFractions(train=1.0, validation=0.0, test=0.0), shard_mib=0.02
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "in").mkdir()
    for i in range(9):
        cards = {**CARDS, "OBJECT": f"HD {i}"}
        write_adp(
            tmp_path / "in" / f"ADP.{i}.fits", flux=make_flux(seed=i), cards=cards
        )
    convert([tmp_path / "in"], tmp_path / "records", GRID, CONFIG)
    return read_manifest(tmp_path / "records")


def damage(manifest: Manifest, shard: int, record: int, where: int) -> str:
    """Flip a bit of a record's frame and tell whose spectrum it was."""
    info = manifest.shards[shard]
    path = manifest.folder / info.file
    content = bytearray(path.read_bytes())
    offsets = np.load(manifest.folder / "index" / f"{info.file}.npy")
    content[int(offsets[record]) + where] ^= 4
    path.write_bytes(content)
    return info.dp_ids[record]


def test_a_sound_data_set_stays_as_it_is(manifest: Manifest, tmp_path: Path) -> None:
    assert salvage(manifest, tmp_path / "intact") == (manifest, [])
    assert not (tmp_path / "intact").exists()


@pytest.mark.parametrize("where", [0, 9, 40], ids=["length", "crc", "content"])
def test_all_but_the_corrupt_records_are_kept(
    manifest: Manifest, tmp_path: Path, where: int
) -> None:
    lost = {damage(manifest, 0, 1, where), damage(manifest, 1, 0, where)}
    intact, corrupt = salvage(manifest, tmp_path / "intact")
    assert {record.dp_id for record in corrupt} == lost
    assert str(corrupt[0]).endswith(f"record 1 ({corrupt[0].dp_id}) is corrupt")
    kept = [
        intact.record_schema.decode(record)[1]["dp_id"]
        for path in intact.shard_paths("train")
        for record in read_records(path)
    ]
    assert kept == [d for s in manifest.shards for d in s.dp_ids if d not in lost]
    assert intact.n_spectra("train") == 7
    assert [d for s in intact.shards for d in s.dp_ids] == kept


def test_a_truncated_shard_loses_its_end(manifest: Manifest, tmp_path: Path) -> None:
    info = manifest.shards[1]
    path = manifest.folder / info.file
    path.write_bytes(path.read_bytes()[:-10])
    _, corrupt = salvage(manifest, tmp_path / "intact")
    assert [record.number for record in corrupt] == [info.count - 1]


def test_a_damaged_index_is_named(manifest: Manifest, tmp_path: Path) -> None:
    name = f"{manifest.shards[0].file}.npy"
    (manifest.folder / "index" / name).write_bytes(b"")
    with pytest.raises(SalvageError, match=f"{name}: is missing or damaged"):
        salvage(manifest, tmp_path / "intact")
