"""Fitting: the request is checked, then TensorFlow is imported and trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.config import Config, ConfigError
from stellar_tf.run import Run
from stellar_tf.training.request import (
    FitRequest,
    check_place,
    check_replicas,
    check_request,
)
from tfrecords_tools.records.manifest import read_manifest

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def fit(
    records: Path,
    run_folder: Path,
    config: Config,
    strategy: str | tf.distribute.Strategy = "single",
    *,
    devices: int | None = None,
    minutes: float | None = None,
    init_from: Path | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Train on a folder of records, or continue a run that was interrupted.

    Parameters
    ----------
    records : Path
        Folder that `stellar-tf convert` wrote.
    run_folder : Path
        Folder for the history, the checkpoints and the best model; of several
        machines all must see it.
    config : Config
        The settings; the grid is taken from the records.
    strategy : str or tf.distribute.Strategy, default "single"
        As of `stellar_tf.training.strategy.build_strategy`, or from it.
    devices : int, optional
        Replicas of "mirrored".
    minutes : float, optional
        Train for as many steps as this time holds; they are counted once, when the run
        begins, and written into its settings [min].
    init_from : Path, optional
        Folder of a run whose best weights to begin with.
    skip_corrupt : bool, default False
        Whether to look for corrupt records first, log them and do without
        them.
    overwrite : bool, default False
        Whether to replace a run that is there instead of continuing it.
    progress : bool, default True
        Whether to show steps, rate and the terms of the loss on stderr.
    extra_callbacks : sequence of keras.callbacks.Callback
        Further callbacks.

    Returns
    -------
    run : Run
        The run folder's paths.

    Raises
    ------
    EmptySplitError
        If there is nothing to train on, or to validate with.
    RunError
        If the folder belongs to other settings or records, another fit is under way in
        it, or `init_from` is no run.
    StrategyError
        If the strategy cannot be had on this machine.
    CorruptRecordsError
        If a record cannot be read, unless such are skipped.
    ConfigError
        If the batch cannot be shared out equally among the replicas, the network does
        not fit the weights to begin with, several processes are to skip corrupt
        records or to count steps, or no steps fit into the time.
    TrainingError
        If the loss or a gradient is not finite ten times in a row.

    Notes
    -----
    A step whose loss or gradient is not finite is left out, logged and counted.
    However a run ends early, the same call goes on from its last checkpoint, in the
    same way as if it had not ended: order, augmentation and noise depend on the seed
    and the step alone. SIGINT and SIGTERM end it after the step under way, with a
    checkpoint.
    """
    if _is_multiworker(strategy) and minutes is not None:
        raise ConfigError("minutes works in one process only; set training.n_steps")
    request = check_request(
        read_manifest(records),
        Run(run_folder),
        config,
        minutes=minutes,
        init_from=None if init_from is None else Run(init_from),
        overwrite=overwrite,
    )
    return start(
        request,
        strategy,
        devices=devices,
        skip_corrupt=skip_corrupt,
        progress=progress,
        extra_callbacks=extra_callbacks,
    )


def start(
    request: FitRequest,
    strategy: str | tf.distribute.Strategy,
    *,
    devices: int | None,
    skip_corrupt: bool,
    progress: bool,
    extra_callbacks: Sequence[keras.callbacks.Callback],
) -> Run:
    """
    Train what is asked for, or go on with it.

    Parameters
    ----------
    request : FitRequest
        Free of mistakes as far as the records and settings go.
    strategy, devices, skip_corrupt, progress, extra_callbacks
        As of `fit`.

    Returns
    -------
    run : Run
        The run folder's paths.

    Raises
    ------
    ConfigError, CorruptRecordsError, RunError, StrategyError, TrainingError
        As of `fit`.
    """
    is_multiworker = _is_multiworker(strategy)
    if is_multiworker and skip_corrupt:
        raise ConfigError(
            "skip_corrupt works in one process only; convert such records again"
        )
    n_replicas = _count_replicas(strategy, devices)
    if n_replicas is not None:
        check_replicas(request.config, n_replicas)
    if not is_multiworker:  # of whose processes one may have begun to write
        check_place(request)
    # TensorFlow comes after what a mistake is seen without.
    from stellar_tf.training.strategy import build_strategy
    from stellar_tf.training.train import train

    if isinstance(strategy, str):
        strategy = build_strategy(strategy, devices)
    return train(
        request,
        strategy,
        skip_corrupt=skip_corrupt,
        progress=progress,
        extra_callbacks=extra_callbacks,
    )


def _is_multiworker(strategy: str | tf.distribute.Strategy) -> bool:
    if isinstance(strategy, str):
        return strategy == "multiworker"
    import tensorflow as tf

    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def _count_replicas(
    strategy: str | tf.distribute.Strategy, devices: int | None
) -> int | None:
    """Say how many there will be, if that is known."""
    if not isinstance(strategy, str):
        return int(strategy.num_replicas_in_sync)
    return {"single": 1, "mirrored": devices}.get(strategy)
