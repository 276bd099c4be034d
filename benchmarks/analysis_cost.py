"""
Time and memory of the analysis at the size of the paper's archive.

    python benchmarks/analysis_cost.py [--n-latent 128]

Codes of some dimensions, 8 of them informative, with 8 labels and 5 columns of the
exposure: of 7,000 stars once each, of the same 7,000 stars in 270,000 spectra, and of
270,000 stars. Each is analysed in a process of its own, which reports its seconds from
the table in memory to the verdict and all tables, and its peak of memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
from astropy.table import Table

from stellar_tf.analysis.analyze import analyze
from stellar_tf.analysis.columns import NUISANCES
from stellar_tf.config import AnalysisConfig

SURVEYS = ((7_000, 7_000), (270_000, 7_000), (270_000, 270_000))
"""Spectra and stars."""
N_LABELS = 8
POSTERIOR_VARIANCE = 0.05


def simulate_latents(n_spectra: int, n_stars: int, n_latent: int) -> Table:
    """Draw codes whose first dimensions follow the labels, one each."""
    rng = np.random.default_rng(0)
    owner = np.arange(n_spectra) % n_stars
    labels = rng.normal(size=(n_stars, N_LABELS)).astype(np.float32)
    z_mean = 1e-3 * rng.normal(size=(n_spectra, n_latent)).astype(np.float32)
    z_log_var = np.zeros_like(z_mean)
    z_mean[:, :N_LABELS] = np.sqrt(1.0 - POSTERIOR_VARIANCE) * labels[owner]
    z_mean[:, :N_LABELS] += 0.1 * rng.normal(size=(n_spectra, N_LABELS))
    z_log_var[:, :N_LABELS] = np.log(POSTERIOR_VARIANCE)
    table = Table({"z_mean": z_mean, "z_log_var": z_log_var})
    table["dp_id"] = [f"ADP.{i}" for i in range(n_spectra)]
    table["star"] = [f"STAR{i}" for i in owner]
    table["split"] = np.where(owner % 5 == 0, "test", "train")
    for i in range(N_LABELS):
        table[f"label{i}"] = labels[owner, i]
    for name in NUISANCES:
        table[name] = rng.normal(size=n_spectra)
    return table


def measure(n_spectra: int, n_stars: int, n_latent: int) -> None:
    """Analyse one survey; print its cost and the verdict."""
    latents = simulate_latents(n_spectra, n_stars, n_latent)
    config = AnalysisConfig(splits=("train", "test"))
    started = time.perf_counter()
    result = analyze(latents, config)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{n_spectra:,} spectra of {n_stars:,} stars, {n_latent} dimensions: "
        f"{seconds:.0f} s, peak {peak:,.0f} MiB; K = "
        f"{result.independence.n_independent}"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="cost of the analysis")
    parser.add_argument("--n-latent", type=int, default=128)
    parser.add_argument("--survey", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.survey:
        measure(*args.survey, args.n_latent)
        return
    for survey in SURVEYS:
        subprocess.run(
            [sys.executable, __file__, "--n-latent", str(args.n_latent), "--survey"]
            + [str(n) for n in survey],
            check=True,
        )


if __name__ == "__main__":
    main()
