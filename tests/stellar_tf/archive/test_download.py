from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from astropy.table import Table

from stellar_tf.archive.download import Access, download, plan_download
from stellar_tf.archive.errors import ArchiveError
from stellar_tf.archive.journal import TABLE_NAME, Entry
from stellar_tf.archive.query import Criteria
from stellar_tf.config import Config
from tests.stellar_tf.archive.conftest import N_PUBLIC
from tests.stellar_tf.archive.eso_server import EsoServer
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.records.manifest import hash_file

ALL = Criteria()


def states(entries: list[Entry]) -> Counter[str]:
    return Counter(entry.state for entry in entries)


def count_files(server: EsoServer) -> int:
    return sum(what.startswith("file/") for what, _ in server.requests)


def test_all_public_spectra_come(
    server: EsoServer, access: Access, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "fits"
    entries = download(out, ALL, access)
    assert states(entries) == {"done": N_PUBLIC, "private": 1}
    for entry in entries:
        if entry.state == "done":
            source = server.files[entry.dp_id]
            assert (out / entry.file).read_bytes() == source.read_bytes()
            assert entry.sha256 == hash_file(source)
            assert entry.size == source.stat().st_size
    private = server.rows[N_PUBLIC]["dp_id"]
    assert not any(private in what for what, _ in server.requests)
    table = Table.read(out / TABLE_NAME)
    assert list(table["dp_id"]) == sorted(entry.dp_id for entry in entries)
    assert server.most_open <= access.n_workers
    agents = {headers["User-Agent"].split("/")[0] for _, headers in server.requests}
    assert agents == {"stellar-tf"}


def test_a_second_run_asks_for_no_file(
    server: EsoServer, access: Access, tmp_path: Path
) -> None:
    first = download(tmp_path, ALL, access)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.fits")}
    server.requests.clear()
    assert repr(download(tmp_path, ALL, access)) == repr(first)
    assert {what for what, _ in server.requests} == {"sync"}
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.fits")} == before


def test_what_was_deleted_comes_again(
    server: EsoServer, access: Access, tmp_path: Path
) -> None:
    download(tmp_path, ALL, access)
    deleted = next(tmp_path.glob("*.fits"))
    deleted.unlink()
    server.requests.clear()
    assert states(download(tmp_path, ALL, access))["done"] == N_PUBLIC
    assert count_files(server) == 1
    assert deleted.exists()


def test_queries_add_up_in_a_folder(access: Access, tmp_path: Path) -> None:
    for program in ("072.C-0480(E)", "072.C-0481(E)"):
        download(tmp_path, Criteria(program=program), access)
    assert len(Table.read(tmp_path / TABLE_NAME)) == N_PUBLIC + 1
    assert len(list(tmp_path.glob("*.fits"))) == N_PUBLIC


def test_one_bad_file_stops_no_other(
    server: EsoServer, access: Access, tmp_path: Path
) -> None:
    bad = server.rows[2]["dp_id"]
    server.mishaps.contents[bad] = b"<html>"
    entries = {e.dp_id: e for e in download(tmp_path, ALL, access)}
    assert states(list(entries.values()))["done"] == N_PUBLIC - 1
    assert entries[bad].state == "failed"
    assert "web page" in entries[bad].reason
    server.mishaps.contents.clear()
    server.requests.clear()
    entries = {e.dp_id: e for e in download(tmp_path, ALL, access)}
    assert entries[bad].state == "done"
    assert entries[bad].reason == ""
    assert count_files(server) == 1


def test_an_archive_that_ceases_to_answer_is_left_alone(
    server: EsoServer, access: Access, tmp_path: Path
) -> None:
    for row in server.rows:
        server.mishaps.answers[f"links/{row['dp_id']}"] = [(503, {}, b"")] * 99
    with pytest.raises(ArchiveError, match=r"ceased to answer \(HTTP 503.*goes on"):
        download(tmp_path, ALL, access)
    assert len(server.requests) < (1 + access.n_retries) * N_PUBLIC
    table = Table.read(tmp_path / TABLE_NAME)
    assert {"failed", "waiting"} <= set(table["state"])
    server.mishaps.answers.clear()
    assert states(download(tmp_path, ALL, access))["done"] == N_PUBLIC


def test_an_interrupt_leaves_what_the_next_run_needs(
    server: EsoServer,
    access: Access,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from stellar_tf.archive.journal import DownloadJournal

    note, n_notes = DownloadJournal.note, 0

    def interrupted_note(journal: DownloadJournal, *entries: Entry) -> None:
        nonlocal n_notes
        n_notes += 1
        if n_notes == 4:
            raise KeyboardInterrupt
        note(journal, *entries)

    with monkeypatch.context() as patch:
        patch.setattr(DownloadJournal, "note", interrupted_note)
        with pytest.raises(KeyboardInterrupt):
            download(tmp_path, ALL, access)
    done = sum(Table.read(tmp_path / TABLE_NAME)["state"] == "done")
    assert done == 2
    server.requests.clear()
    there = len(list(tmp_path.glob("*.fits")))
    assert states(download(tmp_path, ALL, access))["done"] == N_PUBLIC
    # Those that were complete but not noted are recognised.
    assert count_files(server) == N_PUBLIC - there


def test_files_that_were_there_before(
    server: EsoServer, access: Access, tmp_path: Path
) -> None:
    same, other = (server.rows[i]["dp_id"] for i in (1, 2))
    (tmp_path / f"{same}.fits").write_bytes(server.files[same].read_bytes())
    (tmp_path / f"{other}.fits").write_bytes(b"my own")
    entries = {e.dp_id: e for e in download(tmp_path, ALL, access)}
    assert entries[same].state == "done"
    assert entries[same].sha256 == hash_file(server.files[same])
    assert server.asked(f"file/{same}") == []
    assert entries[other].state == "failed"
    assert "is there and not what the archive has" in entries[other].reason
    assert (tmp_path / f"{other}.fits").read_bytes() == b"my own"
    entries = {e.dp_id: e for e in download(tmp_path, ALL, access, overwrite=True)}
    assert entries[other].state == "done"
    assert hash_file(tmp_path / f"{other}.fits") == hash_file(server.files[other])


def test_no_name_leads_out_of_the_folder(
    server: EsoServer, access: Access, tmp_path: Path
) -> None:
    for i, name in enumerate(["../../evil", "/etc/evil", ".hidden", "a b"]):
        server.rows[i]["dp_id"] = name
    out = tmp_path / "a" / "b" / "out"
    entries = download(out, ALL, access)
    assert states(entries)["failed"] == 4
    assert not list(tmp_path.rglob("*evil*"))
    assert {e.reason for e in entries if e.state == "failed"} == {
        "its identifier cannot be a file's name"
    }


def test_a_plan_writes_nothing(
    server: EsoServer, access: Access, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert states(plan_download(out, ALL, access)) == {
        "waiting": N_PUBLIC,
        "private": 1,
    }
    assert not out.exists()
    download(out, ALL, access, limit=3)
    assert states(plan_download(out, ALL, access)) == {
        "waiting": N_PUBLIC - 3,
        "private": 1,
        "done": 3,
    }


class _Usage(NamedTuple):
    free: int


def test_the_disk_is_too_small(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "stellar_tf.archive.download.shutil.disk_usage", lambda _: _Usage(1000)
    )
    with pytest.raises(ArchiveError, match=r"0\.0 GB are free; set a limit"):
        download(tmp_path / "out", ALL, access)
    assert not (tmp_path / "out").exists()


def test_the_disk_is_full(
    server: EsoServer, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArchiveError, match="No space left on device"):
        download(tmp_path, ALL, access)
    assert list(tmp_path.glob("*.fits")) == []


def test_no_folder(access: Access, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(ArchiveError, match="is no folder"):
        download(tmp_path / "out", ALL, access)


def test_nothing_fits(access: Access, tmp_path: Path) -> None:
    assert download(tmp_path / "out", Criteria(targets=("HD 1",)), access) == []
    assert not (tmp_path / "out").exists()


def test_convert_takes_the_folder(
    access: Access, tmp_path: Path, config: Config, truth: Table
) -> None:
    download(tmp_path / "fits", ALL, access)
    summary = convert(
        [tmp_path / "fits"], tmp_path / "records", config.grid, config.convert
    )
    assert (summary.n_taken, summary.n_rejected) == (N_PUBLIC, 0)
    manifest = json.loads((tmp_path / "records" / "manifest.json").read_text())
    converted = [dp_id for shard in manifest["shards"] for dp_id in shard["dp_ids"]]
    assert sorted(converted) == sorted(truth["dp_id"][:N_PUBLIC])
