from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stellar_tf.cli.main import run_command
from tests.stellar_tf.archive.conftest import N_PUBLIC
from tests.stellar_tf.archive.eso_server import EsoServer
from tfrecords_tools.errors import ask_for_extra

Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("time")


def test_download(server: EsoServer, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    command = ["download", str(out), "--tap", server.tap]
    assert run_command([*command, "--dry-run", "--min-snr", "20"]) == 0
    printed = capsys.readouterr().out
    for row in server.rows[1 : N_PUBLIC + 1]:
        assert row["dp_id"] in printed
    assert server.rows[0]["dp_id"] not in printed  # without S/N
    assert f"{N_PUBLIC - 1} spectra to download, 0.2 MB" in printed
    assert "1 spectra not public yet, 0.0 MB" in printed
    assert not out.exists()

    bad = server.rows[1]["dp_id"]
    server.mishaps.answers[f"file/{bad}"] = [(403, {}, b"")]
    assert run_command(command) == 3
    printed, errors = capsys.readouterr()
    assert f"{server.rows[N_PUBLIC]['dp_id']}: not public before 2999" in printed
    assert f"{N_PUBLIC - 1} spectra in {out}, 1 failed, 1 not public yet" in printed
    assert errors == f"{bad}: access refused (HTTP 403): not public?\n"
    assert run_command(command) == 0

    server.mishaps.contents = dict.fromkeys(server.files, b"<html>")
    other = ["download", str(tmp_path / "other"), "--tap", server.tap]
    assert run_command([*other, "--limit", "1"]) == 1


def test_every_criterion_is_asked_for(server: EsoServer, tmp_path: Path) -> None:
    options = [
        *("--instrument", "HARPS", "--target", "HD 1", "--target", "Barnard's star"),
        *(
            "--ra",
            "10.5",
            "--dec",
            "-20",
            "--radius",
            "36",
            "--program",
            "072.C-0488(E)",
        ),
        *("--min-snr", "50", "--since", "2004-01-01", "--until", "2005-01-01T12:00"),
    ]
    assert run_command(["download", str(tmp_path), "--tap", server.tap, *options]) == 1
    (query,) = server.queries
    for condition in (
        "instrument_name IN ('HARPS')",
        "target_name IN ('HD 1', 'Barnard''s star')",
        "proposal_id IN ('072.C-0488(E)')",
        "INTERSECTS(s_region, CIRCLE('ICRS', 10.5, -20.0, 0.01)) = 1",
        "snr >= 50.0",
        "t_min >= 53005.0",
        "t_min <= 53371.5",
    ):
        assert f" AND {condition}" in query


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ra", "10"], "--ra and --dec go together"),
        (["--radius", "10"], "--radius needs --ra and --dec"),
        (["--ra", "400", "--dec", "0"], "ra must be from 0 to 360 degrees"),
        (["--ra", "1", "--dec", "0", "--radius", "-3"], "got -3"),
        (["--since", "yesterday"], "--since must be a date such as 2010-01-31"),
        (["--min-snr", "nan"], "a number must be finite, got nan"),
        (["--target", "a\nb"], "a name must be of printable characters"),
        (["--workers", "9"], "--workers must be at most 8"),
        (["--tap", "ftp://x"], "tap must begin with https:// or http://"),
        (["--tap", "http://127.0.0.1:9/tap_obs"], "no answer of a TAP service"),
    ],
)
def test_mistakes(
    options: list[str], message: str, tmp_path: Path, capsys: Capture
) -> None:
    assert run_command(["download", str(tmp_path / "out"), *options]) == 2
    *waits, error = capsys.readouterr().err.splitlines()
    assert error.startswith("stellar-tf download: ")
    assert message in error
    assert all(line.startswith("waiting ") for line in waits)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyvo", None)
    assert run_command(["download", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"stellar-tf download: {ask_for_extra('pyvo', 'archive')}\n"
    )
