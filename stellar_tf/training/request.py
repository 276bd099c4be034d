"""What is to be fitted: mistakes in it are found before TensorFlow is imported."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ValidationError

from stellar_tf.config import Config, ConfigError, describe_error
from stellar_tf.config.recipe import complete_config
from stellar_tf.run import Run, check_run, check_split, lock_run
from tfrecords_tools.records.manifest import Manifest, hash_file
from tfrecords_tools.split import SPLITS


class FitRequest(NamedTuple):
    """What is to be fitted to what, free of mistakes as far as can be seen."""

    manifest: Manifest
    """The records."""
    run: Run
    """Where the run is or shall be."""
    given: Config
    """The settings, as far as they are set."""
    config: Config
    """The settings, whole."""
    origin: dict[str, object]
    """What the run belongs to, as of `stellar_tf.run.open_run`."""
    init_from: Run | None
    """Whose weights it begins with."""
    minutes: float | None
    """Time that decides on the number of steps, unless it is known [min]."""
    overwrite: bool
    """Whether to replace a run that is there."""
    dimensions: tuple[int, ...] | None = None
    """Which latent dimensions of `init_from` are kept, if not all."""


def check_request(
    manifest: Manifest,
    run: Run,
    config: Config,
    *,
    minutes: float | None = None,
    init_from: Run | None = None,
    overwrite: bool = False,
) -> FitRequest:
    """
    Find what is wrong with a request, and complete it.

    Parameters
    ----------
    manifest : Manifest
        The records.
    run : Run
        Where the run is or shall be.
    config : Config
        The settings.
    minutes : float, optional
        Train for as many steps as this time holds [min].
    init_from : Run, optional
        Whose weights to begin with.
    overwrite : bool, default False
        Whether to replace a run that is there.

    Returns
    -------
    request : FitRequest
        With the length of the run, if that has begun.

    Raises
    ------
    ConfigError
        If settings do not go with each other or with the records.
    EmptySplitError
        If there is nothing to train on, or to validate with.
    RunError
        If there are no weights to begin with.
    """
    for split in ("train", "validation"):
        check_split(manifest, split)
    if config.objective.visits:
        _check_visits(manifest)
    if minutes is not None:
        if "n_steps" in config.training.model_fields_set:
            raise ConfigError("minutes and training.n_steps must not be given both")
        if run.is_begun and not overwrite:  # it has its length
            config = set_length(config, run.read_config().training.n_steps)
            minutes = None
    origin = describe_records(manifest)
    if init_from is not None:
        origin["init_from_sha256"] = hash_file(init_from.find_model())
    whole = adopt_grid(config, manifest)
    return FitRequest(
        manifest, run, config, whole, origin, init_from, minutes, overwrite
    )


def _check_visits(manifest: Manifest) -> None:
    """See that there is a pair to train on."""
    train = manifest.splits["train"]
    if len(train.stars) == train.n_spectra:
        raise ConfigError(
            f"{manifest.folder}: no star of the training split has two spectra, as "
            f"objective.visits needs; set it to 0"
        )


def check_place(request: FitRequest) -> None:
    """
    See that a run can be made, or gone on with, where it was asked for.

    Parameters
    ----------
    request : FitRequest
        What is asked for; nothing is written.

    Raises
    ------
    RunError
        If the folder holds something else, another fit is under way in it, or its best
        model is damaged.
    """
    run = request.run
    check_run(run.folder, request.config, request.origin, overwrite=request.overwrite)
    if run.model_path.exists() and not request.overwrite:
        run.find_model()
    if run.lock_path.exists():
        with lock_run(run):  # only to see whether it can be had
            pass


def set_length(config: Config, n_steps: int) -> Config:
    """
    Set the number of steps, as if it had been given.

    Parameters
    ----------
    config : Config
        The settings.
    n_steps : int
        The steps.

    Returns
    -------
    config : Config
        The settings with them.
    """
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


def check_replicas(config: Config, n_replicas: int) -> None:
    """
    See that replicas can share a batch.

    Parameters
    ----------
    config : Config
        The settings.
    n_replicas : int
        Of all machines.

    Raises
    ------
    ConfigError
        If the batch, or its pairs of visits, cannot be shared out equally, or XLA is
        to compile the step of several.
    """
    training = config.training
    if training.batch_size % n_replicas:
        raise ConfigError(
            f"training.batch_size must be a multiple of the {n_replicas} replicas, "
            f"got {training.batch_size}"
        )
    if config.objective.visits and training.batch_size % (2 * n_replicas):
        raise ConfigError(
            f"training.batch_size must be a multiple of {2 * n_replicas} with "
            f"objective.visits, for whole pairs in each replica, "
            f"got {training.batch_size}"
        )
    if training.jit_compile and n_replicas > 1:
        raise ConfigError(
            f"training.jit_compile: XLA cannot compile a step that {n_replicas} "
            f"replicas share; set it to false"
        )
