"""The trained model as a SavedModel that takes raw flux."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import tensorflow as tf

from stellar_tf.config import Config
from stellar_tf.normalisation import crop_flux, mask_zero_runs, normalise_flux
from stellar_tf.run import Run

GRID_FILE = Path("assets.extra", "grid.json")
"""Inside a version folder: the wavelengths its inputs stand on."""


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

    Notes
    -----
    Signatures, with a free batch size:

    ``encode`` (also ``serving_default``)
        ``flux`` (batch, n_pixels), raw, on the grid, NaN or long runs of zeros at
        bad pixels, to ``z_mean`` and ``z_log_var`` (batch, n_latent),
        ``median_flux`` and ``valid_fraction`` (batch,).
    ``decode``
        ``z`` (batch, n_latent) to ``flux`` (batch, n_pixels), normalised.
    ``reconstruct``
        ``flux`` as above to ``flux``, in the unit of the input.
    """
    config = run.read_config()
    autoencoder = run.load_model()
    version = out / str(_next_version(out))
    temporary = out / f"part-{version.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    _write_archive(autoencoder, config, temporary)
    grid_path = temporary / GRID_FILE
    grid_path.parent.mkdir(exist_ok=True)
    grid_path.write_text(config.grid.model_dump_json(indent=2) + "\n", encoding="utf-8")
    temporary.rename(version)
    return version


def read_grid(version: Path) -> dict[str, float]:
    """
    Read the wavelength grid of an exported model.

    Parameters
    ----------
    version : Path
        Folder of one version.

    Returns
    -------
    grid : dict
        ``wave_min`` and ``wave_step`` [Angstrom], ``n_pixels``, ``pad_to_multiple``.
    """
    text = (version / GRID_FILE).read_text(encoding="utf-8")
    grid: dict[str, float] = json.loads(text)
    return grid


def _write_archive(autoencoder: keras.Model, config: Config, folder: Path) -> None:
    encoder = autoencoder.get_layer("encoder")
    decoder = autoencoder.get_layer("decoder")
    grid = config.grid

    def encode(flux: tf.Tensor) -> dict[str, tf.Tensor]:
        masked = mask_zero_runs(flux, config.convert.min_zero_run)
        normalised = normalise_flux(masked, grid, config.dataset.normalise)
        median_flux = normalised.median_flux
        return {
            **encoder(normalised.flux, training=False),
            # JSON has no NaN: a spectrum without valid pixels has the median 0.
            "median_flux": tf.where(tf.math.is_nan(median_flux), 0.0, median_flux),
            "valid_fraction": normalised.valid_fraction,
        }

    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"flux": crop_flux(decoder(z, training=False), grid)}

    def reconstruct(flux: tf.Tensor) -> dict[str, tf.Tensor]:
        code = encode(flux)
        normalised = decode(code["z_mean"])["flux"]
        return {"flux": normalised * code["median_flux"][:, tf.newaxis]}

    raw = tf.TensorSpec((None, grid.n_pixels), tf.float32, name="flux")
    z = tf.TensorSpec((None, config.model.n_latent), tf.float32, name="z")
    archive = keras.export.ExportArchive()
    archive.track(autoencoder)
    archive.add_endpoint("encode", encode, [raw])
    archive.add_endpoint("decode", decode, [z])
    archive.add_endpoint("reconstruct", reconstruct, [raw])
    archive.write_out(str(folder), verbose=False)


def _next_version(out: Path) -> int:
    versions = [int(p.name) for p in out.glob("*") if p.name.isdigit()]
    return max(versions, default=0) + 1
