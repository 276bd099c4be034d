"""Beam's runners give the bytes that this process gives."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from stellar_tf.cli.main import run_command
from tests.tfrecords_tools.fits_files import GRID, write_rows, write_survey
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.beam_engine import beam_engine
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.conversion.engine import EngineError
from tfrecords_tools.conversion.inputs import InputError
from tfrecords_tools.conversion.shards import write_shard

CONFIG = ConvertConfig(
    split=SplitFractions(train=0.5, validation=0.3, test=0.2), shard_mib=0.01
)
RUNNERS = {
    "one process": [],
    "two processes": [
        "--runner=FnApiRunner",
        "--direct_num_workers=2",
        "--direct_running_mode=multi_processing",
    ],
}
ASSIGNMENTS = [
    f"--set=grid.{name}={getattr(GRID, name)}"
    for name in ("wave_min", "wave_step", "n_pixels")
]

# Beam's own code.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:apache_beam"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_survey(tmp_path_factory.mktemp("in"), 16)
    write_rows(folder / "rows.fits", 5)
    return folder


@pytest.fixture(scope="module")
def expected(
    inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("out") / "records"
    convert([inputs], out, GRID, CONFIG)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_bytes_are_those_of_the_local_engine(
    inputs: Path, tmp_path: Path, expected: dict[str, bytes], runner: str
) -> None:
    engine = beam_engine(RUNNERS[runner], tmp_path / "scratch")
    convert([inputs], tmp_path / "records", GRID, CONFIG, engine=engine)
    assert contents(tmp_path / "records") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_results_come_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    with beam_engine([], tmp_path / "scratch") as engine:
        assert list(engine.map(double, range(10_000))) == [2 * i for i in range(10_000)]
        assert list(engine.map(double, [])) == []


def double(i: int) -> int:
    return 2 * i


def test_a_user_error_arrives_as_it_was_raised_and_the_rest_is_kept(
    inputs: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    lost, away = inputs / "ADP.3.fits", inputs / "away"
    convert_here = partial(convert, [inputs], tmp_path / "records", GRID, CONFIG)

    class Losing:
        """Takes a file away between the scan and the shards."""

        def __init__(self) -> None:
            self.context = beam_engine([], tmp_path / "scratch")

        def __enter__(self) -> Losing:
            self.engine = self.context.__enter__()
            return self

        def __exit__(self, *error: object) -> None:
            self.context.__exit__(*error)

        def map(self, function, tasks):
            if function.func.__name__ == "convert_shard":
                lost.rename(away)
            return list(self.engine.map(function, tasks))

    with pytest.raises(InputError, match=r"ADP\.3\.fits: cannot be read"):
        convert_here(engine=Losing())
    away.rename(lost)
    done = list((tmp_path / ".records.partial").glob("spec-*"))
    assert done
    times = {path.name: path.stat().st_mtime_ns for path in done}
    convert_here(engine=beam_engine([], tmp_path / "scratch"))
    assert contents(tmp_path / "records") == expected
    for name, time in times.items():
        assert (tmp_path / "records" / name).stat().st_mtime_ns == time


def test_a_shard_written_twice_at_the_same_time_is_whole(
    inputs: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    """A runner repeats what it believes lost while that is still being written."""
    from tfrecords_tools.conversion import shards

    original = shards.prepare_spectrum
    again = {"left": 1}

    def prepare(*spectrum):
        if again["left"]:
            again["left"] = 0
            write_shard(*arguments)
        return original(*spectrum)

    def remember(plan, folder, settings):
        arguments[:] = (plan, folder, settings)
        return write_shard(plan, folder, settings)

    arguments: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "prepare_spectrum", prepare)
        patch.setattr("tfrecords_tools.conversion.convert.write_shard", remember)
        convert([inputs], tmp_path / "records", GRID, CONFIG)
    assert contents(tmp_path / "records") == expected


def test_command_line(inputs: Path, tmp_path: Path, capsys) -> None:
    command = ["convert", str(inputs), *ASSIGNMENTS, "--engine", "beam", "--out"]
    assert run_command([*command, str(tmp_path / "a"), "--", *RUNNERS["one process"]])
    local = ["convert", str(inputs), *ASSIGNMENTS, "--out", str(tmp_path / "b")]
    run_command(local)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "--runner=DirectRunner"], "go to Beam: give --engine beam"),
        (["--engine", "beam", "--workers", "2"], "--workers is for --engine local"),
        (
            ["--engine", "beam", "--", "--runner=Nonsense"],
            "Unexpected pipeline runner: Nonsense",
        ),
        (["--engine", "beam", "--", "--rnner=X"], "Beam has no option --rnner=X"),
        (
            ["--engine", "beam", "--", "--runner=PortableRunner",
             "--job_endpoint=localhost:1", "--job_server_timeout=1"],
            "Apache Beam: ",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(
    inputs: Path, tmp_path: Path, capsys, arguments: list[str], message: str
) -> None:
    command = ["convert", str(inputs), "--out", str(tmp_path / "records")]
    assert run_command([*command, *arguments]) == 2
    (line,) = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("stellar-tf convert: ")
    ]
    assert message in line
    assert not (tmp_path / "records").exists()


def test_beam_is_named_where_it_is_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "apache_beam.options", None)
    monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
    with (
        pytest.raises(EngineError, match=r"pip install '\.\[beam\]'"),
        beam_engine([], tmp_path / "scratch"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
