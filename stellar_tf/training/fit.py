"""The training loop, one for every strategy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf
from pydantic import ValidationError

from stellar_tf.batches.dataset import TrainingStream
from stellar_tf.batches.reading import name_corrupt_records
from stellar_tf.batches.statistics import measure_flux
from stellar_tf.config import Config, ConfigError, TrainingConfig, describe_error
from stellar_tf.config.recipe import complete_config
from stellar_tf.network.model import load_autoencoder, set_flux_scale
from stellar_tf.run import Run, is_run, open_run
from stellar_tf.training.callbacks import ProgressBar, build_callbacks, trim_history
from stellar_tf.training.checkpoints import CheckpointStore
from stellar_tf.training.duration import count_steps_in, measure_cost
from stellar_tf.training.loop import TrainingLoop
from stellar_tf.training.step import Trainer
from stellar_tf.training.strategy import is_chief, wait_for_all
from tfrecords_tools.durable import remove_partial
from tfrecords_tools.interruption import StopSignals
from tfrecords_tools.records.manifest import Manifest, hash_file, read_manifest
from tfrecords_tools.records.salvage import salvage
from tfrecords_tools.split import SPLITS

logger = logging.getLogger(__name__)

ADVICE = "pass skip_corrupt=True to do without such records, or convert them again"


def fit(
    records: Path,
    run_folder: Path,
    config: Config,
    strategy: tf.distribute.Strategy,
    *,
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
    strategy : tf.distribute.Strategy
        From `stellar_tf.training.strategy.build_strategy`.
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
    RunError
        If the folder belongs to other settings or records, or `init_from` is no run.
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
    manifest = read_manifest(records)
    if minutes is not None:
        begun = None if overwrite or not is_run(run_folder) else Run(run_folder)
        config = _fix_length(config, manifest, strategy, minutes, begun)
    config = adopt_grid(config, manifest)
    _check_replicas(config.training, strategy.num_replicas_in_sync)
    if skip_corrupt and isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ConfigError(
            "skip_corrupt works in one process only; convert such records again"
        )
    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    trainer = Trainer(config, strategy)
    origin = describe_records(manifest)
    if init_from is not None:
        origin["init_from_sha256"] = _load_weights(trainer, Run(init_from))
    if is_chief(strategy):
        open_run(run_folder, config, origin, overwrite=overwrite)
    wait_for_all(strategy)
    run = Run(run_folder)
    if skip_corrupt:
        manifest = _leave_out_corrupt(manifest, run.intact_records)
    with name_corrupt_records(ADVICE):
        bar = [ProgressBar(config.training.n_steps)] if progress else []
        _train(trainer, manifest, run, [*bar, *extra_callbacks])
    return run


def _fix_length(
    config: Config,
    manifest: Manifest,
    strategy: tf.distribute.Strategy,
    minutes: float,
    begun: Run | None,
) -> Config:
    """Set the number of steps: that of the run if it has begun, else by the time."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ConfigError("minutes works in one process only; set training.n_steps")
    if "n_steps" in config.training.model_fields_set:
        raise ConfigError("minutes and training.n_steps must not be given both")
    if begun is not None:
        n_steps = begun.read_config().training.n_steps
    else:
        whole = adopt_grid(config, manifest)
        _check_replicas(whole.training, strategy.num_replicas_in_sync)
        with name_corrupt_records(ADVICE):
            cost = measure_cost(whole, manifest, strategy)
        n_steps = count_steps_in(minutes, cost, whole)
        logger.info("%d steps in %g minutes", n_steps, minutes)
    training = config.training.model_copy(update={"n_steps": n_steps})
    return config.model_copy(update={"training": training})


def adopt_grid(config: Config, manifest: Manifest) -> Config:
    """
    Complete the settings by the recipe, for the grid and the number of the spectra.

    Parameters
    ----------
    config : Config
        The settings.
    manifest : Manifest
        The data set.

    Returns
    -------
    config : Config
        Whole, with the grid and the conversion of the records.

    Raises
    ------
    ConfigError
        If what the recipe adds does not go with what was set.
    """
    n_spectra = manifest.n_spectra("train")
    try:
        whole = complete_config(config, manifest.grid, n_spectra)
    except ValidationError as error:
        raise ConfigError(f"{manifest.folder}: {describe_error(error)}") from None
    return whole.model_copy(update={"convert": manifest.config})


def describe_records(manifest: Manifest) -> dict[str, object]:
    """
    State which records a run belongs to.

    Parameters
    ----------
    manifest : Manifest
        The data set.

    Returns
    -------
    records : dict
        ``folder``, ``manifest_sha256`` and ``n_spectra`` by split.
    """
    return {
        "folder": str(manifest.folder.resolve()),
        "manifest_sha256": manifest.sha256,
        "n_spectra": {split: manifest.n_spectra(split) for split in SPLITS},
    }


def _leave_out_corrupt(manifest: Manifest, folder: Path) -> Manifest:
    intact, corrupt = salvage(manifest, folder)
    for record in corrupt:
        logger.warning("skipped: %s", record)
    logger.warning("%d corrupt records skipped", len(corrupt))
    return intact


def _load_weights(trainer: Trainer, run: Run) -> str:
    """Take over the weights of another run; return the SHA-256 of its model."""
    weights = load_autoencoder(run).get_weights()
    try:
        trainer.model.set_weights(weights)
    except ValueError:
        raise ConfigError(
            f"{run.folder}: its network differs from that of the settings; give "
            f"its own, {run.config_path}"
        ) from None
    trainer.model.get_layer("bottleneck").step.assign(0)
    return hash_file(run.model_path)


def _train(
    trainer: Trainer,
    manifest: Manifest,
    run: Run,
    extra_callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    config = trainer.config
    store = CheckpointStore(run.checkpoints, trainer.model, trainer.optimizer)
    state = store.restore()
    own: list[keras.callbacks.Callback] = []
    if is_chief(trainer.strategy):
        remove_partial(run.folder)
        trim_history(run.history_path, state.n_steps, is_open=bool(state.totals))
        own = build_callbacks(run, config, trainer.model, manifest)
    is_new = state.n_steps == 0 and "init_from_sha256" not in run.read_records()
    if is_new and config.model.subtract_mean:
        statistics = measure_flux(manifest, config)
        set_flux_scale(trainer.model, config.model, *statistics)
    callbacks = keras.callbacks.CallbackList(
        [*own, *extra_callbacks], model=trainer.model
    )
    stream = TrainingStream(manifest, config)
    loop = TrainingLoop(trainer, stream, manifest, run, store, callbacks)
    with StopSignals() as stop:
        callbacks.on_train_begin()
        try:
            loop.run(state, stop)
        finally:  # files are closed and the terminal restored, whatever ends training
            callbacks.on_train_end()


def _check_replicas(training: TrainingConfig, n_replicas: int) -> None:
    if training.batch_size % n_replicas:
        raise ConfigError(
            f"training.batch_size must be a multiple of the {n_replicas} replicas, "
            f"got {training.batch_size}"
        )
    if training.jit_compile and n_replicas > 1:
        raise ConfigError(
            f"training.jit_compile: XLA cannot compile a step that {n_replicas} "
            f"replicas share; set it to false"
        )
