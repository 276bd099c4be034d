"""The trained model to take away: as a SavedModel, and as a page of sliders."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from stellar_tf.analysis.dimensions import describe_dimensions
from stellar_tf.analysis.files import (
    JOINT_MAPS_NAME,
    has_analysis,
    read_analysis,
    read_coverage,
    read_joint_maps,
    read_unit_maps,
)
from stellar_tf.analysis.labels.joint_map_file import save_joint_maps
from stellar_tf.inference.graph import ModelGraph, load_graph
from stellar_tf.run import Run, is_run
from stellar_tf.saved_model.assets import EXTRA, write_assets
from stellar_tf.saved_model.model_card import write_model_card
from stellar_tf.saved_model.warmup import write_warmup
from tfrecords_tools.durable import partial_path, put_in_place, remove_partial_of
from tfrecords_tools.errors import UserError
from tfrecords_tools.lock import writing
from tfrecords_tools.records.manifest import is_records

_VERSION = "version"
"""What one is named until it is complete: no server takes such a name for one."""


class ExportError(UserError):
    """A model cannot be written where it was asked for."""


def export(run: Run, out: Path) -> Path:
    """
    Write the best model of a run as the next version of a served model.

    Parameters
    ----------
    run : Run
        The run.
    out : Path
        Folder of the model, MODELS/NAME; versions are numbered folders in it.

    Returns
    -------
    version : Path
        The new version's folder.

    Raises
    ------
    ExportError
        If `out` is no folder, or one of something else.
    BusyError
        If another process is exporting to it.

    Notes
    -----
    The signatures are the methods of `ModelGraph`; docs/saved_model.md has them in
    full. Beside the graph stand a model card (README.md) and, in assets.extra, the
    grid, the flags, the meaning of the dimensions and warm-up requests.
    """
    if out.exists() and not out.is_dir():
        raise ExportError(f"{out}: is a file; give the folder of all versions")
    if is_run(out) or is_records(out):
        raise ExportError(f"{out}: is a run or records; give the model its own folder")
    with writing(out):
        remove_partial_of(out / _VERSION)
        return _export(run, out)


def _export(run: Run, out: Path) -> Path:
    graph = load_graph(run)
    config = graph.config
    analysis = (
        read_analysis(run.analysis, config.model.n_latent)
        if has_analysis(run.analysis)
        else None
    )
    dimensions = () if analysis is None else describe_dimensions(analysis.verdict)
    unit_maps = read_unit_maps(run.analysis)
    joint_maps = read_joint_maps(run.analysis)
    coverage = read_coverage(run.analysis)
    with partial_path(out / _VERSION) as partial:
        _write_signatures(graph, partial)
        write_assets(config, dimensions, unit_maps, partial)
        save_joint_maps(joint_maps, partial / EXTRA / JOINT_MAPS_NAME)
        write_warmup(graph, out.name, partial)
        write_model_card(run, graph, analysis, unit_maps, coverage, out.name, partial)
        return _publish(partial, out)


def _write_signatures(graph: ModelGraph, folder: Path) -> None:
    """Write a SavedModel, which needs nothing but TensorFlow to be loaded."""
    config = graph.config
    flux = tf.TensorSpec((None, config.grid.n_pixels), tf.float32, name="flux")
    z = tf.TensorSpec((None, config.model.n_latent), tf.float32, name="z")
    spectrum = [
        tf.TensorSpec((None,), tf.float64, name="wave"),
        tf.TensorSpec((None,), tf.float32, name="flux"),
    ]
    archive = keras.export.ExportArchive()
    # Without archive.track, which would store every weight twice: endpoints bring
    # theirs along. The first becomes serving_default.
    archive.add_endpoint("encode", graph.encode, [flux])
    archive.add_endpoint("encode_spectrum", graph.encode_spectrum, spectrum)
    archive.add_endpoint("decode", graph.decode, [z])
    archive.add_endpoint("reconstruct", graph.reconstruct, [flux])
    archive.add_endpoint("normalise", graph.normalise, [flux])
    archive.write_out(str(folder), verbose=False)


def _publish(partial: Path, out: Path) -> Path:
    """Give a complete version the next number that is free."""
    while True:
        version = out / str(_next_version(out))
        try:
            put_in_place(partial, version)
        except OSError:
            if not version.exists():
                raise
            # Another export has just taken the number.
        else:
            return version


def _next_version(out: Path) -> int:
    versions = [int(p.name) for p in out.glob("*") if p.name.isdecimal()]
    return max(versions, default=0) + 1
