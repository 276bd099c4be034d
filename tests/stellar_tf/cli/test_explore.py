from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from stellar_tf.cli.main import run_command
from stellar_tf.run import Run
from tfrecords_tools.errors import ask_for_extra


def test_a_missing_extra_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "panel" else find(name),
    )
    assert run_command(["explore", str(run.folder)]) == 2
    error = capsys.readouterr().err
    assert error == f"stellar-tf explore: {ask_for_extra('Panel', 'explore')}\n"


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_ports(port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_command(["explore", str(tmp_path), f"--port={port}"])
    assert f"must be 0 to 65535, got {port}" in capsys.readouterr().err
