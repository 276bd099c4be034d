"""From spectra to a table of latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.batches.dataset import build_evaluation_dataset, name_corrupt_records
from stellar_tf.batches.normalisation import normalise_flux
from stellar_tf.config import Config
from stellar_tf.inference.prepared_files import (
    Batch,
    Columns,
    EncodedFiles,
    build_latents,
    encode_prepared,
)
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import MANIFEST_NAME, Manifest, read_manifest
from tfrecords_tools.split import SPLITS


class SpectraError(UserError):
    """There is nothing to encode."""


def is_records(path: Path) -> bool:
    """
    Tell a folder of records from FITS files and folders of them.

    Parameters
    ----------
    path : Path
        What the user named.

    Returns
    -------
    answer : bool
        Whether `stellar-tf convert` wrote it.
    """
    return (path / MANIFEST_NAME).is_file()


def encode_records(run: Run, records: Path, batch_size: int | None = None) -> Table:
    """
    Encode every split of a folder of records.

    Parameters
    ----------
    run : Run
        The run whose best model encodes.
    records : Path
        Folder that `stellar-tf convert` wrote.
    batch_size : int, optional
        Spectra encoded at a time; by default the training's.

    Returns
    -------
    latents : Table
        One row a spectrum: ``dp_id``, ``target``, ``star``, ``split``, ``z_mean`` and
        ``z_log_var`` (n_latent values each), then the records' metadata and labels.

    Raises
    ------
    SpectraError
        If the records stand on another grid than the run's.
    """
    manifest = read_manifest(records)
    config = run.read_config()
    if not manifest.grid.has_pixels_of(config.grid):
        raise SpectraError(f"{records}: has another grid than {run.folder}")
    manifest = replace(manifest, grid=config.grid)
    batch_size = batch_size or config.training.batch_size
    encode = _compile_encoder(load_autoencoder(run))
    columns: dict[str, list[NDArray[np.generic]]] = {}
    with name_corrupt_records(manifest, "convert the spectra again"):
        for batch in _read_splits(manifest, config, batch_size):
            posterior = encode(batch.pop("flux"))
            for name, values in {**batch, **posterior}.items():
                columns.setdefault(name, []).append(np.asarray(values))
    return build_latents({n: np.concatenate(v) for n, v in columns.items()})


def encode_files(
    run: Run, paths: Sequence[Path], batch_size: int | None = None
) -> EncodedFiles:
    """
    Encode FITS files.

    Parameters
    ----------
    run : Run
        The run whose best model encodes.
    paths : sequence of Path
        FITS files.
    batch_size : int, optional
        Spectra encoded at a time; by default the training's.

    Returns
    -------
    encoded : EncodedFiles
        Latents and rejected files.
    """
    config = run.read_config()
    network = _compile_network(load_autoencoder(run), config)

    def encode(batch: Batch) -> Columns:
        columns: Columns = network(
            tf.constant(batch.flux), tf.constant(batch.median_flux)
        )
        return columns

    batch_size = batch_size or config.training.batch_size
    return encode_prepared(paths, config.grid, config.convert, batch_size, encode)


def _compile_encoder(
    autoencoder: keras.Model,
) -> tf.types.experimental.PolymorphicFunction:
    encoder = autoencoder.get_layer("encoder")
    shape = (None, encoder.input_shape[-1])
    return tf.function(
        lambda flux: encoder(flux, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )


def _compile_network(
    autoencoder: keras.Model, config: Config
) -> tf.types.experimental.PolymorphicFunction:
    """Normalisation and encoder in one graph: fewer passes over the pixels."""
    encoder = autoencoder.get_layer("encoder")

    def encode(flux: tf.Tensor, median_flux: tf.Tensor) -> dict[str, tf.Tensor]:
        normalised = normalise_flux(
            flux, config.grid, config.dataset.normalise, median_flux
        )
        posterior = encoder(normalised.flux, training=False)
        return {"median_flux": normalised.median_flux, **posterior}

    pixels = tf.TensorSpec((None, config.grid.n_pixels), tf.float32)
    return tf.function(
        encode, input_signature=[pixels, tf.TensorSpec((None,), tf.float32)]
    )


def _read_splits(
    manifest: Manifest, config: Config, batch_size: int
) -> Iterator[dict[str, tf.Tensor]]:
    for split in SPLITS:
        if manifest.n_spectra(split) == 0:
            continue
        for batch in build_evaluation_dataset(
            manifest, split, config.dataset, batch_size=batch_size, with_metadata=True
        ):
            n_spectra = batch["flux"].shape[0]
            yield {**batch, "split": tf.fill([n_spectra], split)}
