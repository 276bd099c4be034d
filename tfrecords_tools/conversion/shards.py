"""One shard: a file of records, written from its plan and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.inputs import InputError
from tfrecords_tools.conversion.plan import Assumption, ShardPlan
from tfrecords_tools.conversion.prepare import PreparedSpectrum, prepare_spectrum
from tfrecords_tools.conversion.scan import PlannedSpectrum, Reject
from tfrecords_tools.durable import replacing
from tfrecords_tools.grid import Grid
from tfrecords_tools.labels.lookup import Labels
from tfrecords_tools.records.layout import write_index
from tfrecords_tools.records.manifest import ShardInfo
from tfrecords_tools.records.schema import RecordSchema, Value
from tfrecords_tools.records.tfrecord import RecordWriter
from tfrecords_tools.spectrum import SpectrumError, UnreadableError

_MIB = 2**20
_OVERHEAD = 2048
"""Bytes of a record beside its flux, roughly."""


class WrittenShard(NamedTuple):
    """What became of the spectra of a plan."""

    info: ShardInfo
    rejects: list[Reject]
    assumptions: list[Assumption]
    """What is taken for granted of those that were written."""
    n_with_spikes: int
    """How many of them have pixels that are bad for being far from all others."""
    n_with_errors: int
    """How many of the records hold errors of the flux."""

    @property
    def n_planned(self) -> int:
        """Spectra of the plan."""
        return self.info.count + len(self.rejects)


class ShardSettings(NamedTuple):
    """What all shards of a data set share."""

    grid: Grid
    config: ConvertConfig
    schema: RecordSchema
    labels: Labels | None


def records_per_shard(
    grid: Grid, config: ConvertConfig, share_with_errors: float = 0.0
) -> int:
    """
    Count the records that make a shard of the size wanted.

    Parameters
    ----------
    grid : Grid
        The wavelengths of the data set.
    config : ConvertConfig
        Its `shard_mib` and `flux_dtype`.
    share_with_errors : float, default 0
        Of the records, those that hold errors, too.

    Returns
    -------
    n_records : int
        At least one.
    """
    of_flux = np.dtype(config.flux_dtype).itemsize
    of_error = np.dtype(np.float16).itemsize * share_with_errors
    record = grid.n_pixels * (of_flux + of_error) + _OVERHEAD
    return max(1, round(config.shard_mib * _MIB / record))


def write_shard(
    plan: ShardPlan,
    folder: Path,
    settings: ShardSettings,
) -> WrittenShard:
    """
    Read the spectra of a plan and write their records and the index of these.

    Parameters
    ----------
    plan : ShardPlan
        Which spectra.
    folder : Path
        The data set. The shard has a temporary name until it is complete, and is then
        on the disk but for a name that is new.
    settings : ShardSettings
        What is the same for all shards.

    Returns
    -------
    written : WrittenShard
        A spectrum that is not taken is absent from the records.

    Raises
    ------
    InputError
        If a file cannot be read any more, since nothing says that it is bad, or is
        another than the one whose headers were read.
    """
    dp_ids: list[str] = []
    rejects: list[Reject] = []
    assumptions: list[Assumption] = []
    n_with_spikes = n_with_errors = 0
    path = folder / plan.file
    # What lacks its name after a power cut is written again; an older shard is not.
    whole = replacing(path, for_good=path.exists())
    with whole as partial, RecordWriter(partial) as writer:
        for spectrum, made in _make_records(plan, settings):
            if isinstance(made, Reject):
                rejects.append(made)
                continue
            writer.write(made.record)
            dp_ids.append(spectrum.dp_id)
            place = spectrum.path, spectrum.number, spectrum.dp_id
            assumptions += [Assumption(*place, what) for what in made.assumptions]
            n_with_spikes += made.has_spikes
            n_with_errors += made.has_error
    write_index(writer.offsets, folder, plan.file)
    info = ShardInfo(
        file=plan.file,
        split=plan.split,
        count=len(dp_ids),
        n_bytes=writer.offsets[-1],
        sha256=writer.sha256,
        dp_ids=tuple(dp_ids),
    )
    return WrittenShard(info, rejects, assumptions, n_with_spikes, n_with_errors)


class _Made(NamedTuple):
    """A record, and what else is known of its spectrum."""

    record: bytes
    assumptions: tuple[str, ...]
    has_spikes: bool
    has_error: bool


def _make_records(
    plan: ShardPlan, settings: ShardSettings
) -> Iterator[tuple[PlannedSpectrum, _Made | Reject]]:
    """Make records in the order of the plan, those of one file one after the other."""
    spectra = list(plan.spectra)
    order = sorted(range(len(spectra)), key=lambda i: spectra[i][:2])
    n_files = len({spectrum.path for spectrum in spectra})
    if n_files == len(spectra):  # all of one spectrum: none has to wait
        order = list(range(len(spectra)))
    waiting: dict[int, _Made | Reject] = {}
    n_done = 0
    for i in order:
        waiting[i] = _make_record(spectra[i], settings)
        while n_done in waiting:
            yield spectra[n_done], waiting.pop(n_done)
            n_done += 1


def _make_record(spectrum: PlannedSpectrum, settings: ShardSettings) -> _Made | Reject:
    try:
        prepared = prepare_spectrum(
            spectrum.path, settings.grid, settings.config, spectrum.number
        )
    except UnreadableError as error:
        raise InputError(
            f"{spectrum.path}: {error}, though its header was read before; bring it "
            f"back, and the same command continues"
        ) from None
    except SpectrumError as error:
        _check_unchanged(spectrum)
        return Reject(spectrum.path, str(error), spectrum.number)
    _check_unchanged(spectrum)
    values = record_values(prepared, spectrum, settings)
    record = settings.schema.encode(prepared.flux, values, prepared.error)
    has_spikes, has_error = prepared.n_spikes > 0, prepared.error is not None
    return _Made(record, prepared.assumptions, has_spikes, has_error)


def _check_unchanged(spectrum: PlannedSpectrum) -> None:
    """Make sure, once it is read, that star and split are those of this content."""
    if not spectrum.is_current:
        raise InputError(
            f"{spectrum.path}: has changed since its header was read; the same command "
            f"reads it again"
        )


def record_values(
    prepared: PreparedSpectrum, spectrum: PlannedSpectrum, settings: ShardSettings
) -> dict[str, Value]:
    """
    Collect the values of a record, beside its flux.

    Parameters
    ----------
    prepared : PreparedSpectrum
        The spectrum.
    spectrum : PlannedSpectrum
        Its name and place.
    settings : ShardSettings
        What is known beside, and which features there are.

    Returns
    -------
    values : dict of str to float or str
        By the names of the schema's features.
    """
    metadata = prepared.metadata
    # The header's, or those of a label table where it has none.
    placed = spectrum.placed(settings.labels)
    return {
        **_label_values(spectrum, settings),
        **vars(metadata),
        "star": spectrum.star,
        "ra": placed.ra,
        "dec": placed.dec,
        "flux_scale": prepared.flux_scale,
        "median_flux": prepared.median_flux,
        "phase_error": prepared.phase_error,
        "n_spikes": float(prepared.n_spikes),
        "history": "; ".join(prepared.history),
    }


def _label_values(
    spectrum: PlannedSpectrum, settings: ShardSettings
) -> dict[str, Value]:
    """Take labels of the table where it has them, else what the file itself says."""
    labels = settings.labels
    of_table = labels.lookup(spectrum.dp_id) if labels else {}
    values: dict[str, Value] = {}
    for feature in settings.schema.labels:
        unknown: Value = "" if feature.kind == "string" else math.nan
        value = of_table.get(feature.name, unknown)
        if value == "" or value != value:
            value = spectrum.labels.get(feature.name, unknown)
        is_known = feature.kind == "string" or not isinstance(value, str)
        as_text = feature.kind == "string" and not isinstance(value, str)
        values[feature.name] = str(value) if as_text else value if is_known else unknown
    return values
