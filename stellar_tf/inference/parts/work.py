"""What a worker does: one part, from spectra to a file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stellar_tf.analysis.labels.estimates import estimate_labels
from stellar_tf.inference.latents import Columns, scale_log_var, sort_columns
from stellar_tf.inference.parts.journal import PartsJournal, WrittenPart
from stellar_tf.inference.parts.plan import PartPlan
from stellar_tf.parts import PartInfo, PartWriter
from tfrecords_tools.conversion.inputs import InputError
from tfrecords_tools.conversion.scan import Reject
from tfrecords_tools.durable import partial_path, put_in_place
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import Manifest, hash_file

if TYPE_CHECKING:
    from stellar_tf.inference.spectrum_model import SpectrumModel

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
"""Spectra encoded at a time, the last of a part filled up: the last digits of products
of matrices depend on their size."""
_N_THREADS = 1
"""Of one operation: sums may depend on how many share them. More processes use more."""


class ModelChangedError(UserError):
    """A model is not the one that the encoding began with; the message names it."""


@dataclass(frozen=True)
class ModelSource:
    """A model that every worker loads."""

    load: Callable[[Path], SpectrumModel]
    """A function of a module, which can be pickled."""
    folder: Path
    """A run, or a version of an exported model."""
    files: tuple[tuple[Path, str], ...]
    """Its files, each with its SHA-256."""


class PartSettings(NamedTuple):
    """What is the same for all parts."""

    model: ModelSource
    manifest: Manifest | None
    """Of the records, without its shards; None for files."""
    scale: tuple[float, ...] | None
    """What each dimension's posterior width is multiplied by."""


def encode_part(plan: PartPlan, out: Path, settings: PartSettings) -> WrittenPart:
    """
    Write one part of an encoding under way and note that it is done.

    Parameters
    ----------
    plan : PartPlan
        Which spectra.
    out : Path
        Folder of the parts to be.
    settings : PartSettings
        What is the same for all parts.

    Returns
    -------
    written : WrittenPart
        What became of them.

    Raises
    ------
    ModelChangedError
        If the model's files are others than when the encoding began.
    InputError
        If a file changes while it is encoded.
    RecordError
        If a record cannot be read.

    Notes
    -----
    It may be called more than once for the same part, even at the same time: each call
    writes under a name of its own and renames, and all write the same bytes.
    """
    with _loading:
        model = _load(settings.model)
    journal = PartsJournal(out)
    written = _write(plan, journal.staging / plan.file, model, settings)
    for file in plan.files:
        if not file.is_current:
            raise InputError(
                f"{file.path}: has changed since the encoding began; the same command "
                f"takes it as it is now"
            )
    journal.write_part(plan, written)
    return written


_loading = threading.Lock()
"""Some runners of Beam work in threads: one of them loads."""


@lru_cache(maxsize=1)
def _load(source: ModelSource) -> SpectrumModel:
    _limit_threads()
    model = source.load(source.folder)
    for path, sha256 in source.files:
        if not path.is_file() or hash_file(path) != sha256:
            raise ModelChangedError(
                f"{path}: has changed since the encoding began; begin again with "
                f"overwrite=True"
            )
    return model


def _limit_threads() -> None:
    import tensorflow as tf

    threading_config = tf.config.threading
    if threading_config.get_intra_op_parallelism_threads() == _N_THREADS:
        return
    try:
        threading_config.set_intra_op_parallelism_threads(_N_THREADS)
    except RuntimeError:  # TensorFlow is at work here already
        logger.warning(
            "TensorFlow uses several threads in this process: the last digits may "
            "differ from those of other workers"
        )


def _write(
    plan: PartPlan, path: Path, model: SpectrumModel, settings: PartSettings
) -> WrittenPart:
    rejects: list[tuple[Path, str]] = []
    n_flagged = 0
    with partial_path(path) as partial:
        with PartWriter(partial) as writer:
            for columns in _encode(plan, model, settings, rejects):
                n_flagged += int(np.count_nonzero(columns["flags"]))
                writer.write(columns)
        n_rows, n_bytes, sha256 = writer.n_rows, 0, ""
        if n_rows:
            n_bytes, sha256 = partial.stat().st_size, hash_file(partial)
            put_in_place(partial, path)
    info = PartInfo(file=plan.file, n_rows=n_rows, n_bytes=n_bytes, sha256=sha256)
    return WrittenPart(info, plan.n_planned, n_flagged, [Reject(*r) for r in rejects])


def _encode(
    plan: PartPlan,
    model: SpectrumModel,
    settings: PartSettings,
    rejects: list[tuple[Path, str]],
) -> Iterator[Columns]:
    if plan.shard is None or settings.manifest is None:
        paths = [file.path for file in plan.files]
        batches = model.encode_files(paths, rejects, BATCH_SIZE, fill=True)
    else:
        shard = replace(settings.manifest, shards=(plan.shard,))
        batches = model.encode_split(shard, plan.shard.split, BATCH_SIZE, fill=True)
    maps = model.unit_maps, model.joint_maps
    scale = None if settings.scale is None else np.array(settings.scale)
    for columns in batches:
        estimates = estimate_labels(
            columns["z_mean"], columns["z_log_var"], columns["flags"], *maps, scale
        )
        if scale is not None:
            wider = scale_log_var(columns["z_log_var"], scale)
            columns = {**columns, "z_log_var": wider}
        told = {column.name: np.asarray(column) for column in estimates.itercols()}
        yield sort_columns({**told, **columns})
