"""
Speed of training, as ratios measured in one run.

    python benchmarks/train.py [--batch-size 8] [--rounds 5] [--keras-adam] [--memory]

Every round times, one after the other, a training step of

- torch: the paper's network in PyTorch (extra [bench]), Adam, its loss;
- strided: the same network here, configs/paper.yaml;
- folded: ours, configs/default.yaml at full resolution;
- with --keras-adam: the same with Adam as Keras has it.

All have the same batch of full-size spectra in memory and both cores. Printed are
medians over the rounds, and the medians of the rounds' ratios, with their ranges; with
--memory also the peak of a process that trains `folded` with 8, 32 and 128 spectra.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from paper_torch import PaperNetwork
from timing import compare_with_torch

# Before TensorFlow, for which it sets how to compute.
from stellar_tf.config import load_config

if TYPE_CHECKING:
    from stellar_tf.training.optimizer import FusedAdam

Step = Callable[[], None]


def make_flux(batch_size: int) -> np.ndarray:
    """Spectra of noise: the time does not depend on their content."""
    rng = np.random.default_rng(0)
    return rng.normal(1.0, 0.1, (batch_size, 327_680)).astype(np.float32)


def build_torch(flux: np.ndarray) -> Step:
    """Prepare PyTorch."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network, batch = PaperNetwork(), torch.from_numpy(flux)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        network.training_loss(batch, 0.3).backward()
        optimizer.step()

    return step


def build_ours(flux: np.ndarray, name: str, *, keras_adam: bool = False) -> Step:
    """Prepare a network of ours by the name of its settings."""
    import tensorflow as tf

    from stellar_tf.config.recipe import complete_config
    from stellar_tf.training.step import Trainer
    from stellar_tf.training.step_results import read_steps
    from stellar_tf.training.strategy import build_strategy

    assignments = [
        f"training.batch_size={len(flux)}",
        "objective.coarse_scales=[]",
        "training.learning_rate=1.0e-9",  # the same batch of noise again and again
    ]
    config = load_config(name, assignments)
    config = complete_config(config, config.grid, n_spectra=2000)
    trainer = Trainer(config, build_strategy("single"))
    if keras_adam:
        trainer.optimizer = build_keras_adam()
        trainer.optimizer.build(trainer.model.trainable_variables)
    # It pads them itself.
    batch = tf.constant(flux[:, : config.grid.n_pixels])

    def step() -> None:
        read_steps([trainer.train_step({"flux": batch}, 0)])

    return step


def build_keras_adam() -> FusedAdam:
    """Build ours with the update that Keras' has."""
    import keras

    from stellar_tf.training.optimizer import FusedAdam

    class KerasAdam(FusedAdam):
        update_step = keras.optimizers.Adam.update_step

    return KerasAdam(1.0e-9)


def measure_memory(batch_size: int) -> float:
    """Peak of a process that trains `folded` for three steps [MiB]."""
    done = subprocess.run(
        [sys.executable, __file__, "--peak", "--batch-size", str(batch_size)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def print_peak(batch_size: int) -> None:
    """Train and print the peak memory of this process [MiB]."""
    from pathlib import Path

    step = build_ours(make_flux(batch_size), "default")
    for _ in range(3):
        step()
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keras-adam", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        print_peak(args.batch_size)
        return
    flux = make_flux(args.batch_size)
    steps = {
        "torch": build_torch(flux),
        "strided": build_ours(flux, "paper"),
        "folded": build_ours(flux, "default"),
    }
    if args.keras_adam:
        steps["keras_adam"] = build_ours(flux, "default", keras_adam=True)
    compare_with_torch(steps, args.batch_size, args.rounds)
    if args.memory:
        for batch_size in (8, 32, 128):
            peak = measure_memory(batch_size)
            print(f"peak memory with batches of {batch_size:3}: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
