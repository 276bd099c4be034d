"""The trained model to take away: as a SavedModel, and as a page of sliders."""

from __future__ import annotations

from pathlib import Path

from stellar_tf.analysis.dimensions import describe_dimensions
from stellar_tf.analysis.files import has_analysis, read_analysis
from stellar_tf.inference.graph import load_graph
from stellar_tf.run import Run
from stellar_tf.saved_model.assets import write_assets
from stellar_tf.saved_model.model_card import write_model_card
from stellar_tf.saved_model.signatures import write_signatures
from stellar_tf.saved_model.warmup import write_warmup
from tfrecords_tools.durable import partial_path, put_in_place
from tfrecords_tools.errors import UserError


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
        If `out` is no folder.

    Notes
    -----
    The signatures are the methods of `ModelGraph`; docs/saved_model.md has them in
    full. Beside the graph stand a model card (README.md) and, in assets.extra, the
    grid, the flags, the meaning of the dimensions and warm-up requests.
    """
    if out.exists() and not out.is_dir():
        raise ExportError(f"{out}: is a file; give the folder of all versions")
    graph = load_graph(run)
    config = graph.config
    analysis = (
        read_analysis(run.analysis, config.model.n_latent)
        if has_analysis(run.analysis)
        else None
    )
    dimensions = () if analysis is None else describe_dimensions(analysis.verdict)
    # No server takes such a name for a version.
    with partial_path(out / "version") as partial:
        write_signatures(graph, partial)
        write_assets(config, dimensions, partial)
        write_warmup(graph, out.name, partial)
        write_model_card(run, graph, analysis, out.name, partial)
        return _publish(partial, out)


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
