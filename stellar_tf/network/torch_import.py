"""The paper's published PyTorch checkpoint, as a run of this project."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from stellar_tf.config import Config
from stellar_tf.network.model import build_autoencoder, save_autoencoder
from stellar_tf.run import Run, RunError, is_run, open_run
from tfrecords_tools.errors import UserError, ask_for_extra
from tfrecords_tools.records.manifest import hash_file

_LOAD_ERRORS = (
    *(pickle.UnpicklingError, EOFError, OSError),
    *(RuntimeError, ValueError, KeyError, AttributeError, TypeError),
)
_NESTED = ("state_dict", "model", "model_state_dict", "net")
_DENSE = {"fc11": "z_mean", "fc12": "z_log_var", "fc2": "expand"}


class CheckpointError(UserError):
    """A file is not the paper's checkpoint; the message names it."""


def import_torch(
    checkpoint: Path, run_folder: Path, config: Config, *, overwrite: bool = False
) -> Run:
    """
    Make a run of a PyTorch checkpoint of the paper's network.

    Parameters
    ----------
    checkpoint : Path
        Written by ``torch.save``: a state dict, or a dict that holds one.
    run_folder : Path
        Folder to make.
    config : Config
        Settings whose ``strided`` network the checkpoint is of.
    overwrite : bool, default False
        Whether to replace a run that is there.

    Returns
    -------
    run : Run
        Of no records: encode, export and serve work as after `fit`.

    Raises
    ------
    CheckpointError
        If PyTorch is missing, or the file is no checkpoint of that network.
    RunError
        If the folder holds something else, or a run that may not be replaced.

    Notes
    -----
    Only tensors are unpickled (``weights_only``), so that a file cannot run code.
    """
    if config.model.architecture != "strided":
        raise CheckpointError(
            f"{checkpoint}: is loaded into model.architecture strided, the settings "
            f"have {config.model.architecture} (use the settings of paper.yaml)"
        )
    if is_run(run_folder) and not overwrite:
        raise RunError(f"{run_folder}: exists; pass overwrite=True to replace it")
    state = read_state(checkpoint)
    autoencoder = build_autoencoder(config)
    assign_state(autoencoder, state, checkpoint)
    origin = {
        "folder": "",
        "manifest_sha256": "",
        "n_spectra": {},
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": hash_file(checkpoint),
    }
    run = open_run(run_folder, config, origin, overwrite=overwrite)
    save_autoencoder(autoencoder, run)
    return run


def read_state(checkpoint: Path) -> dict[str, NDArray[np.float32]]:
    """
    Read the tensors of a checkpoint.

    Parameters
    ----------
    checkpoint : Path
        Written by ``torch.save``.

    Returns
    -------
    state : dict of str to ndarray
        By name, without the prefix that `DataParallel` adds.

    Raises
    ------
    CheckpointError
        If PyTorch is missing, or the file holds anything but tensors.
    """
    try:
        import torch
    except ImportError:
        raise CheckpointError(ask_for_extra("PyTorch", "torch")) from None
    try:
        loaded: Any = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except _LOAD_ERRORS as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise CheckpointError(
            f"{checkpoint}: is no PyTorch checkpoint of tensors alone ({reason})"
        ) from None
    for name in _NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(name), dict):
            loaded = loaded[name]
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{checkpoint}: holds no state dict")
    return {
        re.sub(r"^module\.", "", str(name)): tensor.to(torch.float32).numpy()
        for name, tensor in loaded.items()
        if isinstance(tensor, torch.Tensor)
    }


def assign_state(
    autoencoder: keras.Model, state: Mapping[str, NDArray[np.float32]], source: Path
) -> None:
    """
    Put a state dict's tensors into the layers.

    Parameters
    ----------
    autoencoder : keras.Model
        Of `build_autoencoder`, architecture ``strided``.
    state : mapping of str to ndarray
        Of `read_state`.
    source : Path
        Named in errors.

    Raises
    ------
    CheckpointError
        If a tensor is missing, superfluous or of another shape.

    Notes
    -----
    PyTorch keeps kernels as (out, in, width), those of transposed convolutions as
    (in, out, width) and those of dense layers as (out, in): each is Keras' with the
    axes in reverse. The 512 x 20 values between convolutions and dense layers are
    flattened channel by channel in both networks.
    """
    used: set[str] = set()
    for torch_name, layer in _pairs(autoencoder):
        weights = []
        for kind, variable in zip(("weight", "bias"), layer.weights, strict=True):
            name, tensor = _find(state, torch_name, kind, source)
            value = tensor.transpose()
            if value.shape != tuple(variable.shape):
                raise CheckpointError(
                    f"{source}: {name} has the shape {tensor.shape}, which is not that "
                    f"of the network in the settings, {tuple(variable.shape)[::-1]}"
                )
            used.add(name)
            weights.append(value)
        layer.set_weights(weights)
    further = sorted(set(state) - used)
    if further:
        raise CheckpointError(f"{source}: has layers unknown here: {further[0]}")


def _pairs(autoencoder: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Iterate over the names in the checkpoint and the layers they belong to."""
    encoder, decoder = (autoencoder.get_layer(n) for n in ("encoder", "decoder"))
    for layer in (*encoder.layers, *decoder.layers):
        if re.fullmatch(r"(de)?conv\d+", layer.name):
            yield layer.name, layer
    for torch_name, name in _DENSE.items():
        model = decoder if name == "expand" else encoder
        yield torch_name, model.get_layer(name)
    yield "predict0", decoder.get_layer("predict")


def _find(
    state: Mapping[str, NDArray[np.float32]], layer: str, kind: str, source: Path
) -> tuple[str, NDArray[np.float32]]:
    """Find a layer's tensor; most layers are the first of a Sequential."""
    for name in (f"{layer}.0.{kind}", f"{layer}.{kind}"):
        if name in state:
            return name, state[name]
    raise CheckpointError(
        f"{source}: is no checkpoint of the paper's network (no {layer}.0.{kind})"
    )
