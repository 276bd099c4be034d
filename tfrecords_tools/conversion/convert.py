"""From files of spectra to a data set of records: the whole conversion."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.empty_splits import warn_of_empty_splits
from tfrecords_tools.conversion.engine import Engine, local_engine
from tfrecords_tools.conversion.inputs import search
from tfrecords_tools.conversion.journal import ConversionJournal, describe_request
from tfrecords_tools.conversion.plan import (
    ShardPlan,
    plan_shards,
    write_assumptions,
    write_plan,
    write_rejects,
    write_unlabelled,
)
from tfrecords_tools.conversion.scan import (
    PlannedSpectrum,
    Reject,
    Scan,
    has_changed,
    scan_file,
)
from tfrecords_tools.conversion.shards import (
    ShardSettings,
    WrittenShard,
    records_per_shard,
    write_shard,
)
from tfrecords_tools.conversion.summary import (
    ConversionSummary,
    Outcome,
    summarize,
)
from tfrecords_tools.durable import remove_partial
from tfrecords_tools.errors import UserError
from tfrecords_tools.grid import Grid
from tfrecords_tools.labels.lookup import Exposure, Labels
from tfrecords_tools.progress import show_progress
from tfrecords_tools.records.layout import DATASET_NAME, index_name
from tfrecords_tools.records.manifest import (
    CHECKSUM_NAME,
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    ShardInfo,
    SplitInfo,
    hash_file,
    is_records,
)
from tfrecords_tools.records.schema import SPECTRUM_NAMES, LabelColumn, RecordSchema
from tfrecords_tools.records.tfds import write_tfds_metadata
from tfrecords_tools.split import Split

if TYPE_CHECKING:
    from tfrecords_tools.labels.catalog import Catalog


class ConvertError(UserError):
    """A conversion cannot start; the message names the path."""


class OutputExistsError(FileExistsError, ConvertError):
    """The output is there already."""


def convert(
    inputs: Sequence[Path],
    out: Path,
    grid: Grid,
    config: ConvertConfig,
    labels: Path | None = None,
    *,
    engine: AbstractContextManager[Engine] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> ConversionSummary:
    """
    Convert files of spectra to a data set of records, or go on with it.

    Parameters
    ----------
    inputs : sequence of Path
        Files and folders, see `search`.
    out : Path
        Folder of the data set; it appears when it is complete.
    grid : Grid
        The wavelengths of the data set.
    config : ConvertConfig
        What is taken, and how it is laid out.
    labels : Path, optional
        Table of labels, see `read_catalog`.
    engine : context manager of Engine, optional
        What does the work, by default this process; the bytes do not depend on it.
    overwrite : bool
        Whether to replace a data set that is there.
    progress : bool
        Whether to show progress on stderr, if that is a terminal.

    Returns
    -------
    summary : ConversionSummary
        Spectra that are not taken are listed in rejects.csv with their reason, and in
        assumptions.csv what is taken for granted of others.

    Raises
    ------
    ConvertError
        If the output exists and may not be replaced, or the disk is full.
    InputError
        If an input is missing, or vanishes or changes on the way.
    JournalError
        If another conversion to the same output is under way or unfinished.
    LabelError
        If the label table cannot be used.

    Notes
    -----
    However a conversion ends early, the same call goes on from the last finished
    shard, and the data set is the same to the byte.

    A label named like a feature of every record, such as snr, is left out: what the
    file itself says goes before. Right ascension and declination of the table are taken
    where the headers have none. The summary tells both.
    """
    if out.is_symlink():  # the data set is what it points to
        out = Path(os.path.realpath(out))
    found = search(inputs)
    catalog = None if labels is None else _read_catalog(labels, config)
    request = describe_request(inputs, grid, config, labels)
    journal = ConversionJournal(out)
    journal.remove_leftovers()
    check = partial(_check_output, out, overwrite)
    if not journal.is_published(request):
        check()
    with (
        _one_line_for_disks(journal.staging),
        journal.open(request, overwrite=overwrite),
    ):
        with engine or local_engine(1) as workers:
            is_published = journal.is_published(request)
            scan = journal.read_scan()
            if scan is None or (not is_published and has_changed(scan)):
                scanned = _scan(found.files, config, workers, progress)
                n_in_a_shard = records_per_shard(grid, config, share_with_errors=1.0)
                scan = journal.write_scan(scanned, config, n_in_a_shard)
            found.files.clear()  # there may be hundreds of thousands
            table = None if catalog is None else catalog.find(_exposures(scan))
            columns = _list_columns(scan, table)
            schema = RecordSchema.with_labels(
                grid.n_pixels,
                columns,
                config.flux_dtype,
                with_errors=config.store_errors == "auto",
            )
            settings = ShardSettings(grid, config, schema, table)
            n_records = records_per_shard(grid, config, scan.share_with_errors)
            plans = plan_shards(scan.spectra, n_records)
            folder = out if is_published else journal.staging
            shards = _write_shards(plans, folder, out, settings, workers, progress)
        outcome = Outcome(scan, plans, shards)
        totals = outcome.totals()
        warnings = warn_of_empty_splits(totals, outcome.taken(), config)
        # Here, since the journal has the spectra.
        summary = summarize(outcome, totals, table, found.passed_over, warnings)
        if not is_published:
            labels_file = "" if labels is None else str(labels)
            _complete(folder, outcome, totals, settings, labels_file)
            journal.publish(check)
    return summary


def convert_shard(plan: ShardPlan, out: Path, settings: ShardSettings) -> WrittenShard:
    """
    Write one shard of a conversion under way and note that it is done.

    Parameters
    ----------
    plan : ShardPlan
        Which spectra.
    out : Path
        Folder of the data set to be.
    settings : ShardSettings
        What is the same for all shards.

    Returns
    -------
    written : WrittenShard
        What became of them.
    """
    journal = ConversionJournal(out)
    written = write_shard(plan, journal.staging, settings)
    journal.write_shard(plan, written)
    return written


def _scan(
    files: Sequence[str],
    config: ConvertConfig,
    engine: Engine,
    progress: bool,
) -> Iterator[PlannedSpectrum | Reject]:
    with show_progress("Reading headers", len(files), progress) as advance:
        for items in engine.map(partial(scan_file, config=config), files):
            yield from items
            advance(1, any(isinstance(item, Reject) for item in items))


def _write_shards(
    plans: Sequence[ShardPlan],
    folder: Path,
    out: Path,
    settings: ShardSettings,
    engine: Engine,
    progress: bool,
) -> list[WrittenShard]:
    journal = ConversionJournal(out)
    n_spectra = sum(len(plan.spectra) for plan in plans)
    missing = []
    with show_progress("Writing records", n_spectra, progress) as advance:
        for plan in plans:
            shard = journal.read_shard(plan, folder)
            if shard is None:
                missing.append(plan)
            else:
                advance(shard.n_planned, len(shard.rejects))
        function = partial(convert_shard, out=out, settings=settings)
        for shard in engine.map(function, missing):
            advance(shard.n_planned, len(shard.rejects))
    return [_read_written(plan, folder, journal) for plan in plans]


def _read_written(
    plan: ShardPlan, folder: Path, journal: ConversionJournal
) -> WrittenShard:
    written = journal.read_shard(plan, folder)
    if written is None:
        raise ConvertError(
            f"{folder / plan.file}: has vanished since it was written; the same "
            f"command writes it again"
        )
    return written


def _complete(
    folder: Path,
    outcome: Outcome,
    totals: dict[Split, SplitInfo],
    settings: ShardSettings,
    labels_file: str,
) -> None:
    """Write all that is not a shard, the manifest last."""
    shards, rejects = outcome.shards, outcome.rejects
    write_plan(outcome.plans, settings.labels, folder)
    write_rejects(rejects, folder)
    write_assumptions((a for shard in shards for a in shard.assumptions), folder)
    if settings.labels is not None:
        write_unlabelled(outcome.taken(), settings.labels, folder)
    infos = tuple(shard.info for shard in shards)
    write_tfds_metadata(folder, settings.schema, infos)
    remove_partial(folder)
    for path in _left_from_before(folder, infos):
        path.unlink()
    manifest = Manifest(
        folder=folder,
        schema_version=SCHEMA_VERSION,
        grid=settings.grid,
        config=settings.config,
        record_schema=settings.schema,
        labels_file=labels_file,
        n_rejected=len(rejects),
        splits=totals,
        shards=infos,
        files=_hash_files(folder, {info.file for info in infos}),
        counts=outcome.counts(),
    )
    manifest.write()


def _left_from_before(folder: Path, shards: Sequence[ShardInfo]) -> list[Path]:
    """List what a process that was killed wrote, and is not of this data set."""
    own = {name for info in shards for name in (info.file, index_name(info.file))}
    old = [folder / MANIFEST_NAME, folder / CHECKSUM_NAME]
    old += folder.rglob(f"{DATASET_NAME}-*")  # by a plan before inputs changed
    return [
        path
        for path in old
        if path.exists() and path.relative_to(folder).as_posix() not in own
    ]


def _hash_files(folder: Path, shards: set[str]) -> dict[str, str]:
    """Return the SHA-256 of every file that is not a shard, which has its own."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in files
        if path.name not in shards or path.parent != folder
    }


@contextmanager
def _one_line_for_disks(folder: Path) -> Iterator[None]:
    try:
        yield
    except OutputExistsError:
        raise
    except OSError as error:
        raise ConvertError(
            f"{error.filename or folder}: {error.strerror}; mend that, and the same "
            f"command continues"
        ) from None


def _check_output(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise OutputExistsError(f"{out}: exists; pass overwrite=True to replace it")
    if not is_records(out):
        raise OutputExistsError(f"{out}: is no data set, so it is not overwritten")


def _read_catalog(path: Path, config: ConvertConfig) -> Catalog:
    # Not above: workers import this module, and astropy's tables take a second.
    from tfrecords_tools.labels.catalog import read_catalog

    return read_catalog(path, config)


def _exposures(scan: Scan) -> list[Exposure]:
    return [Exposure(s.dp_id, s.target, s.star, s.ra, s.dec) for s in scan.spectra]


def _list_columns(scan: Scan, labels: Labels | None) -> list[LabelColumn]:
    """List the labels of a table, then those that the files themselves hold."""
    columns = list(labels.columns) if labels else []
    known = {column.name for column in columns} | SPECTRUM_NAMES
    kinds: dict[str, Literal["string", "float"]] = {}
    for spectrum in scan.spectra:
        for name, value in spectrum.labels.items():
            is_text = isinstance(value, str) or kinds.get(name) == "string"
            kinds[name] = "string" if is_text else "float"
    own = [LabelColumn(n, kind, "") for n, kind in kinds.items() if n not in known]
    return [*columns, *own]
