"""Whether a data set is what its manifest says, and what its sources say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from tfrecords_tools.conversion.engine import local_engine
from tfrecords_tools.conversion.plan import path_from_text
from tfrecords_tools.conversion.prepare import prepare_spectrum
from tfrecords_tools.progress import show_progress
from tfrecords_tools.records.layout import PLAN_NAME, index_name, read_plan
from tfrecords_tools.records.manifest import (
    CHECKSUM_NAME,
    MANIFEST_NAME,
    Manifest,
    ShardInfo,
    hash_file,
    read_manifest,
)
from tfrecords_tools.records.schema import SchemaError, Value, pack_error
from tfrecords_tools.records.tfrecord import RecordError, read_records
from tfrecords_tools.spectrum import Metadata, SpectrumError
from tfrecords_tools.split import SPLITS
from tfrecords_tools.star import star_of

SAME_POSITION = 30.0
"""Stars of different names closer than this may be one [arcsec]."""


class Problem(NamedTuple):
    """Something that is not as it should be."""

    file: str
    """Path in the data set's folder."""
    what: str
    """One line."""


class Verification(NamedTuple):
    """What was found."""

    n_spectra: int
    """Records that were read and found right."""
    problems: list[Problem]
    """Empty for a data set that can be trusted."""
    neighbours: list[tuple[str, str, float]]
    """Stars of different names within `SAME_POSITION`, and their distance [arcsec]."""


class Source(NamedTuple):
    """Where a record comes from."""

    path: Path
    number: int
    """Of the spectrum in the file, from 0."""


class CheckedShard(NamedTuple):
    """What one shard holds."""

    stars: frozenset[str]
    n_good: int
    problems: list[Problem]


def verify(
    records: Path, *, deep: bool = False, n_workers: int = 1, progress: bool = True
) -> Verification:
    """
    Check every byte of a data set.

    Parameters
    ----------
    records : Path
        Folder that `convert` wrote.
    deep : bool, default False
        Whether to read every source again and compare with it.
    n_workers : int, default 1
        Processes.
    progress : bool
        Whether to show progress on stderr, if that is a terminal.

    Returns
    -------
    verification : Verification
        The problems name the file and, in a shard, the record.

    Raises
    ------
    ManifestError
        If the manifest cannot be read, is of another version or is not as it was
        written.
    """
    manifest = read_manifest(records)
    problems = [*_check_files(manifest), *_check_dp_ids(manifest.shards)]
    sources = _read_sources(manifest) if deep else None
    check = partial(check_shard, manifest=manifest, sources=sources)
    shards: list[CheckedShard] = []
    n_records = sum(shard.count for shard in manifest.shards)
    with (
        local_engine(n_workers) as engine,
        show_progress("Verifying records", n_records, progress) as advance,
    ):
        for info, checked in zip(
            manifest.shards, engine.map(check, manifest.shards), strict=True
        ):
            shards.append(checked)
            problems += checked.problems
            advance(info.count, info.count - checked.n_good)
    problems += _check_splits(manifest, shards)
    return Verification(
        sum(shard.n_good for shard in shards), problems, _find_neighbours(manifest)
    )


def check_shard(
    info: ShardInfo, manifest: Manifest, sources: Mapping[str, Source] | None
) -> CheckedShard:
    """
    Read one shard, record by record.

    Parameters
    ----------
    info : ShardInfo
        What it should hold.
    manifest : Manifest
        The data set.
    sources : mapping of str to Source, or None
        Where each dp_id comes from, to compare the flux with.

    Returns
    -------
    checked : CheckedShard
        Its stars, the number of good records and the problems.
    """
    path = manifest.folder / info.file
    if not path.is_file():
        return CheckedShard(frozenset(), 0, [Problem(info.file, "is missing")])
    problems: list[Problem] = []
    stars: set[str] = set()
    n_read = n_good = 0
    try:
        for index, record in enumerate(read_records(path)):
            n_read = index + 1
            star, reason = _check_record(record, index, info, manifest, sources)
            stars.add(star)
            if reason:
                problems.append(Problem(info.file, f"record {index}: {reason}"))
            n_good += not reason
    except RecordError as error:
        problems.append(Problem(info.file, str(error).removeprefix(f"{path}: ")))
    if n_read != info.count and not problems:
        reason = f"has {n_read} records, the manifest {info.count}"
        problems.append(Problem(info.file, reason))
    # CRCs are 32 bits, and nothing else covers what stands behind the last record.
    if not problems and hash_file(path) != info.sha256:
        problems.append(Problem(info.file, "does not fit its SHA-256"))
    return CheckedShard(frozenset(stars - {""}), n_good, problems)


def _check_record(
    record: bytes,
    index: int,
    info: ShardInfo,
    manifest: Manifest,
    sources: Mapping[str, Source] | None,
) -> tuple[str, str]:
    """Return the record's star, and what is wrong with it or an empty string."""
    try:
        flux, values = manifest.record_schema.decode(record)
        error = manifest.record_schema.decode_error(record)
    except SchemaError as reason:
        return "", str(reason)
    dp_id, star = str(values["dp_id"]), str(values["star"])
    if index >= info.count or dp_id != info.dp_ids[index]:
        return star, f"dp_id {dp_id} is not the manifest's"
    if sources is None:
        return star, ""
    return star, _compare_source(flux, values, error, sources.get(dp_id), manifest)


def _compare_source(
    flux: NDArray[np.float32],
    values: Mapping[str, Value],
    error: NDArray[np.float32] | None,
    source: Source | None,
    manifest: Manifest,
) -> str:
    if source is None:
        return f"no source in {PLAN_NAME}"
    path, index = source
    try:
        fresh = prepare_spectrum(path, manifest.grid, manifest.config, index)
    except SpectrumError as reason:
        return f"source {path}: {reason}"
    schema, scale = manifest.record_schema, fresh.flux_scale
    stored = schema.unpack_flux(schema.pack_flux(fresh.flux, scale), scale)
    if not np.array_equal(flux, stored, equal_nan=True):
        return f"flux differs from its source {path}"
    content = pack_error(fresh.error, fresh.median_flux)
    again = schema.unpack_error(content, fresh.median_flux)
    if error is None or again is None:
        same = error is again
    else:
        same = np.array_equal(error, again, equal_nan=True)
    if not same:
        return f"errors differ from those of its source {path}"
    name = _find_difference(values, fresh.metadata, manifest)
    return f"{name} differs from that of its source {path}" if name else ""


def _find_difference(
    values: Mapping[str, Value], fresh: Metadata, manifest: Manifest
) -> str:
    """Return the first name of which a record and its source say something else."""
    star = star_of(fresh.target, fresh.dp_id, manifest.config.aliases)
    of_source = {**vars(fresh), "star": star}
    for name, value in of_source.items():
        stored = np.float32(value) if isinstance(value, float) else value
        is_unknown = value != value and values[name] != values[name]
        # Positions may be those of a label table.
        if name not in ("ra", "dec") and values[name] != stored and not is_unknown:
            return name
    return ""


def _check_files(manifest: Manifest) -> Iterator[Problem]:
    """Check all files but the shards, and that there are no others."""
    folder = manifest.folder
    if not (folder / CHECKSUM_NAME).is_file():
        yield Problem(CHECKSUM_NAME, "is missing")
    for name, sha256 in manifest.files.items():
        path = folder / name
        if not path.is_file():
            yield Problem(name, "is missing")
        elif hash_file(path) != sha256:
            yield Problem(name, "does not fit its SHA-256")
    shards = {shard.file for shard in manifest.shards}
    known = {MANIFEST_NAME, CHECKSUM_NAME, *manifest.files, *shards}
    for shard in shards:
        if index_name(shard) not in manifest.files:
            yield Problem(MANIFEST_NAME, f"lists no index of {shard}")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known:
            yield Problem(name, "is not of this data set")


def _check_dp_ids(shards: Iterable[ShardInfo]) -> Iterator[Problem]:
    counts = Counter(dp_id for shard in shards for dp_id in shard.dp_ids)
    for dp_id, n in counts.items():
        if n > 1:
            yield Problem(MANIFEST_NAME, f"dp_id {dp_id} has {n} records")


def _check_splits(
    manifest: Manifest, shards: Sequence[CheckedShard]
) -> Iterator[Problem]:
    stars: dict[str, set[str]] = {split: set() for split in SPLITS}
    for info, checked in zip(manifest.shards, shards, strict=True):
        stars[info.split] |= checked.stars
    counts = Counter(star for members in stars.values() for star in members)
    if manifest.config.split_by == "visit":
        counts.clear()  # a star may be in all of them
    for star in sorted(star for star, n in counts.items() if n > 1):
        splits = ", ".join(split for split in SPLITS if star in stars[split])
        yield Problem(MANIFEST_NAME, f"star {star} is in several splits: {splits}")
    for split in SPLITS:
        total = sum(s.count for s in manifest.shards if s.split == split)
        if total != manifest.n_spectra(split):
            yield Problem(MANIFEST_NAME, f"the counts of {split} do not add up")


def _read_sources(manifest: Manifest) -> dict[str, Source]:
    return {
        row["dp_id"]: Source(path_from_text(row["path"]), int(row["spectrum"]))
        for row in read_plan(manifest.folder)
        if row.get("dp_id") and row.get("path") and row.get("spectrum", "").isdecimal()
    }


def _find_neighbours(manifest: Manifest) -> list[tuple[str, str, float]]:
    """List stars whose names differ and whose positions do not."""
    positions: dict[str, tuple[float, float]] = {}
    for row in read_plan(manifest.folder):
        try:
            position = float(row["ra"]), float(row["dec"])
        except (KeyError, TypeError, ValueError):
            continue
        if np.isfinite(position).all() and abs(position[1]) <= 90.0:
            positions.setdefault(row["star"], position)
    if len(positions) < 2:
        return []
    names = list(positions)
    sky = SkyCoord(np.array(list(positions.values())), unit="deg")
    first, second, distance, _ = sky.search_around_sky(sky, SAME_POSITION * u.arcsec)
    return [
        (names[i], names[j], float(d.to_value(u.arcsec)))
        for i, j, d in zip(first, second, distance, strict=True)
        if i < j
    ]
