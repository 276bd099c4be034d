"""An exported SavedModel at work, as the run that it comes from."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from stellar_tf.analysis.files import read_joint_maps
from stellar_tf.inference.functions import Functions
from stellar_tf.inference.graph import Outputs
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.saved_model.assets import (
    EXTRA,
    ModelError,
    read_settings,
    read_version_maps,
)
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.grid import Grid


def load_version(version: Path) -> SpectrumModel:
    """
    Load a version of an exported model.

    Parameters
    ----------
    version : Path
        Its folder.

    Returns
    -------
    model : SpectrumModel
        Gives the same numbers as that of the run.

    Raises
    ------
    ModelError
        If stellar-tf did not export it.
    """
    settings = read_settings(version)
    try:
        grid = Grid.model_validate(settings["grid"])
        convert = ConvertConfig.model_validate(settings["convert"])
    except (KeyError, ValueError):
        raise ModelError(f"{version}: was not exported by stellar-tf") from None
    # Its signatures live no longer than the model itself.
    model = tf.saved_model.load(version)

    def call(signature: str, **inputs: tf.Tensor) -> Outputs:
        outputs: Outputs = model.signatures[signature](**inputs)
        return outputs

    def encode(flux: tf.Tensor, median_flux: tf.Tensor | None = None) -> Outputs:
        # It measures the median itself.
        return call("encode", flux=tf.convert_to_tensor(flux))

    functions = Functions(
        encode,
        encode_prepared=encode,
        encode_spectrum=lambda wave, flux: call(
            "encode_spectrum", wave=wave, flux=flux
        ),
        decode=lambda z: call("decode", z=z),
        normalise=lambda flux: call("normalise", flux=flux),
    )
    code = model.signatures["decode"].structured_input_signature[1]["z"]
    n_latent = int(code.shape[1])
    maps = read_version_maps(version), read_joint_maps(version / EXTRA)
    return SpectrumModel(functions, grid, convert, n_latent, version, *maps)
