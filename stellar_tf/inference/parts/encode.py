"""The whole encoding into parts: plan, work, journal, and a folder in its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from stellar_tf import __version__
from stellar_tf.inference.parts.journal import PartsJournal, WrittenPart
from stellar_tf.inference.parts.plan import PartPlan, plan_files, plan_records
from stellar_tf.inference.parts.work import (
    BATCH_SIZE,
    ModelSource,
    PartSettings,
    encode_part,
)
from stellar_tf.parts import REJECTS_NAME, PartList, PartsError, is_parts
from tfrecords_tools.conversion.engine import Engine, worker_engine
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.conversion.plan import write_rejects
from tfrecords_tools.conversion.scan import Reject
from tfrecords_tools.durable import remove_partial
from tfrecords_tools.progress import show_progress
from tfrecords_tools.records.manifest import Manifest, is_records, read_manifest

_ENDING = ".parquet"
_PACKAGES = ("tensorflow", "pyarrow")
"""On whose versions the bytes depend, beside our own."""


class PartsSummary(NamedTuple):
    """What became of the spectra."""

    n_spectra: int
    """Rows of all parts."""
    n_flagged: int
    """Rows with a flag."""
    n_parts: int
    """Files with rows."""
    rejects: tuple[Reject, ...]
    """Files, or spectra of them, that were not encoded."""


def encode_parts(
    model: ModelSource,
    inputs: Sequence[Path],
    out: Path,
    *,
    scale: Sequence[float] | None = None,
    engine: AbstractContextManager[Engine] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> PartsSummary:
    """
    Encode records or files into a folder of Parquet parts, or go on with it.

    Parameters
    ----------
    model : ModelSource
        The model.
    inputs : sequence of Path
        One folder of records; or files, and folders that are searched for files.
    out : Path
        The folder, whose name ends in .parquet; it appears when it is complete.
    scale : sequence of float, optional
        What each dimension's posterior width is multiplied by.
    engine : context manager of Engine, optional
        What does the work, by default a process of its own; the bytes do not depend
        on it.
    overwrite : bool, default False
        Whether to replace a table that is there.
    progress : bool, default True
        Whether to show progress on stderr.

    Returns
    -------
    summary : PartsSummary
        What became of the spectra. Without any, there is no folder.

    Raises
    ------
    PartsError
        If the output exists and may not be replaced, or its name ends otherwise.
    InputError
        If an input is missing, or changes on the way.
    JournalError
        If another encoding to the same output is under way or unfinished.
    RecordError
        If a record cannot be read.

    Notes
    -----
    No process holds more than a batch of spectra and some thousand rows. However an
    encoding ends early, the same call goes on from the last finished part.
    """
    if out.suffix != _ENDING:
        raise PartsError(f"{out}: the name of a table in parts must end in {_ENDING}")
    if out.is_symlink():  # the table is what it points to
        out = Path(os.path.realpath(out))
    manifest, plans = _plan(inputs)
    settings = PartSettings(
        model, _strip(manifest), None if scale is None else tuple(scale)
    )
    request = _describe_request(inputs, manifest, settings)
    journal = PartsJournal(out)
    journal.remove_leftovers()
    check = partial(_check_output, out, overwrite)
    if not journal.is_published(request):
        check()
    with journal.open(request, overwrite=overwrite):
        is_published = journal.is_published(request)
        folder = out if is_published else journal.staging
        with engine or worker_engine(1) as workers:
            written = _write(plans, folder, out, settings, workers, progress)
        if not any(part.info.n_rows for part in written):
            shutil.rmtree(journal.staging)
        elif not is_published:
            _complete(folder, written, request)
            journal.publish(check)
    return PartsSummary(
        sum(part.info.n_rows for part in written),
        sum(part.n_flagged for part in written),
        sum(part.info.n_rows > 0 for part in written),
        tuple(reject for part in written for reject in part.rejects),
    )


def _plan(inputs: Sequence[Path]) -> tuple[Manifest | None, list[PartPlan]]:
    if len(inputs) == 1 and is_records(inputs[0]):
        manifest = read_manifest(inputs[0])
        return manifest, plan_records(manifest)
    return None, plan_files(discover(inputs))


def _strip(manifest: Manifest | None) -> Manifest | None:
    """Leave out what grows with the number of spectra: it goes to every worker."""
    if manifest is None:
        return None
    folder = manifest.folder.absolute()
    return replace(manifest, folder=folder, shards=(), splits={}, files={})


def _describe_request(
    inputs: Sequence[Path], manifest: Manifest | None, settings: PartSettings
) -> dict[str, Any]:
    """Say what is asked for, such that equal requests give equal bytes."""
    return {
        "inputs": [str(path.absolute()) for path in inputs],
        "manifest_sha256": None if manifest is None else manifest.sha256,
        "model": {str(path): sha256 for path, sha256 in settings.model.files},
        "scale": None if settings.scale is None else list(settings.scale),
        "batch_size": BATCH_SIZE,
        "stellar-tf": __version__,
        **{name: version(name) for name in _PACKAGES},
    }


def _check_output(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise PartsError(f"{out}: exists; pass overwrite=True to replace it")
    if not is_parts(out) and not out.is_file():
        raise PartsError(f"{out}: is no table in parts, so it is not overwritten")


def _write(
    plans: Sequence[PartPlan],
    folder: Path,
    out: Path,
    settings: PartSettings,
    engine: Engine,
    progress: bool,
) -> list[WrittenPart]:
    journal = PartsJournal(out)
    done = {plan.file: journal.read_part(plan, folder) for plan in plans}
    missing = [plan for plan in plans if done[plan.file] is None]
    n_planned = sum(plan.n_planned for plan in plans)
    with show_progress("encoding", n_planned, progress) as advance:
        for part in done.values():
            if part is not None:
                advance(part.n_planned, len(part.rejects))
        function = partial(encode_part, out=out.absolute(), settings=settings)
        for part in engine.map(function, missing):
            advance(part.n_planned, len(part.rejects))
    return [_read_written(plan, folder, journal) for plan in plans]


def _read_written(plan: PartPlan, folder: Path, journal: PartsJournal) -> WrittenPart:
    written = journal.read_part(plan, folder)
    if written is None:
        raise PartsError(
            f"{folder / plan.file}: has vanished since it was written; the same "
            f"command writes it again"
        )
    return written


def _complete(
    folder: Path, written: Sequence[WrittenPart], request: dict[str, Any]
) -> None:
    """Write all that is not a part, the list of parts last."""
    rejects = [reject for part in written for reject in part.rejects]
    write_rejects(rejects, folder, REJECTS_NAME)
    remove_partial(folder)
    infos = tuple(part.info for part in written if part.info.n_rows)
    own = {REJECTS_NAME, *(info.file for info in infos)}
    for path in folder.iterdir():  # by a plan before inputs changed
        if path.name not in own:
            path.unlink()
    parts = PartList(parts=infos, n_rejected=len(rejects), request=request)
    parts.write(folder)
