"""
Speed of encoding, as ratios measured in one run.

    python benchmarks/encode.py [--batch-size 32] [--rounds 5]

Every round times, one after the other, the encoding of a batch of full-size spectra in
memory by the paper's network in PyTorch (extra [bench]), by the same network here
(configs/paper.yaml) and by ours (configs/default.yaml), on both cores. Printed are
medians over the rounds, and the medians of the rounds' ratios, with their ranges.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

import numpy as np
import torch
from paper_torch import PaperNetwork
from timing import compare_with_torch
from train import make_flux

# Before TensorFlow, for which it sets how to compute.
from stellar_tf.config import load_config


def build_torch(flux: np.ndarray) -> Callable[[], object]:
    """Prepare PyTorch."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network, batch = PaperNetwork().eval(), torch.from_numpy(flux)

    def encode() -> object:
        with torch.inference_mode():
            return network.encode(batch)

    return encode


def build_ours(flux: np.ndarray, name: str) -> Callable[[], object]:
    """Prepare a network of ours by the name of its settings."""
    import tensorflow as tf

    from stellar_tf.compilation import compile_parts
    from stellar_tf.config.recipe import complete_config
    from stellar_tf.network.model import build_encoder

    config = load_config(name)
    config = complete_config(config, config.grid, n_spectra=2000)
    encoder = build_encoder(config.model, config.grid.n_pixels)
    # It pads them itself.
    batch = tf.constant(flux[:, : config.grid.n_pixels])

    @tf.function
    def encode() -> tf.Tensor:
        with compile_parts():  # as `stellar-tf encode` does
            return encoder(batch, training=False)["z_mean"]

    return lambda: encode().numpy()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    flux = make_flux(args.batch_size)
    ways = {
        "torch": build_torch(flux),
        "strided": build_ours(flux, "paper"),
        "folded": build_ours(flux, "default"),
    }
    compare_with_torch(ways, args.batch_size, args.rounds)


if __name__ == "__main__":
    main()
