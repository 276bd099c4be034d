from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tfrecords_tools.fits_files import CARDS, make_flux, write_adp
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.plan import (
    PlannedSpectrum,
    Reject,
    merge_scans,
    path_from_text,
    path_to_text,
    plan_shards,
    scan_file,
    write_plan,
    write_rejects,
)
from tfrecords_tools.split import order_key, split_of

CONFIG = ConvertConfig(split=SplitFractions(train=0.6, validation=0.2, test=0.2))


def planned(number, split="train"):
    dp_id = f"ADP.{number}"
    return PlannedSpectrum(
        Path(dp_id), 2, dp_id, "", f"HD{number}", 1.0, math.nan, 3.0, split, {}, 0, 0
    )


def scan(paths, config):
    return merge_scans((s for path in paths for s in scan_file(path, config)), config)


def test_scan_names_and_splits_the_stars(tmp_path):
    names = ["HD 128621", "hd_128621", "Ganymede", ""]
    paths = [
        write_adp(tmp_path / f"{i}.fits", cards={**CARDS, "OBJECT": name})
        for i, name in enumerate(names)
    ]
    config = CONFIG.model_copy(update={"aliases": {"Ganymede": "HD 1"}})
    scanned = scan(paths, config)
    assert [s.star for s in scanned.spectra] == ["HD128621", "HD128621", "HD1", "? 3"]
    assert [s.target for s in scanned.spectra] == names
    for spectrum in scanned.spectra:
        assert (spectrum.ra, spectrum.dec, spectrum.mjd) == (10.5, -20.25, 53921.5)
        assert spectrum.split == split_of(spectrum.star, config.split, "stellar-tf")


def test_scan_takes_a_product_once_and_refuses_what_is_no_fits(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_adp(tmp_path / folder / "x.fits")
    bad = tmp_path / "bad.fits"
    bad.write_text("no")
    paths = [tmp_path / "a" / "x.fits", bad, tmp_path / "b" / "x.fits"]
    scanned = scan(paths, CONFIG)
    assert [s.path for s in scanned.spectra] == paths[:1]
    assert scanned.rejects == [
        Reject(bad, "not a FITS file"),
        Reject(paths[2], f"duplicate of {paths[0]}", 0),
    ]


@pytest.mark.parametrize("n_per_shard", [1, 3, 7, 100])
def test_shards_hold_every_spectrum_once_in_hashed_order(n_per_shard):
    spectra = [planned(i, ("train", "validation")[i % 5 == 0]) for i in range(23)]
    plans = plan_shards(spectra, n_per_shard)
    for split in ("train", "validation"):
        members = [s for s in spectra if s.split == split]
        shards = [plan for plan in plans if plan.split == split]
        listed = [s for plan in shards for s in plan.spectra]
        assert listed == sorted(members, key=lambda s: order_key(s.dp_id))
        assert [plan.number for plan in shards] == list(range(len(shards)))
        assert {plan.n_shards for plan in shards} == {len(shards)}
        sizes = [len(plan.spectra) for plan in shards]
        assert max(sizes) <= n_per_shard
        assert max(sizes) - min(sizes) <= 1
    assert not [plan for plan in plans if plan.split == "test"]
    assert plan_shards(spectra[::-1], n_per_shard) == plans


def test_shards_are_named_as_tfds_does():
    plans = plan_shards([planned(i) for i in range(3)], 2)
    assert [plan.file for plan in plans] == [
        "spec-train.tfrecord-00000-of-00002",
        "spec-train.tfrecord-00001-of-00002",
    ]


def test_plan_and_rejects_are_tables(tmp_path):
    plans = plan_shards([planned(7)], 2)
    write_plan(plans, tmp_path)
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


def test_the_copy_that_can_be_read_is_taken(tmp_path):
    paths = [tmp_path / name / "ADP.1.fits" for name in "abcd"]
    for path in paths:
        path.parent.mkdir()
    whole = write_adp(paths[1]).read_bytes()
    paths[0].write_bytes(whole[:-4000])  # a download that broke off
    paths[2].write_bytes(whole)
    write_adp(paths[3], flux=make_flux(seed=5))
    scanned = scan(paths, CONFIG)
    assert [spectrum.path for spectrum in scanned.spectra] == [paths[1]]
    same = f"duplicate of {paths[1]}"
    assert sorted(scanned.rejects) == [
        Reject(paths[0], f"{same}, with other content", 0),
        Reject(paths[2], same, 0),
        Reject(paths[3], f"{same}, with other content", 0),
    ]


def test_visits_of_a_star_may_go_to_all_splits(tmp_path):
    config = CONFIG.model_copy(update={"split_by": "visit"})
    paths = [write_adp(tmp_path / f"ADP.{i}.fits") for i in range(30)]
    scanned = scan(paths, config)
    assert {s.star for s in scanned.spectra} == {"HD1234"}
    for spectrum in scanned.spectra:
        assert spectrum.split == split_of(spectrum.dp_id, config.split, "stellar-tf")
    assert len({s.split for s in scanned.spectra}) == 3
    by_star = scan(paths, CONFIG)
    assert len({s.split for s in by_star.spectra}) == 1
