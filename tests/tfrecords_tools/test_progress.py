from __future__ import annotations

import pytest
from rich.console import Console

from tfrecords_tools import progress
from tfrecords_tools.progress import open_console, show_progress


@pytest.mark.parametrize("has_progress", [True, False])
def test_a_line_a_minute_where_stderr_is_no_terminal(monkeypatch, capsys, has_progress):
    """One file in 20 s after the first, which takes longer."""
    times = iter([0.0, 30.0, 50.0, 70.0, 90.0, 110.0, 130.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(times))
    with show_progress("Reading", 300, progress=has_progress) as advance:
        for n_rejected in (0, 0, 0, 1, 0, 0):
            advance(1, n_rejected)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [
        "Reading: 3 of 300, 0.05/s, 1:39:00 left",
        "Reading: 6 of 300, 0.05/s, 1:38:00 left, 1 rejected",
    ]
    assert captured.err.splitlines() == (lines if has_progress else [])


def test_nothing_is_said_of_a_rate_that_is_not_known(monkeypatch, capsys):
    times = iter([0.0, 70.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(times))
    progress.ProgressLines("fit", 600).update(66, "error 0.1")
    assert capsys.readouterr().err == "fit: 66 of 600, error 0.1\n"


def test_bar_counts_files_and_rejects(monkeypatch, capsys):
    def terminal():
        return Console(stderr=True, force_terminal=True, width=120)

    monkeypatch.setattr(progress, "open_console", terminal)
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


@pytest.mark.parametrize("has_widgets", [True, False])
def test_a_notebook_has_a_bar_only_with_ipywidgets(monkeypatch, has_widgets):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr(progress, "find_spec", lambda name: has_widgets or None)
    assert open_console().is_jupyter == has_widgets
