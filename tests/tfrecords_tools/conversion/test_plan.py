from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.plan import (
    path_from_text,
    path_to_text,
    plan_shards,
    write_plan,
    write_rejects,
)
from tfrecords_tools.conversion.scan import (
    PlannedSpectrum,
    Reject,
    StoredSpectra,
    read_scan,
    write_scan,
)
from tfrecords_tools.split import order_key


def planned(number, split="train"):
    dp_id = f"ADP.{number}"
    return PlannedSpectrum(
        Path(dp_id), 2, dp_id, "", f"HD{number}", 1.0, math.nan, 3.0, split, {}, 0, 0
    )


def stored(spectra, folder: Path) -> StoredSpectra:
    config = ConvertConfig(store_errors="no")  # there are no files to look into
    write_scan(spectra, folder / "scan", config)
    return read_scan(folder / "scan").spectra


@pytest.mark.parametrize("n_per_shard", [1, 3, 7, 100])
def test_shards_hold_every_spectrum_once_in_hashed_order(tmp_path, n_per_shard):
    spectra = [planned(i, ("train", "validation")[i % 5 == 0]) for i in range(23)]
    plans = plan_shards(stored(spectra, tmp_path), n_per_shard)
    for split in ("train", "validation"):
        members = [s for s in spectra if s.split == split]
        shards = [plan for plan in plans if plan.split == split]
        listed = [repr(s) for plan in shards for s in plan.spectra]
        members.sort(key=lambda s: order_key(s.dp_id))
        assert listed == list(map(repr, members))  # NaN is not equal to itself
        assert [plan.number for plan in shards] == list(range(len(shards)))
        assert {plan.n_shards for plan in shards} == {len(shards)}
        sizes = [len(plan.spectra) for plan in shards]
        assert max(sizes) <= n_per_shard
        assert max(sizes) - min(sizes) <= 1
    assert not [plan for plan in plans if plan.split == "test"]
    digests = [plan.digest for plan in plans]
    assert len(set(digests)) == len(digests)
    again = plan_shards(stored(spectra[::-1], tmp_path), n_per_shard)
    assert [plan.digest for plan in again] == digests
    changed = [s._replace(mtime_ns=1) if s.number == 2 else s for s in spectra]
    after = plan_shards(stored(changed, tmp_path), n_per_shard)
    assert not {plan.digest for plan in after} & set(digests)


def test_shards_are_named_as_tfds_does(tmp_path):
    plans = plan_shards(stored([planned(i) for i in range(3)], tmp_path), 2)
    assert [plan.file for plan in plans] == [
        "spec-train.tfrecord-00000-of-00002",
        "spec-train.tfrecord-00001-of-00002",
    ]


def test_plan_and_rejects_are_tables(tmp_path):
    plans = plan_shards(stored([planned(7)], tmp_path), 2)
    write_plan(plans, None, tmp_path)
    with (tmp_path / "plan.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row == {
        "split": "train",
        "shard": "0",
        "dp_id": "ADP.7",
        "target": "",
        "star": "HD7",
        "ra": "1.0",
        "dec": "nan",
        "mjd": "3.0",
        "path": "ADP.7",
        "spectrum": "2",
    }
    odd = Path('b,\n"é') / b"\xff".decode(errors="surrogateescape")
    rejects = [Reject(odd, "second, really", 1), Reject(Path("a"), "1st")]
    write_rejects(rejects, tmp_path)
    with (tmp_path / "rejects.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["path", "reason", "spectrum"],
        ["a", "1st", ""],
        [path_to_text(odd), "second, really", "1"],
    ]
    assert path_from_text(rows[2][0]) == odd.absolute()


@given(st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b))
def test_any_path_is_found_again_by_its_text(name):
    path = Path("/folder") / os.fsdecode(name)
    text = path_to_text(path)
    assert path_from_text(text) == path
    text.encode()
