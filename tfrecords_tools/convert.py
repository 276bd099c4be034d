"""From FITS files to a data set of records: the whole conversion."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tfrecords_tools.catalog import Labels, read_labels
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.errors import UserError
from tfrecords_tools.grid import Grid
from tfrecords_tools.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    SplitInfo,
    read_manifest,
)
from tfrecords_tools.plan import plan_shards, scan_files, write_plan, write_rejects
from tfrecords_tools.prepare import PreparedSpectrum, prepare_spectrum
from tfrecords_tools.progress import show_progress
from tfrecords_tools.schema import SPECTRUM_NAMES, RecordSchema
from tfrecords_tools.shards import (
    ShardSettings,
    WrittenShard,
    records_per_shard,
    write_shard,
)
from tfrecords_tools.split import SPLITS, Split
from tfrecords_tools.tfds import write_tfds_metadata

__all__ = [
    "ConversionSummary",
    "ConvertError",
    "Manifest",
    "OutputExistsError",
    "PreparedSpectrum",
    "convert",
    "discover",
    "prepare_spectrum",
    "read_manifest",
]

_ENDINGS = (".fits", ".fits.gz")


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
    labels_left_out: tuple[str, ...]
    """Columns of the label table that every record has of its own."""


def discover(inputs: Sequence[Path]) -> list[Path]:
    """
    List the files to convert.

    Parameters
    ----------
    inputs : sequence of Path
        Folders, searched with all below them for ``*.fits`` and ``*.fits.gz``, and
        files, taken whatever their name.

    Returns
    -------
    files : list of Path
        Sorted, each once.

    Raises
    ------
    ConvertError
        If an input does not exist, or there is no file at all.
    """
    files: set[Path] = set()
    for path in inputs:
        if path.is_dir():
            files.update(_walk(path))
        elif path.exists():
            files.add(path)
        else:
            raise ConvertError(f"{path}: does not exist")
    if not files:
        listed = ", ".join(str(path) for path in inputs)
        raise ConvertError(f"no FITS files (*.fits, *.fits.gz) in: {listed}")
    return sorted(files)


def convert(
    inputs: Sequence[Path],
    out: Path,
    grid: Grid,
    config: ConvertConfig,
    labels: Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> ConversionSummary:
    """
    Convert FITS files to a data set of records.

    Parameters
    ----------
    inputs : sequence of Path
        Files and folders, see `discover`.
    out : Path
        Folder of the data set; it appears when it is complete.
    grid : Grid
        The wavelengths of the data set.
    config : ConvertConfig
        What is taken, and how it is laid out.
    labels : Path, optional
        Table of labels, see `catalog.read_labels`.
    overwrite : bool
        Whether to replace a data set that is there.
    progress : bool
        Whether to show progress on stderr, if that is a terminal.

    Returns
    -------
    summary : ConversionSummary
        Files that are not taken are listed in rejects.csv with their reason.

    Raises
    ------
    ConvertError
        If an input is missing, or the output exists and may not be replaced.
    LabelError
        If the label table cannot be used.

    Notes
    -----
    A label named like a feature of every record, such as ra, is left out: what the
    file itself says goes before. The summary names the labels left out.
    """
    files = discover(inputs)
    _check_output(out, overwrite)
    table, left_out = _read_labels(labels, config)
    schema = RecordSchema.with_labels(grid.n_pixels, table.columns if table else ())
    settings = ShardSettings(grid, config, schema, table)

    with _staging(out) as folder:
        with show_progress("Reading headers", len(files), progress) as advance:
            scan = scan_files(files, config, advance)
        plans = plan_shards(scan.spectra, records_per_shard(grid, config))
        write_plan(plans, folder)
        with show_progress("Writing records", len(scan.spectra), progress) as advance:
            shards = [write_shard(plan, folder, settings, advance) for plan in plans]
        rejects = [*scan.rejects, *(r for shard in shards for r in shard.rejects)]
        write_rejects(rejects, folder)
        infos = tuple(shard.info for shard in shards)
        write_tfds_metadata(folder, schema, infos)
        manifest = Manifest(
            folder=folder,
            schema_version=SCHEMA_VERSION,
            grid=grid,
            config=config,
            record_schema=schema,
            labels_file="" if labels is None else str(labels),
            n_rejected=len(rejects),
            splits={split: _total(split, shards) for split in SPLITS},
            shards=infos,
        )
        manifest.write()
    return _summarize(manifest, shards, table, left_out)


def _walk(folder: Path) -> Iterator[Path]:
    # os.walk does not follow links to folders, so it ends.
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith(_ENDINGS):
                yield Path(parent, name)


def _check_output(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise OutputExistsError(f"{out}: exists (use --overwrite to replace it)")
    if not (out / MANIFEST_NAME).is_file():
        raise OutputExistsError(f"{out}: is no data set, so it is not overwritten")


def _read_labels(
    path: Path | None, config: ConvertConfig
) -> tuple[Labels | None, tuple[str, ...]]:
    if path is None:
        return None, ()
    labels = read_labels(path, config.aliases)
    names = [column.name for column in labels.columns]
    left_out = tuple(name for name in names if name in SPECTRUM_NAMES)
    return labels.without(left_out), left_out


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """Give a folder beside the output that takes its place if all goes well."""
    folder = out.with_name(f".{out.name}.{os.getpid()}.partial")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    folder.mkdir(parents=True)
    try:
        yield folder
        if out.exists():
            out.rename(old)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _total(split: Split, shards: Iterable[WrittenShard]) -> SplitInfo:
    spectra = [s for w in shards if w.info.split == split for s in w.spectra]
    stars = sorted({spectrum.star for spectrum in spectra})
    return SplitInfo(n_spectra=len(spectra), stars=tuple(stars))


def _summarize(
    manifest: Manifest,
    shards: Iterable[WrittenShard],
    labels: Labels | None,
    left_out: tuple[str, ...],
) -> ConversionSummary:
    spectra = [spectrum for shard in shards for spectrum in shard.spectra]
    matches = [labels.match(s.dp_id, s.star) for s in spectra] if labels else []
    return ConversionSummary(
        n_taken=len(spectra),
        n_rejected=manifest.n_rejected,
        n_spectra={split: total.n_spectra for split, total in manifest.splits.items()},
        n_stars={split: len(total.stars) for split, total in manifest.splits.items()},
        n_labelled=matches.count("matched"),
        n_ambiguous=matches.count("ambiguous"),
        labels_left_out=left_out,
    )
