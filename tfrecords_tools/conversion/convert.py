"""From files of spectra to a data set of records: the whole conversion."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.empty_splits import warn_of_empty_splits
from tfrecords_tools.conversion.engine import Engine, local_engine
from tfrecords_tools.conversion.inputs import search
from tfrecords_tools.conversion.journal import ConversionJournal, describe_request
from tfrecords_tools.conversion.plan import (
    PlannedSpectrum,
    Reject,
    Scan,
    ShardPlan,
    estimate_errors,
    has_changed,
    merge_scans,
    plan_shards,
    scan_file,
    write_assumptions,
    write_plan,
    write_rejects,
    write_unlabelled,
)
from tfrecords_tools.conversion.prepare import TOO_MANY_BAD, TOO_MANY_SPIKES
from tfrecords_tools.conversion.shards import (
    ShardSettings,
    WrittenShard,
    records_per_shard,
    write_shard,
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
from tfrecords_tools.split import SPLITS, Split

if TYPE_CHECKING:
    from tfrecords_tools.labels.catalog import Catalog


class ConvertError(UserError):
    """A conversion cannot start; the message names the path."""


class OutputExistsError(FileExistsError, ConvertError):
    """The output is there already."""


class ConversionSummary(NamedTuple):
    """What became of the inputs."""

    n_taken: int
    n_rejected: int
    n_spectra: dict[Split, int]
    """Records by split."""
    n_stars: dict[Split, int]
    """Stars by split."""
    n_labelled: int
    """Records with a row in the label table."""
    n_ambiguous: int
    """Records whose rows in the label table differ, so that none was used."""
    label_notes: tuple[str, ...]
    """What the user should know of the labels, a line each; empty without any."""
    counts: Mapping[str, int]
    """Of the manifest: spectra of which something is taken for granted, by what."""
    passed_over: Mapping[str, int]
    """Files in the folders that are not read, by their ending."""
    warnings: tuple[str, ...]
    """What is to be mended, a line each."""


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
                scan = _scan(found.files, config, workers, progress)
                journal.write_scan(scan)
            table = None if catalog is None else catalog.find(_exposures(scan))
            columns = _list_columns(scan, table)
            schema = RecordSchema.with_labels(
                grid.n_pixels,
                columns,
                config.flux_dtype,
                with_errors=config.store_errors == "auto",
            )
            settings = ShardSettings(grid, config, schema, table)
            placed = _fill_positions(scan, table)
            n_records = records_per_shard(grid, config, scan.share_with_errors)
            plans = plan_shards(placed.spectra, n_records)
            folder = out if is_published else journal.staging
            shards = _write_shards(plans, folder, out, settings, workers, progress)
        if not is_published:
            labels_file = "" if labels is None else str(labels)
            _complete(folder, scan, plans, shards, settings, labels_file)
            journal.publish(check)
    summary = _summarize(plans, shards, scan, table)
    return summary._replace(
        passed_over=found.passed_over,
        warnings=warn_of_empty_splits(_taken(plans, shards), config),
    )


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
    files: Sequence[Path],
    config: ConvertConfig,
    engine: Engine,
    progress: bool,
) -> Scan:
    scanned: list[PlannedSpectrum | Reject] = []
    with show_progress("Reading headers", len(files), progress) as advance:
        for items in engine.map(partial(scan_file, config=config), files):
            scanned += items
            advance(1, any(isinstance(item, Reject) for item in items))
    scan = merge_scans(scanned, config)
    return scan._replace(share_with_errors=estimate_errors(scan.spectra, config))


def _write_shards(
    plans: Sequence[ShardPlan],
    folder: Path,
    out: Path,
    settings: ShardSettings,
    engine: Engine,
    progress: bool,
) -> list[WrittenShard]:
    journal = ConversionJournal(out)
    done = {plan.file: journal.read_shard(plan, folder) for plan in plans}
    missing = [plan for plan in plans if done[plan.file] is None]
    n_spectra = sum(len(plan.spectra) for plan in plans)
    with show_progress("Writing records", n_spectra, progress) as advance:
        for shard in done.values():
            if shard is not None:
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
    scan: Scan,
    plans: Sequence[ShardPlan],
    shards: Sequence[WrittenShard],
    settings: ShardSettings,
    labels_file: str,
) -> None:
    """Write all that is not a shard, the manifest last."""
    write_plan(plans, folder)
    rejects = _all_rejects(scan, shards)
    write_rejects(rejects, folder)
    write_assumptions((a for shard in shards for a in shard.assumptions), folder)
    if settings.labels is not None:
        write_unlabelled(_taken(plans, shards), settings.labels, folder)
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
        splits={split: _total(split, plans, shards) for split in SPLITS},
        shards=infos,
        files=_hash_files(folder, {info.file for info in infos}),
        counts=_count(scan, shards),
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


def _fill_positions(scan: Scan, labels: Labels | None) -> Scan:
    """Take right ascension and declination of the table where a header lacks one."""
    if labels is None:
        return scan
    spectra = []
    for spectrum in scan.spectra:
        ra, dec = labels.locate(spectrum.dp_id)
        is_filled = _lacks_position(spectrum) and math.isfinite(ra + dec)
        spectra.append(spectrum._replace(ra=ra, dec=dec) if is_filled else spectrum)
    return scan._replace(spectra=spectra)


def _lacks_position(spectrum: PlannedSpectrum) -> bool:
    return not math.isfinite(spectrum.ra + spectrum.dec)


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


def _count(scan: Scan, shards: Iterable[WrittenShard]) -> dict[str, int]:
    """Count spectra by what is taken for granted, bad or stored beside the flux."""
    shards = list(shards)
    counts = Counter(a.assumption for shard in shards for a in shard.assumptions)
    counts["with errors"] = sum(shard.n_with_errors for shard in shards)
    counts["with spikes"] = sum(shard.n_with_spikes for shard in shards)
    for reject in _all_rejects(scan, shards):
        for reason in (TOO_MANY_SPIKES, TOO_MANY_BAD):
            counts[f"refused: {reason}"] += reject.reason.startswith(reason)
    return {name: n for name, n in sorted(counts.items()) if n}


def _all_rejects(scan: Scan, shards: Iterable[WrittenShard]) -> list[Reject]:
    return [*scan.rejects, *(reject for shard in shards for reject in shard.rejects)]


def _taken(
    plans: Iterable[ShardPlan], shards: Iterable[WrittenShard]
) -> list[PlannedSpectrum]:
    dp_ids = {dp_id for shard in shards for dp_id in shard.info.dp_ids}
    return [s for plan in plans for s in plan.spectra if s.dp_id in dp_ids]


def _total(
    split: Split, plans: Iterable[ShardPlan], shards: Iterable[WrittenShard]
) -> SplitInfo:
    spectra = _taken((plan for plan in plans if plan.split == split), shards)
    stars = sorted({spectrum.star for spectrum in spectra})
    return SplitInfo(n_spectra=len(spectra), stars=tuple(stars))


def _summarize(
    plans: Sequence[ShardPlan],
    shards: Sequence[WrittenShard],
    scan: Scan,
    labels: Labels | None,
) -> ConversionSummary:
    spectra = _taken(plans, shards)
    totals = {split: _total(split, plans, shards) for split in SPLITS}
    matches = [labels.match(s.dp_id) for s in spectra] if labels else []
    return ConversionSummary(
        n_taken=len(spectra),
        n_rejected=len(_all_rejects(scan, shards)),
        n_spectra={split: total.n_spectra for split, total in totals.items()},
        n_stars={split: len(total.stars) for split, total in totals.items()},
        n_labelled=matches.count("matched"),
        n_ambiguous=matches.count("ambiguous"),
        label_notes=_describe_labels(spectra, scan, labels) if labels else (),
        counts=_count(scan, shards),
        passed_over={},
        warnings=(),
    )


def _describe_labels(
    spectra: Sequence[PlannedSpectrum], scan: Scan, labels: Labels
) -> tuple[str, ...]:
    lines = labels.describe({s.dp_id: s.star for s in spectra})
    lacked = {s.dp_id for s in scan.spectra if _lacks_position(s)}
    n_filled = sum(s.dp_id in lacked and not _lacks_position(s) for s in spectra)
    if not n_filled:
        return lines
    given = f"gives ra and dec of {n_filled:,} spectra whose headers have none"
    return (*lines, f"{labels.path.name}: {given}")
