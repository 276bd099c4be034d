"""
What training does on the GPUs of this machine: is it the same, and how fast.

    python benchmarks/gpu.py [--batch-size 32] [--steps 20] [--rounds 5]

A network of ours (configs/default.yaml at full resolution, without coarse scales) makes
the same steps in several ways, from the same weights on the same spectra of noise:

- single: on one GPU, in float32;
- mirrored: the batch shared out over all GPUs (over one, if there is one);
- mixed: products in float16;
- XLA: compiled as a whole; and mixed XLA.

Printed of each: the largest relative difference of its losses from those of `single`
(mirrored and XLA add up in another order, mixed rounds more); the time of a step, the
median over rounds that take the ways in turn; spectra a second; and the share of what
this GPU reaches in one large product of matrices of the same precision, when only the
network's own multiplications count. Where there is no GPU, it says so and ends;
--on-cpu makes the same with a small network on two logical CPUs, to try the script.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from timing import time_in_turn

from stellar_tf.config import Config, load_config
from stellar_tf.config.recipe import complete_config
from stellar_tf.training.step import Trainer
from stellar_tf.training.step_results import read_steps
from stellar_tf.training.strategy import build_strategy

MIXED, XLA = "training.mixed_precision=true", "training.jit_compile=true"
WAYS = {
    "single": ("single", []),
    "mirrored": ("mirrored", []),
    "mixed": ("single", [MIXED]),
    "XLA": ("single", [XLA]),
    "mixed XLA": ("single", [MIXED, XLA]),
}
N_TIMED = 10
"""Steps that are timed at once: nothing reads what they find before the last."""
PASSES = 3
"""Forward, and backward to the inputs and to the weights of each layer."""
SMALL = (
    *("grid.wave_min=5160", "grid.wave_step=0.04", "grid.n_pixels=1024"),
    "model.folded={folds: [8, 4, 4], channels: [8, 16, 16], kernels: [3, 1, 1]}",
)


class Found(NamedTuple):
    """What one way showed."""

    losses: np.ndarray
    """Of the first steps."""
    seconds: float
    """Of one step, the median over the rounds."""


def read_settings(assignments: list[str], batch_size: int, on_cpu: bool) -> Config:
    """Read the settings of one way."""
    small = SMALL if on_cpu else ()
    given = [f"training.batch_size={batch_size}", "objective.coarse_scales=[]"]
    config = load_config("default", [*small, *given, *assignments])
    return complete_config(config, config.grid, n_spectra=2000)


class Way:
    """A network that makes steps, one way or another."""

    def __init__(self, name: str, batch_size: int, on_cpu: bool) -> None:
        kind, assignments = WAYS[name]
        config = read_settings(assignments, batch_size, on_cpu)
        keras.utils.set_random_seed(0)
        self.trainer = Trainer(config, build_strategy(kind))
        rng = np.random.default_rng(0)
        shape = (batch_size, config.grid.n_pixels)
        flux = rng.normal(1.0, 0.1, shape).astype(np.float32)
        spectra = tf.data.Dataset.from_tensors({"flux": flux}).unbatch()
        spectra = spectra.batch(batch_size).repeat()
        distribute = self.trainer.strategy.experimental_distribute_dataset
        self.batch = next(iter(distribute(spectra)))
        self.n_steps = 0

    def run(self, n_steps: int) -> np.ndarray:
        """Make steps, read them together, and return the losses."""
        first, self.n_steps = self.n_steps, self.n_steps + n_steps
        steps = range(first, self.n_steps)
        made = [self.trainer.train_step(self.batch, step) for step in steps]
        return np.array([numbers.loss for numbers in read_steps(made)])


def count_operations(model: keras.Model) -> int:
    """Additions and multiplications of the layers' products, a spectrum, forward."""
    n_multiplied = 0
    for layer in list_layers(model):
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        n_times = 1
        if isinstance(layer, keras.layers.Conv1DTranspose):
            n_times = layer.input.shape[1]
        elif isinstance(layer, keras.layers.Conv1D):
            n_times = layer.output.shape[1]
        n_multiplied += int(np.prod(kernel.shape)) * n_times
    return 2 * n_multiplied


def list_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Layers of a model and of the models in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from list_layers(layer)
        else:
            yield layer


def measure_peak(dtype: str, n_rounds: int, on_cpu: bool) -> float:
    """Operations a second of a large product of matrices."""
    size, n_products = (1024, 4) if on_cpu else (8192, 16)
    matrix = tf.random.stateless_normal((size, size), (0, 0), dtype=dtype)

    @tf.function
    def multiply(matrix: tf.Tensor) -> tf.Tensor:
        product = matrix
        for _ in range(n_products):
            product = tf.matmul(product, matrix) * (1.0 / size)
        return tf.reduce_sum(tf.cast(product, tf.float32))

    float(multiply(matrix))  # traced
    ways = {"product": lambda: float(multiply(matrix))}
    seconds = statistics.median(time_in_turn(ways, n_rounds)["product"])
    return 2.0 * n_products * size**3 / seconds


def measure(
    batch_size: int, n_steps: int, n_rounds: int, on_cpu: bool
) -> tuple[dict[str, Found], int]:
    """Make the steps in all ways; return also the operations of a spectrum."""
    ways = {name: Way(name, batch_size, on_cpu) for name in WAYS}
    losses = {name: way.run(n_steps) for name, way in ways.items()}
    timed = {name: partial(way.run, N_TIMED) for name, way in ways.items()}
    seconds = time_in_turn(timed, n_rounds)
    n_operations = count_operations(ways["single"].trainer.model)
    found = {}
    for name in ways:
        step_seconds = statistics.median(seconds[name]) / N_TIMED
        found[name] = Found(losses[name], step_seconds)
    return found, n_operations


def print_findings(
    found: dict[str, Found],
    n_operations: int,
    peaks: dict[str, float],
    args: argparse.Namespace,
) -> None:
    """Print the table."""
    for dtype, peak in peaks.items():
        print(f"matrix peak of one device in {dtype}: {peak / 1e12:.2f} Tflop/s")
    print(f"{'':10} {'loss differs by':>15} {'ms a step':>10} {'spectra/s':>10} "
          f"{'of the peak':>11}")  # fmt: skip
    first = found["single"].losses
    for name, way in found.items():
        peak = peaks["float16" if MIXED in WAYS[name][1] else "float32"]
        differs = np.max(np.abs(way.losses / first - 1.0))
        rate = args.batch_size / way.seconds
        share = PASSES * n_operations * rate / peak
        print(f"{name:10} {differs:15.1e} {1e3 * way.seconds:10.1f} {rate:10.1f} "
              f"{share:11.1%}")  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--on-cpu", action="store_true")
    args = parser.parse_args()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus and not args.on_cpu:
        print("TensorFlow finds no GPU on this machine: nothing was measured")
        raise SystemExit(1)
    if args.on_cpu:
        tf.config.set_visible_devices([], "GPU")
        build_strategy("mirrored")  # logical CPUs come before the first operation
        print("on two logical CPUs: these figures say nothing of a GPU")
    for gpu in [] if args.on_cpu else gpus:
        details = tf.config.experimental.get_device_details(gpu)
        print(gpu.name, details.get("device_name", ""))
    dtypes = ("float32", "float16")
    peaks = {d: measure_peak(d, args.rounds, args.on_cpu) for d in dtypes}
    found = measure(args.batch_size, args.steps, args.rounds, args.on_cpu)
    print_findings(*found, peaks, args)


if __name__ == "__main__":
    main()
