"""What a conversion is not asked to write or remove, and what it must not lose."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tfrecords_tools.fits_files import (
    CARDS,
    GRID,
    make_flux,
    write_adp,
    write_survey,
)
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion import convert as conversion
from tfrecords_tools.conversion import journal as journal_module
from tfrecords_tools.conversion.convert import ConvertError, OutputExistsError, convert
from tfrecords_tools.conversion.inputs import InputError
from tfrecords_tools.conversion.journal import JournalError
from tfrecords_tools.conversion.verify import verify
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.tfrecord import read_records

CONFIG = ConvertConfig(
    split=SplitFractions(train=0.5, validation=0.3, test=0.2), shard_mib=0.01
)
OTHER = CONFIG.model_copy(update={"split_salt": "other"})


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return write_survey(tmp_path / "in", 10)


def run(
    inputs: Path, out: Path, config: ConvertConfig = CONFIG, overwrite: bool = False
) -> None:
    convert([inputs], out, GRID, config, overwrite=overwrite, progress=False)


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def interrupt(
    inputs: Path,
    out: Path,
    patch: pytest.MonkeyPatch,
    config: ConvertConfig = CONFIG,
    overwrite: bool = False,
) -> None:
    """Convert until all but the manifest is written."""
    with patch.context() as one:
        one.setattr(conversion, "_complete", stop)
        with pytest.raises(KeyboardInterrupt):
            run(inputs, out, config, overwrite)


def snapshot(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def staging_of(out: Path) -> Path:
    return out.with_name(f".{out.name}.partial")


def take_by_folder(inputs: Path, out: Path) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("all of it")


def take_by_file(inputs: Path, out: Path) -> None:
    out.write_text("all of it")


def take_by_data_set(inputs: Path, out: Path) -> None:
    run(inputs, out.with_name("elsewhere"), OTHER)
    out.with_name("elsewhere").rename(out)


TAKERS = [take_by_folder, take_by_file, take_by_data_set]


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("late", [False, True], ids=["before the start", "at the end"])
def test_what_took_the_name_meanwhile_is_kept(
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    take: Callable[[Path, Path], None],
    overwrite: bool,
    late: bool,
) -> None:
    out, expected = tmp_path / "records", tmp_path / "expected"
    run(inputs, expected)
    interrupt(inputs, out, monkeypatch, overwrite=overwrite)
    if late:
        complete = conversion._complete

        def complete_late(*arguments: object) -> None:
            monkeypatch.undo()
            complete(*arguments)
            take(inputs, out)

        monkeypatch.setattr(conversion, "_complete", complete_late)
    else:
        take(inputs, out)
    if overwrite and take is take_by_data_set:
        run(inputs, out, overwrite=overwrite)
        assert snapshot(out) == snapshot(expected)
        return
    reason = "is no data set" if overwrite else "exists; pass overwrite"
    with pytest.raises(OutputExistsError, match=reason):
        run(inputs, out, overwrite=overwrite)
    aside = out.rename(tmp_path / "aside")
    if take is take_by_data_set:
        assert read_manifest(aside).config == OTHER
    elif take is take_by_file:
        assert aside.read_text() == "all of it"
    else:
        assert (aside / "thesis.tex").read_text() == "all of it"
    run(inputs, out, overwrite=overwrite)
    assert snapshot(out) == snapshot(expected)


def test_folders_of_such_names_that_others_made_are_kept(
    inputs: Path, tmp_path: Path
) -> None:
    old = tmp_path / ".records.old"
    run(inputs, old)
    kept = snapshot(old)
    run(inputs, tmp_path / "records")
    run(inputs, tmp_path / "records", overwrite=True)
    assert snapshot(old) == kept
    staging = tmp_path / ".other.partial"
    staging.mkdir()
    with pytest.raises(JournalError, match=r"other.partial: is there, but no conv"):
        run(inputs, tmp_path / "other")
    assert staging.exists()


def remove_half(folder: Path, **_: object) -> None:
    paths = sorted(folder.glob("spec-*"))
    for path in paths[:3]:
        path.unlink()
    if paths:
        raise KeyboardInterrupt


def test_what_is_being_discarded_is_not_gone_on_with(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, expected = tmp_path / "records", tmp_path / "expected"
    run(inputs, expected)
    interrupt(inputs, out, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.shutil, "rmtree", remove_half)
        with pytest.raises(KeyboardInterrupt):
            run(inputs, out, OTHER, overwrite=True)
    run(inputs, out)
    assert snapshot(out) == snapshot(expected)


def lose_shard(staging: Path) -> None:
    min(staging.glob("spec-*")).unlink()


def lose_end_of_shard(staging: Path) -> None:
    path = min(staging.glob("spec-*"))
    path.write_bytes(path.read_bytes()[:-1])


def lose_index(staging: Path) -> None:
    min(staging.glob("index/spec-*")).unlink()


@pytest.mark.parametrize(
    "lose", [lose_shard, lose_end_of_shard, lose_index, shutil.rmtree]
)
def test_what_vanished_from_the_staging_folder_is_written_again(
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lose: Callable[[Path], None],
) -> None:
    out, expected = tmp_path / "records", tmp_path / "expected"
    run(inputs, expected)
    interrupt(inputs, out, monkeypatch)
    lose(staging_of(out))
    run(inputs, out)
    assert snapshot(out) == snapshot(expected)


def test_a_shard_that_vanishes_on_the_way_is_told(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "records"
    write = conversion.write_shard

    def write_and_lose(plan, folder, settings):
        written = write(plan, folder, settings)
        (folder / plan.file).unlink()
        return written

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "write_shard", write_and_lose)
        with pytest.raises(ConvertError, match=r"spec-.*: has vanished since it was"):
            run(inputs, out)
    run(inputs, out)
    assert verify(out, progress=False).problems == []


def test_a_data_set_that_lost_a_shard_is_not_taken_for_published(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "records"
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.ConversionJournal, "publish", _publish_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(inputs, out)
    min(out.glob("spec-*")).unlink()
    with pytest.raises(OutputExistsError, match="records: exists"):
        run(inputs, out)


_PUBLISH = journal_module.ConversionJournal.publish


def _publish_and_stop(journal: journal_module.ConversionJournal, check) -> None:
    _PUBLISH(journal, check)
    raise KeyboardInterrupt


@pytest.mark.parametrize("is_there", [True, False], ids=["there", "dangling"])
def test_a_link_stays_and_the_data_set_is_where_it_points(
    inputs: Path, tmp_path: Path, is_there: bool
) -> None:
    target, out = tmp_path / "disk" / "records", tmp_path / "records"
    target.parent.mkdir()
    if is_there:
        run(inputs, target, OTHER)
    out.symlink_to("disk/records")
    if is_there:
        with pytest.raises(OutputExistsError):
            run(inputs, out)
    run(inputs, out, overwrite=is_there)
    assert out.is_symlink()
    assert read_manifest(target).config == CONFIG
    assert not target.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"in", "disk", "records"}
    assert [path.name for path in target.parent.iterdir()] == ["records"]


def test_all_is_on_the_disk_before_it_has_its_name(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "records"
    run(inputs, out, OTHER)
    events: list[tuple[str, ...]] = []
    replace = Path.replace

    def fsync(descriptor: int) -> None:
        events.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))

    def rename(path: Path, place: Path) -> Path:
        events.append(("rename", str(path), str(place)))
        return replace(path, place)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    run(inputs, out, overwrite=True)
    staging, parent = staging_of(out), ("fsync", str(tmp_path))
    published = events.index(("rename", str(staging), str(out)))
    old = next(i for i, e in enumerate(events) if e[:2] == ("rename", str(out)))
    ended = next(i for i, e in enumerate(events) if e[-1].endswith(".finished"))
    written = {staging / path.relative_to(out) for path in (out, *out.rglob("*"))}
    flushed = {Path(event[1]) for event in events[:old] if event[0] == "fsync"}
    assert written <= flushed
    assert parent in events[old:published]
    assert parent in events[published:ended]
    assert parent in events[ended:]


def replace_input(path: Path, number: int) -> None:
    path.unlink()
    cards = {**CARDS, "OBJECT": "HD 777"}
    write_adp(path, flux=make_flux(seed=number), cards=cards)


def stars_of(out: Path) -> dict[str, str]:
    manifest = read_manifest(out)
    return {
        str(values["dp_id"]): str(values["star"])
        for shard in manifest.shards
        for record in read_records(out / shard.file)
        for _, values in [manifest.record_schema.decode(record)]
    }


def test_an_input_replaced_after_its_scan_is_told_and_read_again(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, path = tmp_path / "records", inputs / "ADP.4.fits"
    scan = conversion._scan

    def scan_and_replace(*arguments):
        yield from scan(*arguments)
        replace_input(path, 77)

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_scan", scan_and_replace)
        with pytest.raises(InputError, match=r"ADP\.4\.fits: has changed since its he"):
            run(inputs, out)
    run(inputs, out)
    assert stars_of(out)["ADP.4"] == "HD777"
    assert verify(out, deep=True, progress=False).problems == []


def test_an_input_replaced_after_an_interruption_is_read_again_and_no_other(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, expected = tmp_path / "records", tmp_path / "expected"
    interrupt(inputs, out, monkeypatch)
    staging = staging_of(out)
    before = {path.name: path.stat().st_ino for path in staging.glob("spec-*")}
    replace_input(inputs / "ADP.4.fits", 77)
    run(inputs, out)
    run(inputs, expected)
    assert snapshot(out) == snapshot(expected)
    after = {path.name: path.stat().st_ino for path in out.glob("spec-*")}
    assert sum(after.get(name) == inode for name, inode in before.items()) >= 2


def test_an_input_changed_when_all_is_in_place_is_not_taken_for_converted(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "records"
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.ConversionJournal, "publish", _publish_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(inputs, out)
    before = snapshot(out)
    replace_input(inputs / "ADP.4.fits", 77)
    with pytest.raises(OutputExistsError, match="records: exists"):
        run(inputs, out)
    assert snapshot(out) == before
    run(inputs, out, overwrite=True)
    assert stars_of(out)["ADP.4"] == "HD777"


def test_a_conversion_told_to_overwrite_goes_on_with_what_is_done(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "records"
    interrupt(inputs, out, monkeypatch)
    take_by_data_set(inputs, out)
    with pytest.raises(OutputExistsError, match="exists; pass overwrite"):
        run(inputs, out)
    monkeypatch.setattr(conversion, "write_shard", stop)  # none is written again
    run(inputs, out, overwrite=True)
    assert read_manifest(out).config == CONFIG
