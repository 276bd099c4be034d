from __future__ import annotations

from rich.console import Console

from tfrecords_tools import progress
from tfrecords_tools.progress import show_progress


def test_silent_where_stderr_is_no_terminal(capsys):
    with show_progress("Reading", 3, progress=True) as advance:
        advance(1, 0)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_bar_counts_files_and_rejects(monkeypatch, capsys):
    def terminal(stderr):
        return Console(stderr=stderr, force_terminal=True, width=120)

    monkeypatch.setattr(progress, "Console", terminal)
    with show_progress("Reading", 3, progress=True) as advance:
        advance(1, 0)
        advance(2, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Reading" in captured.err
    assert "3/3" in captured.err
    assert "2 rejected" in captured.err
    with show_progress("Reading", 3, progress=False) as advance:
        advance(1, 1)
    assert capsys.readouterr().err == ""
