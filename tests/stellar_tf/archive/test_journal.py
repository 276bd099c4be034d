from __future__ import annotations

import math
from pathlib import Path

import pytest
from astropy import units as u
from astropy.table import Table

from stellar_tf.archive.errors import ArchiveError
from stellar_tf.archive.journal import TABLE_NAME, DownloadJournal, Entry, waiting_entry
from stellar_tf.archive.products import Product


@pytest.fixture
def entry(product: Product) -> Entry:
    return waiting_entry(product)._replace(
        target="'t \"Hooft, ß; 1", snr=math.nan, reason="-- a, b\tc"
    )


def test_the_table_is_what_was_noted(tmp_path: Path, entry: Entry) -> None:
    journal = DownloadJournal(tmp_path)
    other = entry._replace(dp_id="A", snr=1.0, state="done", target="")
    with journal.open():
        journal.note(entry, other)
        journal.note(entry._replace(state="failed"))
    read = DownloadJournal(tmp_path).entries
    assert list(read) == ["A", entry.dp_id]
    assert read["A"] == other
    assert repr(read[entry.dp_id]) == repr(entry._replace(state="failed"))  # NaN
    table = Table.read(tmp_path / TABLE_NAME)
    assert table["ra"].unit == u.deg
    assert table["size"].unit == u.byte
    assert sorted(path.name for path in tmp_path.iterdir()) == [TABLE_NAME]


def test_a_kill_loses_no_note_but_the_one_under_way(
    tmp_path: Path, entry: Entry
) -> None:
    entry = entry._replace(snr=1.0)
    DownloadJournal(tmp_path).note(
        entry, entry._replace(dp_id="B"), entry._replace(dp_id="C")
    )
    (notes,) = tmp_path.iterdir()
    notes.write_bytes(notes.read_bytes()[:-20])
    assert list(DownloadJournal(tmp_path).entries) == [entry.dp_id, "B"]


def test_a_file_is_there_as_long_as_it_is(tmp_path: Path, entry: Entry) -> None:
    journal = DownloadJournal(tmp_path)
    journal.note(entry._replace(file="a.fits", size=3, state="done"))
    assert not journal.has(entry.dp_id)
    (tmp_path / "a.fits").write_bytes(b"abc")
    assert journal.has(entry.dp_id)
    (tmp_path / "a.fits").write_bytes(b"ab")
    assert not journal.has(entry.dp_id)
    assert not journal.has("another")


def test_two_at_once(tmp_path: Path) -> None:
    with (
        DownloadJournal(tmp_path).open(),
        pytest.raises(ArchiveError, match="another process downloads into it"),
        DownloadJournal(tmp_path).open(),
    ):
        pass


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "", "# %ECSV 1.0\n"])
def test_another_table_of_that_name(text: str, tmp_path: Path) -> None:
    (tmp_path / TABLE_NAME).write_text(text)
    with pytest.raises(ArchiveError, match="is no table of downloads"):
        DownloadJournal(tmp_path)


def test_damaged_notes_are_left_out(tmp_path: Path, entry: Entry) -> None:
    DownloadJournal(tmp_path).note(entry._replace(snr=1.0))
    (notes,) = tmp_path.iterdir()
    damaged = (b"\xff\xfe", b"[1]", b"null", b"[" * 100_000, b"{}")
    notes.write_bytes(b"\n".join([*damaged, notes.read_bytes(), *damaged]))
    assert list(DownloadJournal(tmp_path).entries) == [entry.dp_id]
