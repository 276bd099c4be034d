"""The work of a conversion done by Apache Beam: on a cluster, or here without one.

Tasks and results travel by files in a folder that driver and workers share, as they
share the spectra and the data set: a pipeline then has a few kilobytes, however many
files it reads, and every runner can take it.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tfrecords_tools.conversion.engine import Engine, EngineError, Result, Task
from tfrecords_tools.durable import write_whole
from tfrecords_tools.errors import UserError, ask_for_extra

_DEFAULT_RUNNER = "--runner=FnApiRunner"
"""Of Beam's runners, the one that needs neither a server nor a download."""
_MAX_CHUNKS = 4096
_FUNCTION = "function"


class _Beam:
    def __init__(self, arguments: Sequence[str], scratch: Path) -> None:
        self._options = _read_options(arguments)
        self._scratch = scratch

    def map(
        self, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[Result]:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        (folder / _FUNCTION).write_bytes(pickle.dumps(function))
        size = -(-len(tasks) // _MAX_CHUNKS)
        chunks = [tasks[i : i + size] for i in range(0, len(tasks), size or 1)]
        for i, chunk in enumerate(chunks):
            _task_file(folder, i).write_bytes(pickle.dumps(chunk))
        if chunks:
            self._run(partial(_work_on_chunk, folder=folder), len(chunks))
        for i in range(len(chunks)):
            outcome = pickle.loads(_result_file(folder, i).read_bytes())
            if isinstance(outcome, Exception):
                raise outcome
            yield from outcome

    def _run(self, work: Callable[[int], None], n_chunks: int) -> None:
        import apache_beam as beam

        try:
            pipeline = beam.Pipeline(options=self._options)
            chunks = pipeline | beam.Create(range(n_chunks)) | beam.Reshuffle()
            _ = chunks | beam.Map(work)
            result = pipeline.run()
            result.wait_until_finish()
        except Exception as error:
            # Runners fail in all ways: no server, no Java, a worker that died.
            reason = " ".join(str(error).split())
            raise EngineError(f"Apache Beam: {reason}") from error
        if result.state != beam.runners.runner.PipelineState.DONE:
            raise EngineError(f"Apache Beam: the pipeline ended as {result.state}")


@contextmanager
def beam_engine(arguments: Sequence[str], scratch: Path) -> Iterator[Engine]:
    """
    Work on a runner of Apache Beam.

    Parameters
    ----------
    arguments : sequence of str
        Beam's own, such as ``--runner=FlinkRunner``; without a runner the work is
        done in this process.
    scratch : Path
        Folder for the tasks and their results, which all workers see. What is there
        is removed, before and after.

    Yields
    ------
    engine : Engine
        To be used inside the context. A task may be run more than once, even at the
        same time, since runners repeat what they believe lost.

    Raises
    ------
    EngineError
        If Beam is not installed, does not know an argument, or its runner fails.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield _Beam(arguments, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _read_options(arguments: Sequence[str]) -> Any:
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        raise EngineError(ask_for_extra("Apache Beam", "beam")) from None
    options = PipelineOptions([_DEFAULT_RUNNER, *arguments])
    known = options.get_all_options(drop_default=True)
    unknown = [a for a in arguments if not _is_known(a, known)]
    if unknown:
        raise EngineError(f"Apache Beam has no option {', '.join(unknown)}")
    return options


def _is_known(argument: str, known: dict[str, Any]) -> bool:
    name = argument.partition("=")[0].removeprefix("--")
    return not argument.startswith("--") or name in known


def _work_on_chunk(number: int, folder: Path) -> None:
    function = pickle.loads((folder / _FUNCTION).read_bytes())
    tasks = pickle.loads(_task_file(folder, number).read_bytes())
    try:
        outcome: list[Any] | Exception = [function(task) for task in tasks]
    except (UserError, OSError) as error:
        # Raised on the driver instead: here Beam would try again and wrap it.
        outcome = error
    write_whole(_result_file(folder, number), pickle.dumps(outcome))


def _task_file(folder: Path, number: int) -> Path:
    return folder / f"tasks-{number:05}"


def _result_file(folder: Path, number: int) -> Path:
    return folder / f"results-{number:05}"
