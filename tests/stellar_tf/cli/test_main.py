from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stellar_tf import __version__
from stellar_tf.api import training
from stellar_tf.cli.command import Command
from stellar_tf.cli.main import (
    COMMANDS,
    build_parser,
    find_lack,
    parse_arguments,
    run_command,
)
from stellar_tf.run import Run
from tfrecords_tools.interruption import Terminated


@pytest.mark.parametrize("argv", [[], *([command.name] for command in COMMANDS)])
def test_help_needs_no_tensorflow(argv: list[str]) -> None:
    script = (
        "import sys; sys.argv = ['stellar-tf', *sys.argv[1:], '--help']\n"
        "from stellar_tf.cli.main import run\n"
        "try: run()\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    command = [sys.executable, "-c", script, *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: stellar-tf")
    assert done.stderr == ""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_examples_of_the_help_can_be_typed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("run", "run1", "run2", "run3", "records", "fits", "harps", "uves"):
        Path(name).mkdir()
    Path("models/harps").mkdir(parents=True)
    for name in ("fits/truth.ecsv", "labels.csv", "checkpoint.pt"):
        Path(name).touch()
    assert command.examples
    for example in command.examples:
        words = [str(Path(word).expanduser()) for word in shlex.split(example)]
        parsed = parse_arguments([command.name, *words])
        assert parsed.definition is command


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("stellar-tf neigh", ["neighbours "]),
        ("stellar-tf fit --sk", ["--skip-corrupt "]),
    ],
)
def test_a_shell_completes(line: str, completed: list[str], tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")
    environment = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "completed"),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = [sys.executable, "-c", "from stellar_tf.cli.main import run; run()"]
    subprocess.run(command, env={**os.environ, **environment}, check=True)
    assert (tmp_path / "completed").read_text().split("\n") == completed


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["simulate", "OUT", "--n-stars", "0"], "simulate.n_stars: "),
        (["convert", "EMPTY", "--out", "OUT"], "no files of spectra"),
        (["convert", "FITS", "--out", "OUT", "--set", "x=1"], "--set unknown key x"),
        (["convert", "FITS", "--out", "OUT", "--config", "no.yaml"], "cannot be read"),
        (["convert", "FITS", "--out", "EXISTS"], "EXISTS"),
        (["convert", "FITS", "--out", "OUT", "--labels", "LABELS"], "LABELS"),
        (["fit", "EMPTY", "--run", "OUT"], "is no data set"),
        (
            ["fit", "RECORDS", "--run", "EXISTS", "--config", "SMALL"],
            "exists and is not a run folder",
        ),
        (
            ["fit", "RECORDS", "--run", "RUN", "--config", "OTHER"],
            "was fitted with other settings",
        ),
        (
            ["fit", "RECORDS", "--run", "OUT", "--strategy", "mirrored",
             "--devices", "8", "--config", "SMALL"],
            "n_devices must be at most 2 on this machine, got 8",
        ),
        (["fit", "RECORDS"], "name the records and --run, or a run by --refine"),
        (["fit", "--refine", "EMPTY"], "is not a run folder"),
        (["fit", "--refine", "UNREPORTED"], "no verdict yet; run stellar-tf encode"),
        (
            ["fit", "--refine", "RUN", "--minutes", "3"],
            "--minutes: does not go with --refine; use --steps",
        ),
        (["encode", "EMPTY", "RECORDS"], "is neither a run folder nor an exported"),
        (["fit", "EMPTY", "--run", "RUN", "--overwrite"], "is no data set"),
        (["encode", "RUN", "RECORDS", "--out", "x.docx"], "the ending must be one of"),
        (["encode", "RUN", "RECORDS", "--out", "LATENTS"], "exists; choose another"),
        (
            ["encode", "RUN", "RECORDS", "--out", "x.csv", "--workers", "2"],
            "x.csv: the name of a table in parts must end in .parquet",
        ),
        (
            ["encode", "RUN", "RECORDS", "--workers", "2", "--engine", "beam"],
            "--workers is for --engine local",
        ),
        (
            ["encode", "RUN", "RECORDS", "--workers", "2", "--", "--runner=X"],
            "go to Beam: give --engine beam",
        ),
        (
            ["encode", "--server", "http://localhost:1", "RECORDS", "--workers", "2"],
            "--server: its spectra go into one table, without --workers",
        ),
        (["encode", "RUN", "RECORDS", "--out", "LATENTS", "--workers", "2"], "exists"),
        (["analyze", "EMPTY"], "is not a run folder"),
        (["analyze", "UNREPORTED"], "no such table"),
        (["analyze", "UNREPORTED", "--latents", "LABELS"], "must have a column dp_id"),
        (["probe", "EMPTY"], "is not a run folder"),
        (["probe", "UNREPORTED"], "no such table"),
        (
            ["probe", "UNREPORTED", "--network-sizes", "50"],
            "network_sizes must be some of sizes, [10, 30, 100, 300, 1000], got [50]",
        ),
        (["export", "EMPTY", "--out", "OUT"], "is not a run folder"),
        (["export", "RUN"], "give --out MODELS/NAME, --page PAGE.html or both"),
        (["export", "RUN", "--page", "LABELS"], "exists; choose another name or pass"),
        (["export", "RUN", "--page", "EMPTY"], "is a folder; give a file"),
        (["neighbours", "UNREPORTED", "x"], "no such table"),
        (["explore", "EMPTY"], "is not a run folder"),
        (["explore", "UNREPORTED"], "has no latents; run stellar-tf encode"),
        (["export", "UNREPORTED", "--page", "OUT"], "run stellar-tf analyze"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_writes_nothing(
    argv: list[str],
    message: str,
    tmp_path: Path,
    fits_folder: Path,
    records: Path,
    run: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = {
        "OUT": tmp_path / "out",
        "EMPTY": tmp_path / "empty",
        "EXISTS": tmp_path / "exists",
        "LABELS": tmp_path / "labels.csv",
        "LATENTS": tmp_path / "latents.parquet",
        "FITS": fits_folder,
        "RECORDS": records,
        "RUN": run.folder,
        "SMALL": run.config_path,
        "OTHER": tmp_path / "other.yaml",
        "UNREPORTED": tmp_path / "run",
    }
    shutil.copytree(
        run.folder, paths["UNREPORTED"], ignore=shutil.ignore_patterns("analysis")
    )
    text = run.config_path.read_text()
    paths["OTHER"].write_text(text.replace("batch_size: 8", "batch_size: 4"))
    paths["EMPTY"].mkdir()
    paths["EXISTS"].mkdir()
    (paths["EXISTS"] / "thesis.tex").touch()
    paths["LABELS"].write_text("teff,logg\n5000,4.4\n")
    paths["LATENTS"].touch()
    before = sorted(tmp_path.rglob("*"))
    status = run_command([str(paths.get(word, word)) for word in argv])
    error = capsys.readouterr().err
    assert status == 2
    assert error.count("\n") == 1
    assert error.startswith(f"stellar-tf {argv[0]}: ")
    assert paths.get(message, message).__str__() in error
    assert sorted(tmp_path.rglob("*")) == before


REFUSED = """
import sys
from stellar_tf.cli.main import run_command
records, run, folder, empty, thesis = sys.argv[1:]
NEW = folder + "/new"
COMMANDS = [
    ["fit", folder, "--run", NEW],
    ["fit", empty, "--run", NEW],
    ["fit", records, "--run", thesis],
    ["fit", records, "--run", run],
    ["fit", records, "--run", NEW, "--set", "training.batch_size=0"],
    ["fit", records, "--run", NEW, "--minutes", "1", "--set", "training.n_steps=3"],
    ["fit", records, "--run", NEW, "--init-from", folder],
    ["fit", records, "--run", NEW, "--strategy", "mirrored", "--devices", "3",
     "--set", "training.batch_size=8"],
    ["encode", folder, records],
    ["encode", run, thesis],
    ["encode", run, records, "--out", thesis + "/latents.csv"],
    ["export", folder, "--out", NEW],
    ["analyze", folder],
    ["analyze", run],
]
for command in COMMANDS:
    print(run_command(command), "tensorflow" in sys.modules, *command)
"""


def test_mistakes_are_found_before_tensorflow_is_imported(
    tmp_path: Path, records: Path, run: Run
) -> None:
    empty = Path(shutil.copytree(records, tmp_path / "empty"))
    manifest = json.loads((empty / "manifest.json").read_text())
    manifest["splits"]["validation"]["n_spectra"] = 0
    text = json.dumps(manifest)
    (empty / "manifest.json").write_text(text)
    other = Path(shutil.copytree(run.folder, tmp_path / "run"))
    (other / "analysis").mkdir(exist_ok=True)
    (other / "analysis" / "report.html").touch()
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "latents.csv").touch()
    before = sorted(tmp_path.rglob("*"))
    arguments = [str(p) for p in (records, other, tmp_path, empty, thesis)]
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == done.stderr.count("\n") == 14, done.stderr
    for line in lines:
        assert line.startswith("2 False "), line
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fly"], "no command 'fly', only simulate, download"),
        (["analyse", "."], "demo; did you mean analyze?"),
        (["fit", ".", "--sett", "a=1"], "no option --sett; did you mean --set?"),
        (["fit", ".", "--colour=red"], "stellar-tf fit: error: no option --colour"),
        (["convert", "nowhere", "--out", "x"], "nowhere: no such file or folder"),
        (["simulate", "out", "--seed=-1"], "--seed: must be 0, 1, 2, ..., got -1"),
        (["neighbours", ".", "x", "--count", "0"], "--count: must be 1, 2, 3, ..."),
        (["probe", ".", "--sizes", "10,4"], "--sizes: must be 5, 6, 7, ..., got 4"),
        (["probe", ".", "--network-sizes", "all"], "must be 5, 6, 7, ..., got all"),
        (["convert", ".", "--out", "."], "--out: .: must end in a name of its own"),
        (["convert", ".", "--out", "/"], "--out: /: must end in a name of its own"),
        (["export", ".", "--out", ".."], "--out: ..: must end in a name of its own"),
        (["fit", ".", "--run", "."], "--run: .: must end in a name of its own"),
        (["convert", ".", "--out", "ä" * 127], "a name of 254 bytes, of 200 at most"),
        (["demo", "a" * 255], "a name of 255 bytes, of 200 at most"),
        (["simulate", "a" * 255], "a name of 255 bytes, of 200 at most"),
        (["download", "a" * 255], "a name of 255 bytes, of 200 at most"),
        (["analyze", "a" * 256], "no such file or folder"),
        (["encode", ".", ".", "--out", f"{__file__}/a.csv"], "is not a folder"),
        (["export", ".", "--page", f"{__file__}/a/b.html"], "test_main.py is not a fo"),
        (["simulate", f"{__file__}/out"], f"OUT: {__file__}/out: {__file__} is not a"),
        (["fit", ".", "--run", "a\udcff"], r"--run: a\xff: is not in UTF-8; rename it"),
        (["verify", "a\udcff"], r"a\xff: is not in UTF-8; rename it"),
        (["fit", ".", "--minutes", "0"], "--minutes: must be a positive number, got 0"),
        (["fit", ".", "--minutes", "two"], "must be a positive number, got two"),
        (["fit", ".", "--minutes", "inf"], "must be a positive number, got inf"),
        (["fit", ".", "--minutes", "1", "--steps", "2"], "not allowed with argument"),
    ],
)
def test_mistakes_in_the_command_line(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt, 130, "stellar-tf fit: interrupted; the same command goes"),
        (Terminated, 143, "stellar-tf fit: terminated; the same command goes on"),
    ],
)
def test_signals_have_the_status_of_shells(
    error: type[BaseException],
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(training, "fit", stop)
    assert run_command(["fit", str(tmp_path), "--run", "run"]) == status
    assert capsys.readouterr().err.startswith(message)


def test_a_full_disk_is_told_in_one_line(
    records: Path,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fit = ["fit", str(records), "--run", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        patch.setattr("keras.Model.save", fill)
        status = run_command([*fit, "--config", str(run.config_path)])
    assert status == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("stellar-tf fit: No space left on device; the same command")
    assert run_command([*fit, "--config", str(run.config_path)]) == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EACCES, "Permission denied", "a"), "a: Permission denied"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
        (
            RuntimeError("Unable to write: errno 28, No space left on device; x"),
            "No space left on device; the same command goes on from there",
        ),
        (
            RuntimeError("Unable to write: errno 27, File too large; x"),
            "File too large; the same command goes on from there",
        ),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded", "a"),
            "a: Disk quota exceeded; the same command goes on from there",
        ),
        (OSError("unknown"), None),
        (ValueError("unknown"), None),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), None),
    ],
)
def test_only_what_the_machine_lacks_is_no_defect(
    error: Exception, reason: str | None
) -> None:
    assert find_lack(error) == reason


def test_a_reader_that_wants_no_more_is_told_nothing(records: Path) -> None:
    """As `head` and `less` end: what they left unread is no mistake."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, str(records)],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_under_the_results_is_told_in_one_line(records: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", VERIFY, str(records)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("stellar-tf verify: No space left on device")
    assert done.stderr.count("\n") == 1


VERIFY = """
import sys
from stellar_tf.cli.main import run_command
sys.exit(run_command(["verify", sys.argv[1], "--quiet"]))
"""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"x" * 3000, None])
def test_a_damaged_model_is_told(
    content: bytes | None,
    run: Run,
    records: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damaged = Run(tmp_path / "run")
    shutil.copytree(run.folder, damaged.folder)
    half = run.model_path.read_bytes()[: run.model_path.stat().st_size // 2]
    damaged.model_path.write_bytes(half if content is None else content)
    config = ["--config", str(run.config_path)]
    for argv in (
        ["encode", str(damaged.folder), str(records), "--out", str(tmp_path / "z.csv")],
        ["export", str(damaged.folder), "--out", str(tmp_path / "models")],
        ["fit", str(records), "--run", str(damaged.folder), *config],
        [
            "fit",
            str(records),
            "--run",
            str(tmp_path / "other"),
            *config,
            "--init-from",
            str(damaged.folder),
        ],
    ):
        assert run_command(argv) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"{damaged.model_path}: is damaged (" in error
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("text", ["0", "-1", "two"])
def test_workers_are_counted_from_one(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run_command(["convert", str(tmp_path), "--out", "x", f"--workers={text}"])
    assert f"must be 1, 2, 3, ..., got {text}" in capsys.readouterr().err
