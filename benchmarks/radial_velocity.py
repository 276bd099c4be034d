"""
Radial velocity against the node that follows it best, one panel per run.

    python benchmarks/radial_velocity.py --out FIGURE NAME=LATENTS [NAME=LATENTS ...]

LATENTS are tables of `stellar-tf encode` on records labelled with the simulator's
truth. The node is chosen by |Spearman| without the stars of the test split, and shown
and scored on those. A node is called monotone if its medians in ten bins of velocity,
with as many stars each, all follow each other in one direction.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import Table

from stellar_tf.analysis.labels.rank_correlation import spearman
from stellar_tf.analysis.latents import HELD_OUT
from stellar_tf.tables import read_table

N_BINS = 10


def choose_node(latents: Table) -> int:
    """Find the node that follows velocity best, without the held-out stars."""
    seen = latents[latents["split"] != HELD_OUT]
    strength = np.abs(spearman(np.asarray(seen["z_mean"]), np.asarray(seen["rv"])))
    return int(np.nanargmax(strength))


def median_by_velocity(rv: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median of both in bins of velocity."""
    bins = np.array_split(np.argsort(rv), N_BINS)
    return tuple(np.array([np.median(x[rows]) for rows in bins]) for x in (rv, z))


def draw(axes: plt.Axes, name: str, latents: Table) -> None:
    """Draw one panel and print its figures."""
    node = choose_node(latents)
    held_out = latents[latents["split"] == HELD_OUT]
    rv, z = np.asarray(held_out["rv"]), np.asarray(held_out["z_mean"])[:, node]
    strength = abs(spearman(z[:, None], rv)[0])
    centres, medians = median_by_velocity(rv, z)
    steps = np.sign(np.diff(medians))
    is_monotone = bool(abs(steps.sum()) == steps.size)
    print(
        f"{name}: node {node}, {len(rv)} held-out stars, |Spearman| {strength:.3f}, "
        f"{'monotone' if is_monotone else 'not monotone'} over "
        f"{rv.min():.0f} to {rv.max():.0f} km/s"
    )
    axes.plot(rv, z, ".", color="#0072b2", markersize=4, alpha=0.6)
    axes.plot(centres, medians, "o-", color="#d55e00", markersize=4)
    axes.set_title(f"{name}\n|Spearman| = {strength:.3f}, N = {len(rv)}", fontsize=10)
    axes.set_xlabel("radial velocity [km/s]")
    axes.set_ylabel(f"mean of node {node}")


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description="velocity against its best node")
    parser.add_argument("runs", nargs="+", metavar="NAME=LATENTS")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    n_runs = len(args.runs)
    figure, panels = plt.subplots(
        1, n_runs, figsize=(4.6 * n_runs, 3.8), layout="constrained", squeeze=False
    )
    for axes, run in zip(panels[0], args.runs, strict=True):
        name, _, path = run.partition("=")
        draw(axes, name, read_table(Path(path)))
    figure.savefig(args.out, dpi=120)


if __name__ == "__main__":
    main()
