from __future__ import annotations

import pytest
from rich.console import Console

from tfrecords_tools import progress
from tfrecords_tools.progress import open_console, show_progress


def test_silent_where_stderr_is_no_terminal(capsys):
    with show_progress("Reading", 3, progress=True) as advance:
        advance(1, 0)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


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
