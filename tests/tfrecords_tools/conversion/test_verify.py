"""What `verify` finds, and that nothing escapes it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tfrecords_tools.fits_files import CARDS, GRID, make_flux, write_adp
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.conversion.verify import verify
from tfrecords_tools.records.manifest import ManifestError, read_manifest
from tfrecords_tools.records.tfrecord import RecordWriter

CONFIG = ConvertConfig(
    split=SplitFractions(train=0.5, validation=0.3, test=0.2), shard_mib=0.01
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    for i in range(12):
        cards = {**CARDS, "OBJECT": f"HD {i // 2}", "RA": 10.0 * (i // 2)}
        flux = make_flux(seed=i)
        error = None if i % 3 else np.sqrt(np.abs(flux))
        write_adp(folder / f"ADP.{i}.fits", flux=flux, error=error, cards=cards)
    (folder / "bad.fits").write_text("no FITS")
    return folder


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "records"
    convert([inputs], out, GRID, CONFIG)
    return out


def test_float16_is_compared_as_it_is_stored(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"flux_dtype": "float16"})
    source = write_adp(tmp_path / "a.fits")
    convert([source], tmp_path / "records", GRID, config)
    assert problems(tmp_path / "records", deep=True) == {}
    source.unlink()
    write_adp(source, flux=1.002 * make_flux())  # which float16 tells apart
    (what,) = problems(tmp_path / "records", deep=True).values()
    assert "flux differs from its source" in what


@pytest.fixture
def records(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "records"))


def problems(records: Path, **options: bool) -> dict[str, str]:
    return {p.file: p.what for p in verify(records, **options).problems}


def named_as_damaged(records: Path) -> set[str]:
    try:
        return set(problems(records))
    except ManifestError as error:  # begins with the path of the manifest
        return {Path(str(error).partition(":")[0]).name}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_whole_data_set_has_no_problems(whole: Path, n_workers: int) -> None:
    found = verify(whole, deep=True, n_workers=n_workers)
    assert found.problems == []
    assert found.n_spectra == 12
    assert found.neighbours == []


def test_a_flipped_bit_anywhere_is_found_and_named(records: Path) -> None:
    rng = np.random.default_rng(5)
    files = sorted(path for path in records.rglob("*") if path.is_file())
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        ends = (0, len(content) - 1)
        for position in (*ends, *rng.integers(0, len(content), 6)):
            damaged = bytearray(content)
            damaged[position] ^= 1 << rng.integers(8)
            path.write_bytes(damaged)
            name = path.relative_to(records).as_posix()
            # Of the manifest and its checksum nothing says which one is right.
            names = {name, "manifest.json"} if name == "manifest.sha256" else {name}
            assert names & named_as_damaged(records), (name, position)
        path.write_bytes(content)
    assert problems(records) == {}


def test_a_damaged_record_is_named(records: Path) -> None:
    shard = read_manifest(records).shards[0]
    path = records / shard.file
    content = bytearray(path.read_bytes())
    content[np.load(records / "index" / f"{shard.file}.npy")[1] + 40] ^= 1
    path.write_bytes(content)
    reason = "record 1 is corrupt: its content does not fit its CRC"
    assert problems(records) == {shard.file: reason}


def test_missing_and_foreign_files(records: Path) -> None:
    shard = read_manifest(records).shards[0].file
    (records / shard).unlink()
    (records / "plan.csv").unlink()
    (records / "new.txt").write_text("")
    assert problems(records) == {
        shard: "is missing",
        "plan.csv": "is missing",
        "new.txt": "is not of this data set",
    }


def rewrite(records: Path, **changes: object) -> None:
    """Change the manifest in a consistent way."""
    replace(read_manifest(records), **changes).write()


def test_a_star_in_two_splits_and_a_product_twice(records: Path) -> None:
    manifest = read_manifest(records)
    first, *others = manifest.shards
    assert first.split == "train"
    rewrite(records, shards=(first.model_copy(update={"split": "test"}), *others))
    found = verify(records).problems
    assert any("is in several splits: train, test" in p.what for p in found)
    assert any("the counts of train do not add up" in p.what for p in found)

    twice = (first.dp_ids[0],) * first.count
    rewrite(records, shards=(first.model_copy(update={"dp_ids": twice}), *others))
    found = verify(records).problems
    assert any(f"dp_id {twice[0]} has" in p.what for p in found)
    assert any(p.what.endswith("is not the manifest's") for p in found)


def test_records_that_are_no_spectra(records: Path) -> None:
    shard = read_manifest(records).shards[0]
    with RecordWriter(records / shard.file) as writer:
        writer.write(b"\xff\xff")
    assert "record 0: record is not a tf.train" in problems(records)[shard.file]
    with RecordWriter(records / shard.file):
        pass
    assert "has 0 records, the manifest" in problems(records)[shard.file]


def test_deep_compares_with_the_sources(
    inputs: Path, tmp_path: Path, records: Path
) -> None:
    copy = Path(shutil.copytree(inputs, tmp_path / "copy"))
    out = tmp_path / "again"
    convert([copy], out, GRID, CONFIG)
    assert problems(out, deep=True) == {}
    (copy / "ADP.3.fits").unlink()
    write_adp(copy / "ADP.3.fits", flux=make_flux(seed=99))
    (copy / "ADP.4.fits").unlink()
    assert problems(out) == {}
    found = {p.what.partition(": ")[2] for p in verify(out, deep=True).problems}
    assert found == {
        f"flux differs from its source {copy / 'ADP.3.fits'}",
        f"source {copy / 'ADP.4.fits'}: cannot be read: No such file or directory",
    }
    plan = out / "plan.csv"
    lines = plan.read_text().splitlines()
    plan.write_text("\n".join(line for line in lines if "ADP.5," not in line) + "\n")
    what = {p.what.partition(": ")[2] for p in verify(out, deep=True).problems}
    assert "no source in plan.csv" in what


@pytest.mark.parametrize(
    ("keyword", "value", "name"),
    [("OBJECT", "HD 77", "target"), ("EXPTIME", 301.0, "exptime"),
     ("INSTRUME", "HARPN", "instrument"), ("HIERARCH ESO DRS BERV", -8.6, "berv")],
)  # fmt: skip
def test_deep_compares_what_headers_say(
    tmp_path: Path, keyword: str, value: object, name: str
) -> None:
    source = write_adp(tmp_path / "a.fits")
    convert([source], tmp_path / "records", GRID, CONFIG)
    source.unlink()
    write_adp(source, cards={**CARDS, keyword: value})
    (what,) = problems(tmp_path / "records", deep=True).values()
    assert what == f"record 0: {name} differs from that of its source {source}"


def test_names_at_one_position_are_noted(tmp_path: Path) -> None:
    positions = {
        "HD 1": (10.0, -20.0),
        "Alf X": (10.002, -20.002),
        "HD 2": (11.0, -20.0),
    }
    (tmp_path / "in").mkdir()
    for i, (name, (ra, dec)) in enumerate(positions.items()):
        cards = {**CARDS, "OBJECT": name, "RA": ra, "DEC": dec}
        write_adp(tmp_path / "in" / f"{i}.fits", cards=cards)
    convert([tmp_path / "in"], tmp_path / "records", GRID, CONFIG)
    ((first, second, distance),) = verify(tmp_path / "records").neighbours
    assert {first, second} == {"HD1", "ALFX"}
    expected = 3600.0 * np.hypot(0.002 * np.cos(np.radians(20.0)), 0.002)
    assert distance == pytest.approx(expected, rel=1e-3)
