"""A trained model from where it was left: a run folder, or an exported SavedModel."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from stellar_tf.inference.graph import Outputs
from stellar_tf.inference.spectrum_model import Functions, SpectrumModel
from stellar_tf.run import Run, is_run
from stellar_tf.saved_model.assets import ModelError, find_version, read_settings
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.grid import Grid


def load_model(source: str | Path) -> SpectrumModel:
    """
    Load a trained model.

    Parameters
    ----------
    source : str or Path
        A run folder, whose best model is taken; or an exported model, MODELS/NAME,
        whose newest version is taken; or one of its versions.

    Returns
    -------
    model : SpectrumModel
        Encodes and decodes; both kinds give the same numbers.

    Raises
    ------
    ModelError
        If the folder is neither.
    RunError
        If the run has no model yet.

    Examples
    --------
    >>> model = st.load_model("run")
    >>> model.n_latent
    4
    """
    folder = Path(source)
    if is_run(folder):
        return SpectrumModel.from_run(Run(folder))
    version = find_version(folder)
    settings = read_settings(version)
    try:
        grid = Grid.model_validate(settings["grid"])
        convert = ConvertConfig.model_validate(settings["convert"])
    except (KeyError, ValueError):
        raise ModelError(f"{version}: was not exported by stellar-tf") from None
    functions, n_latent = _read_functions(version)
    return SpectrumModel(functions, grid, convert, n_latent, version)


def _read_functions(version: Path) -> tuple[Functions, int]:
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
    return functions, int(code.shape[1])
