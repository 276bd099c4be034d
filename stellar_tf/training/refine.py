"""The second part of a fit: measuring what the first discovered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from stellar_tf.analysis.files import has_analysis, read_analysis
from stellar_tf.config import Config, ConfigError, describe_error
from stellar_tf.config.refinement import refine_config
from stellar_tf.history import read_history
from stellar_tf.run import Run, RunError, check_split, open_records
from stellar_tf.training.fit import start
from stellar_tf.training.request import FitRequest, describe_records
from tfrecords_tools.records.manifest import hash_file

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def refine(
    source: Path,
    run_folder: Path | None,
    config: Config,
    strategy: str | tf.distribute.Strategy = "single",
    *,
    records: Path | None = None,
    devices: int | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Go on from a run with a likelihood, in the dimensions that its verdict found.

    Parameters
    ----------
    source : Path
        Folder of a run that is finished, encoded and analysed.
    run_folder : Path or None
        Folder of the refined run; by default "refined" in the source.
    config : Config
        Settings that shall differ from what `refine_config` lays out.
    strategy : str or tf.distribute.Strategy, default "single"
        As of `stellar_tf.training.fit.fit`, as all that follows.
    records : Path, optional
        Records to train on; by default those of the source.
    devices : int, optional
        Replicas of "mirrored".
    skip_corrupt : bool, default False
        Whether to look for corrupt records first and do without them.
    overwrite : bool, default False
        Whether to replace a run that is there instead of continuing it.
    progress : bool, default True
        Whether to show steps, rate and the terms of the loss on stderr.
    extra_callbacks : sequence of keras.callbacks.Callback
        Further callbacks.

    Returns
    -------
    run : Run
        The refined run, which encodes by `stellar_tf.network.gauss_newton`.

    Raises
    ------
    RunError
        If the source is not finished, has no verdict, or none of its dimensions is
        informative; and as of `fit`.
    ConfigError, CorruptRecordsError, EmptySplitError, GridError, TrainingError
        As of `fit`.
    """
    run = Run(source)
    dimensions = find_dimensions(run)
    folder = Path(run.read_records()["folder"]) if records is None else records
    manifest = open_records(run, folder)
    for split in ("train", "validation"):
        check_split(manifest, split)
    try:
        whole = refine_config(run.read_config(), config, len(dimensions))
    except ValidationError as error:
        raise ConfigError(f"{run.config_path}: {describe_error(error)}") from None
    origin = {
        **describe_records(manifest),
        "init_from_sha256": hash_file(run.find_model()),
        "refines": str(run.folder.resolve()),
        "dimensions": list(dimensions),
    }
    request = FitRequest(
        manifest,
        Run(run_folder or run.refined),
        config,
        whole.model_copy(update={"convert": manifest.config}),
        origin,
        run,
        None,
        overwrite,
        dimensions,
    )
    return start(
        request,
        strategy,
        devices=devices,
        skip_corrupt=skip_corrupt,
        progress=progress,
        extra_callbacks=extra_callbacks,
    )


def find_dimensions(run: Run) -> tuple[int, ...]:
    """
    Find the dimensions that a run's verdict calls independently informative.

    One that repeats others would leave a direction along which spectra hardly change,
    and the widths of all that share it would be wide.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    dimensions : tuple of int
        Ascending.

    Raises
    ------
    RunError
        If the run is not finished, has no verdict, or there are none.
    """
    config = run.read_config()
    run.find_model()
    n_done, n_steps = _count_steps(run), config.training.n_steps
    if n_done is not None and n_done < n_steps:
        raise RunError(
            f"{run.folder}: has made {n_done} of {n_steps} steps; run stellar-tf fit "
            f"again, which goes on"
        )
    if not has_analysis(run.analysis):
        raise RunError(
            f"{run.folder}: has no verdict yet; run stellar-tf encode and then "
            f"stellar-tf analyze"
        )
    verdict = read_analysis(run.analysis, config.model.n_latent).verdict
    kept = np.asarray(verdict["independent"], bool)
    dimensions = np.sort(verdict["dimension"][kept])
    if not dimensions.size:
        raise RunError(f"{run.folder}: none of its dimensions is informative")
    return tuple(int(dimension) for dimension in dimensions)


def _count_steps(run: Run) -> int | None:
    """Count the steps made until the last validation; None if they are not known."""
    if not run.history_path.is_file():  # the weights come from elsewhere
        return None
    history = read_history(run.history_path)
    if not history.rows:
        return 0
    return int(float(history.rows[-1][history.names.index("step")]))
