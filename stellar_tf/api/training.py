"""The public functions that train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stellar_tf.api.arguments import Settings, StrPath, as_path
from stellar_tf.config import Config, load_config
from stellar_tf.run import Run

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def fit(
    records: StrPath,
    run: StrPath,
    *,
    config: Config | StrPath = "default",
    settings: Settings = (),
    strategy: str | tf.distribute.Strategy = "single",
    devices: int | None = None,
    minutes: float | None = None,
    init_from: StrPath | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Train on records, without labels, or go on with a run that was interrupted.

    Parameters
    ----------
    records : str or Path
        Folder that `convert` wrote.
    run : str or Path
        Folder of the run.
    config : Config, str or Path, default "default"
        Settings, a YAML file, or the name of one that comes with the package; the
        grid is that of the records, and what is left open is filled for it.
    settings : mapping or iterable of str
        Changes to it.
    strategy : tf.distribute.Strategy or str, default "single"
        One device, a replica on each of this machine ("mirrored"), or of all machines
        in TF_CONFIG ("multiworker").
    devices : int, optional
        Replicas of "mirrored": GPUs, or logical CPUs without any.
    minutes : float, optional
        Train for as many steps as this time holds, counted when the run begins [min].
    init_from : str or Path, optional
        A run whose best weights to begin with.
    skip_corrupt : bool, default False
        Whether to look for corrupt records first and do without them.
    overwrite : bool, default False
        Whether to replace a run that is there instead of going on with it.
    progress : bool, default True
        Whether to show steps, rate and the terms of the loss on stderr.
    callbacks : sequence of keras.callbacks.Callback
        Further observers.

    Returns
    -------
    run : Run
        Where the best model, the history and the checkpoints are.

    Raises
    ------
    ConfigError
        If a setting is wrong or does not fit the records.
    RunError
        If the folder belongs to other settings or records.
    CorruptRecordsError
        If a record is corrupt, unless such are skipped.
    TrainingError
        If the loss is not finite.

    Examples
    --------
    >>> run = st.fit("records", "my_run", config="small.yaml",
    ...              settings={"training.n_steps": 3})
    >>> run.model_path.is_file()
    True
    """
    from stellar_tf.training.fit import fit as fit_records

    return fit_records(
        Path(records),
        Path(run),
        load_config(config, settings),
        strategy,
        devices=devices,
        minutes=minutes,
        init_from=as_path(init_from),
        skip_corrupt=skip_corrupt,
        overwrite=overwrite,
        progress=progress,
        extra_callbacks=callbacks,
    )


def refine(
    source: StrPath,
    run: StrPath | None = None,
    *,
    records: StrPath | None = None,
    config: Config | StrPath | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
    strategy: str | tf.distribute.Strategy = "single",
    devices: int | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Go on from an analysed run to measure what it discovered.

    Parameters
    ----------
    source : str or Path
        A run that is finished, encoded and analysed; its independent dimensions are
        kept.
    run : str or Path, optional
        Folder of the refined run; by default "refined" in the source.
    records : str or Path, optional
        Records to train on; by default those of the source.
    config : Config, str or Path, optional
        Settings that shall differ from those of a refinement.
    settings : mapping or iterable of str
        Changes to it.
    strategy, devices, skip_corrupt, overwrite, progress, callbacks
        As of `fit`.

    Returns
    -------
    run : Run
        The refined run. It encodes by Gauss-Newton steps from the encoder's code to the
        most likely one; widths are those of the likelihood there.

    Raises
    ------
    RunError
        If the source is not finished or has no verdict; and as of `fit`.
    ConfigError, CorruptRecordsError, TrainingError
        As of `fit`.

    Examples
    --------
    >>> st.refine("run", "refined", settings={"training.n_steps": 2}).folder.name
    'refined'
    """
    from stellar_tf.training.refine import refine as refine_run

    return refine_run(
        Path(source),
        as_path(run),
        load_config(config, settings),
        strategy,
        records=as_path(records),
        devices=devices,
        skip_corrupt=skip_corrupt,
        overwrite=overwrite,
        progress=progress,
        extra_callbacks=callbacks,
    )
