"""One shard: a file of records, written from its plan and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.inputs import InputError
from tfrecords_tools.conversion.plan import PlannedSpectrum, Reject, ShardPlan
from tfrecords_tools.conversion.prepare import PreparedSpectrum, prepare_spectrum
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
    """What became of the files of a plan."""

    info: ShardInfo
    rejects: list[Reject]

    @property
    def n_files(self) -> int:
        """Files of the plan."""
        return self.info.count + len(self.rejects)


class ShardSettings(NamedTuple):
    """What all shards of a data set share."""

    grid: Grid
    config: ConvertConfig
    schema: RecordSchema
    labels: Labels | None


def records_per_shard(grid: Grid, config: ConvertConfig) -> int:
    """Count the records that make a shard of the size wanted."""
    record = grid.n_pixels * np.dtype(config.flux_dtype).itemsize + _OVERHEAD
    return max(1, round(config.shard_mib * _MIB / record))


def write_shard(
    plan: ShardPlan,
    folder: Path,
    settings: ShardSettings,
) -> WrittenShard:
    """
    Read the files of a plan and write their records and the index of these.

    Parameters
    ----------
    plan : ShardPlan
        Which files.
    folder : Path
        The data set. The shard has a temporary name until it is complete.
    settings : ShardSettings
        What is the same for all shards.

    Returns
    -------
    written : WrittenShard
        A file that is not taken is absent from the records.

    Raises
    ------
    InputError
        If a file cannot be read any more: nothing says that it is bad.
    """
    dp_ids: list[str] = []
    rejects: list[Reject] = []
    with replacing(folder / plan.file) as partial, RecordWriter(partial) as writer:
        for spectrum in plan.spectra:
            try:
                prepared = prepare_spectrum(
                    spectrum.path, settings.grid, settings.config
                )
            except UnreadableError as error:
                raise InputError(
                    f"{spectrum.path}: {error}, though its header was read before; "
                    f"bring it back, and the same command continues"
                ) from None
            except SpectrumError as error:
                rejects.append(Reject(spectrum.path, str(error)))
                continue
            values = record_values(prepared, spectrum, settings.labels)
            writer.write(settings.schema.encode(prepared.flux, values))
            dp_ids.append(spectrum.dp_id)
    write_index(writer.offsets, folder, plan.file)
    info = ShardInfo(
        file=plan.file,
        split=plan.split,
        count=len(dp_ids),
        n_bytes=writer.offsets[-1],
        sha256=writer.sha256,
        dp_ids=tuple(dp_ids),
    )
    return WrittenShard(info, rejects)


def record_values(
    prepared: PreparedSpectrum, spectrum: PlannedSpectrum, labels: Labels | None
) -> dict[str, Value]:
    """
    Collect the values of a record, beside its flux.

    Parameters
    ----------
    prepared : PreparedSpectrum
        The spectrum.
    spectrum : PlannedSpectrum
        Its name and place.
    labels : Labels or None
        What is known beside.

    Returns
    -------
    values : dict of str to float or str
        By the names of the schema's features.
    """
    metadata = prepared.metadata
    return {
        **(labels.lookup(spectrum.dp_id) if labels else {}),
        **vars(metadata),
        "star": spectrum.star,
        # The header's, or those of a label table where it has none.
        "ra": spectrum.ra,
        "dec": spectrum.dec,
        "flux_scale": prepared.flux_scale,
        "median_flux": prepared.median_flux,
        "phase_error": prepared.phase_error,
        "history": "; ".join(prepared.history),
    }
