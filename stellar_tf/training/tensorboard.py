"""Keras callbacks of the training loop that write for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hp

from stellar_tf.config import Config
from stellar_tf.training.pictures import draw_reconstructions, draw_traversals

N_PICTURED = 4
"""Spectra, and dimensions, in a picture."""
POSITIONS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Along a traversed dimension."""


class Scalars(keras.callbacks.Callback):
    """
    Write every logged number for TensorBoard, against the step.

    Parameters
    ----------
    folder : Path
        Folder of the event files; training and validation become two curves.

    Notes
    -----
    Keras' own callback asks for a compiled model, which this loop has no use for.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._writers = {
            name: tf.summary.create_file_writer(str(folder / name))
            for name in ("training", "validation")
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        numbers = dict(logs or {})
        step = int(numbers.pop("step"))
        for name, value in numbers.items():
            is_validation = name.startswith("val_")
            writer = self._writers["validation" if is_validation else "training"]
            with writer.as_default(step=step):
                tf.summary.scalar(name.removeprefix("val_"), value)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        for writer in self._writers.values():
            writer.close()


class Settings(keras.callbacks.Callback):
    """
    Write the settings for TensorBoard's table of hyperparameters.

    Parameters
    ----------
    folder : Path
        Folder of the event files.
    config : Config
        The settings; those of the network, the objective and the training are shown.
    """

    def __init__(self, folder: Path, config: Config) -> None:
        super().__init__()
        self._folder, self._config = folder, config

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        tree = self._config.model_dump(include={"model", "objective", "training"})
        writer = tf.summary.create_file_writer(str(self._folder / "validation"))
        with writer.as_default(step=0):
            hp.hparams(dict(_flatten(tree)), trial_id=str(self._folder.parent))
        writer.close()


class Pictures(keras.callbacks.Callback):
    """
    Draw reconstructions and traversals for TensorBoard now and then.

    Parameters
    ----------
    folder : Path
        Folder of the event files.
    autoencoder : keras.Model
        The model under training.
    config : Config
        Grid and settings.
    validation : tf.data.Dataset
        Of `build_evaluation_dataset`; the first spectra are drawn.
    """

    def __init__(
        self,
        folder: Path,
        autoencoder: keras.Model,
        config: Config,
        validation: tf.data.Dataset,
    ) -> None:
        super().__init__()
        self._folder, self._autoencoder = folder, autoencoder
        self._config, self._validation = config, validation

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        every = self._config.training.epochs_per_image
        logs = logs or {}
        is_last = logs["step"] == self._config.training.n_steps
        if every == 0 or not (epoch % every == 0 or is_last):
            return
        kl = [value for name, value in logs.items() if name.startswith("val_kl_")]
        dimensions = [int(i) for i in np.argsort(kl)[::-1][:N_PICTURED]]
        pictures = {
            "reconstructions": self._draw_reconstructions(),
            "traversals": self._draw_traversals(dimensions),
        }
        writer = tf.summary.create_file_writer(str(self._folder / "validation"))
        with writer.as_default(step=int(logs["step"])):
            for name, png in pictures.items():
                tf.summary.image(name, tf.io.decode_png(png, channels=3)[tf.newaxis])
        writer.close()

    def _draw_reconstructions(self) -> bytes:
        grid = self._config.grid
        batch = next(iter(self._validation))["flux"][:N_PICTURED]
        model = self._autoencoder(batch, training=False)["reconstruction"]
        flux, reconstruction = np.asarray(batch), np.asarray(model)
        names = [f"validation {i}" for i in range(len(flux))]
        return draw_reconstructions(grid.wave, flux, reconstruction, names)

    def _draw_traversals(self, dimensions: list[int]) -> bytes:
        grid = self._config.grid
        z = np.zeros(
            (len(dimensions), len(POSITIONS), self._config.model.n_latent), np.float32
        )
        for row, dimension in enumerate(dimensions):
            z[row, :, dimension] = POSITIONS
        decoder = self._autoencoder.get_layer("decoder")
        flux = decoder(z.reshape(-1, z.shape[-1]), training=False)
        decoded = np.asarray(flux).reshape(*z.shape[:2], -1)
        return draw_traversals(grid.wave, decoded, dimensions)


class Embedding(keras.callbacks.Callback):
    """
    Write the validation spectra's latents for TensorBoard's projector at the end.

    Parameters
    ----------
    folder : Path
        Folder of the event files.
    autoencoder : keras.Model
        The model under training.
    validation : tf.data.Dataset
        Of `build_evaluation_dataset` with its metadata.
    """

    def __init__(
        self, folder: Path, autoencoder: keras.Model, validation: tf.data.Dataset
    ) -> None:
        super().__init__()
        self._folder = folder
        self._encoder = autoencoder.get_layer("encoder")
        self._validation = validation

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        codes, rows, names = [], [], []
        for batch in self._validation:
            codes.append(self._encoder(batch.pop("flux"), training=False)["z_mean"])
            batch.pop("error", None)
            names = sorted(batch)
            columns = [batch[name].numpy() for name in names]
            rows += list(zip(*columns, strict=True))
        self._folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(
            self._folder / "latents.tsv", np.concatenate(codes), "%.5g", delimiter="\t"
        )
        with (self._folder / "metadata.tsv").open("w", encoding="utf-8") as stream:
            for row in (names, *rows):
                stream.write("\t".join(_to_cell(value) for value in row) + "\n")
        config = projector.ProjectorConfig()
        config.embeddings.add(
            tensor_name="z_mean",
            tensor_path="latents.tsv",
            metadata_path="metadata.tsv",
        )
        projector.visualize_embeddings(str(self._folder), config)


def _flatten(
    tree: Mapping[str, object], prefix: str = ""
) -> Iterator[tuple[str, bool | int | float | str]]:
    """Iterate over dotted names and values of kinds TensorBoard knows."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, bool | int | float | str):
            yield f"{prefix}{name}", value
        else:
            yield f"{prefix}{name}", str(value)


def _to_cell(value: object) -> str:
    text = value.decode() if isinstance(value, bytes) else str(value)
    return " ".join(text.split()) or "-"
