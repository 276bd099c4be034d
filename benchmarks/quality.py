"""
Time to quality: validation error against training time, in one run.

    python benchmarks/quality.py RECORDS --out FOLDER [--config default] [--slice 120]

Trains, in turns of --slice seconds,

- torch: the paper's network in PyTorch (extra [bench]) with its loss while the KL
  weight is 0, as it is for its first 5,000 steps, by Adam at --torch-rate: ten times
  the paper's unless told otherwise, for at that it would hardly move in this time;
- folded: ours, until its settings end or it has trained for --seconds,

on the same records and both cores, each with the batch size of the settings. Clocks run
while training (reading included) and stand still while validation spectra, which both
share, are decoded. FOLDER gets quality.csv and quality.png.
"""

from __future__ import annotations

import abc
import argparse
import csv
import os
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import torch
from paper_torch import PaperNetwork

from stellar_tf.batches.dataset import TrainingStream, build_evaluation_dataset
from stellar_tf.batches.statistics import FluxStatistics, measure_flux
from stellar_tf.config import Config, load_config
from stellar_tf.config.recipe import complete_config
from stellar_tf.network.model import set_flux_scale
from stellar_tf.training.step import Trainer
from stellar_tf.training.strategy import build_strategy
from tfrecords_tools.records.manifest import Manifest, read_manifest


class Contestant(abc.ABC):
    """A network in training, and the clock of it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.n_steps = 0
        self.curve: list[tuple[float, int, float]] = []

    @abc.abstractmethod
    def step(self) -> None:
        """Make one update."""

    @abc.abstractmethod
    def validate(self) -> float:
        """Mean over spectra of the absolute error over valid pixels."""

    def train_for(self, seconds: float, max_steps: int) -> None:
        """Train for a slice of time and validate."""
        started = time.perf_counter()
        while time.perf_counter() - started < seconds and self.n_steps < max_steps:
            self.step()
            self.n_steps += 1
        self.seconds += time.perf_counter() - started
        self.curve.append((self.seconds, self.n_steps, self.validate()))


class TorchContestant(Contestant):
    """The paper's network and schedule."""

    def __init__(
        self, batches: Iterator[np.ndarray], validation: list[np.ndarray], rate: float
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._network = PaperNetwork()
        self._optimizer = torch.optim.Adam(self._network.parameters(), rate)
        self._batches, self._validation = batches, validation

    def step(self) -> None:
        """Make one update."""
        self._optimizer.zero_grad()
        batch = torch.from_numpy(pad(next(self._batches)))
        self._network.training_loss(batch, 0.0).backward()
        self._optimizer.step()

    def validate(self) -> float:
        """Mean over spectra of the absolute error over valid pixels."""
        errors = []
        with torch.no_grad():
            for flux in self._validation:
                batch = torch.from_numpy(pad(flux))
                mean, _ = self._network.encode(batch.nan_to_num(0.0))
                decoded = crop(self._network.decode(mean).numpy(), flux.shape[1])
                errors.append(np.nanmean(np.abs(decoded - flux), axis=1))
        return float(np.concatenate(errors).mean())


class FoldedContestant(Contestant):
    """Ours."""

    def __init__(
        self,
        config: Config,
        batches: Iterator[np.ndarray],
        validation: list[np.ndarray],
        statistics: FluxStatistics,
    ) -> None:
        super().__init__()
        self._trainer = Trainer(config, build_strategy("single"))
        model = self._trainer.model
        set_flux_scale(model, config.model, *statistics)
        self._reconstruct = tf.function(lambda flux: model(flux)["reconstruction"])
        self._batches, self._validation = batches, validation

    def step(self) -> None:
        """Make one update."""
        self._trainer.train_step({"flux": next(self._batches)}, self.n_steps)

    def validate(self) -> float:
        """Mean over spectra of the absolute error over valid pixels."""
        errors = []
        for flux in self._validation:
            decoded = self._reconstruct(tf.constant(flux)).numpy()
            errors.append(np.nanmean(np.abs(decoded - flux), axis=1))
        return float(np.concatenate(errors).mean())


def pad(flux: np.ndarray) -> np.ndarray:
    """Pad spectra as the paper does; ours does so itself."""
    padding = load_config("paper").model.padding(flux.shape[1])
    return np.pad(flux, ((0, 0), padding), constant_values=np.nan)


def crop(padded: np.ndarray, n_pixels: int) -> np.ndarray:
    """Undo it."""
    before, _ = load_config("paper").model.padding(n_pixels)
    return padded[:, before : before + n_pixels]


def read_batches(manifest: Manifest, config: Config) -> Iterator[np.ndarray]:
    """Read the training stream."""
    stream = TrainingStream(manifest, config).build(0)
    return (batch["flux"] for batch in stream.as_numpy_iterator())


def read_validation(manifest: Manifest, config: Config) -> list[np.ndarray]:
    """Read the validation split once."""
    batches = build_evaluation_dataset(
        manifest, "validation", config, batch_size=config.training.batch_size
    )
    return [batch["flux"] for batch in batches.as_numpy_iterator()]


def first_below(curve: list[tuple[float, int, float]], error: float) -> float:
    """Training time at which a curve first reaches an error [s]; infinity if never."""
    return next((seconds for seconds, _, e in curve if e <= error), float("inf"))


def draw(path: Path, curves: dict[str, Contestant], of_mean: float) -> None:
    """Draw error against training time."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for (name, contestant), style in zip(curves.items(), ("o-", "s-"), strict=True):
        seconds, _, errors = zip(*contestant.curve, strict=True)
        minutes = np.divide(seconds, 60.0)
        axes.plot(minutes, errors, style, markersize=4, label=name)
    axes.axhline(of_mean, color="0.5", linestyle="--", label="the mean spectrum")
    axes.axhline(of_mean / 2, color="0.5", linestyle=":", label="half of that")
    axes.set(xlabel="training time [min]", yscale="log")
    axes.set_ylabel("validation error [normalised flux]")
    axes.legend()
    figure.savefig(path, dpi=120)


def write_curves(path: Path, curves: dict[str, Contestant]) -> None:
    """Write what each has reached, and when."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("network", "seconds", "step", "validation_error"))
        for name, contestant in curves.items():
            rows.writerows((name, *point) for point in contestant.curve)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="time to quality")
    parser.add_argument("records", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", default="default")
    parser.add_argument("--slice", type=float, default=120.0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--torch-rate", type=float, default=1.0e-3)
    args = parser.parse_args()
    manifest = read_manifest(args.records)
    config = complete_config(
        load_config(args.config), manifest.grid, manifest.n_spectra("train")
    )
    validation = read_validation(manifest, config)
    statistics = measure_flux(manifest, config)
    flux = np.concatenate(validation)
    of_mean = float(np.nanmean(np.abs(flux - statistics.mean), axis=1).mean())
    print(f"error of the mean spectrum: {of_mean:.4f}")

    batches = read_batches(manifest, config)
    folded = FoldedContestant(config, batches, validation, statistics)
    rival = TorchContestant(read_batches(manifest, config), validation, args.torch_rate)
    curves: dict[str, Contestant] = {"torch": rival, "folded": folded}
    args.out.mkdir(parents=True, exist_ok=True)
    for contestant in curves.values():
        contestant.curve.append((0.0, 0, contestant.validate()))
    while folded.n_steps < config.training.n_steps and folded.seconds < args.seconds:
        for name, contestant in curves.items():
            contestant.train_for(args.slice, config.training.n_steps)
            seconds, n_steps, error = contestant.curve[-1]
            print(
                f"{name:6} {seconds:6.0f} s, step {n_steps:5}: {error:.4f}", flush=True
            )
    write_curves(args.out / "quality.csv", curves)
    draw(args.out / "quality.png", curves, of_mean)

    final = rival.curve[-1]
    reached = first_below(folded.curve, final[2])
    last = folded.curve[-1]
    print(f"torch ends at {final[2]:.4f} after {final[0]:.0f} s")
    print(
        f"folded is there after {reached:.0f} s: {reached / final[0]:.3f} of the time"
    )
    print(f"folded ends at {last[2]:.4f}: {last[2] / of_mean:.3f} of the mean's error")


if __name__ == "__main__":
    main()
