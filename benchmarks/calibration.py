"""
Error rates of the verdict: false discoveries, and power as a curve.

    python benchmarks/calibration.py --out docs/figures/power.png [--trials 1000]

False discoveries: trials of 16 dimensions whose posteriors, of any mean and variance,
do not depend on the input; and trials in which 4 of the 16 do. The rate is the mean
over trials of false ones among those called informative (0 where none is).

Power: the share of dimensions of normal aggregate posterior that are found, by the test
after Benjamini-Hochberg and by the verdict, which also asks for the floor.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from stellar_tf.analysis.evidence.verdict import decide, gather_evidence
from stellar_tf.analysis.latents import Codes
from stellar_tf.config import AnalysisConfig

N_LATENT = 16
N_PLANTED = 4
NATS = (0.02, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
N_STARS = (200, 2_400, 7_000)
CONFIG = AnalysisConfig(n_resamples=100)
RATES_CONFIG = AnalysisConfig(n_resamples=40, n_draws=6_000)


def plant(
    n_stars: int, nats: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw means and log variances that carry so many nats in each dimension."""
    # A normal aggregate of unit variance: I = -1/2 ln(posterior variance).
    variance = np.exp(-2.0 * nats)
    mean = rng.normal(size=(n_stars, nats.size)) * np.sqrt(1.0 - variance)
    scale = np.exp(rng.normal(size=nats.size))
    offset = rng.normal(size=nats.size)
    log_var = np.log(variance * scale**2)
    return mean * scale + offset, np.tile(log_var, (n_stars, 1))


def find(
    z_mean: np.ndarray, z_log_var: np.ndarray, config: AnalysisConfig, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tell which dimensions the test and the verdict call informative."""
    names = np.array([f"star {i}" for i in range(len(z_mean))])
    codes = Codes(names, names, np.full(names.shape, ""), z_mean, z_log_var, {})
    evidence = gather_evidence(codes, codes, config, np.random.default_rng(seed))
    rejected = evidence.test.q_value <= config.fdr
    return rejected, decide(evidence, config).informative


def measure_rates(n_trials: int) -> None:
    """Print false-discovery rates."""
    for n_planted in (0, N_PLANTED):
        nats = np.zeros(N_LATENT)
        nats[:n_planted] = 0.3
        shares = np.empty((n_trials, 2))
        for trial in range(n_trials):
            rng = np.random.default_rng((n_planted, trial))
            codes = plant(200, nats, rng)
            for column, found in enumerate(find(*codes, RATES_CONFIG, trial)):
                false = found[n_planted:].sum()
                shares[trial, column] = false / max(found.sum(), 1)
        rates, error = shares.mean(axis=0), shares.std(axis=0) / np.sqrt(n_trials)
        print(
            f"{n_planted} of {N_LATENT} dimensions informative, {n_trials} trials of "
            f"200 stars: false-discovery rate {rates[0]:.4f} +- {error[0]:.4f} by the "
            f"test, {rates[1]:.4f} +- {error[1]:.4f} by the verdict (nominal "
            f"{CONFIG.fdr})"
        )


def measure_power(n_dimensions: int) -> dict[int, np.ndarray]:
    """Share of planted dimensions found, (test or verdict, nats), by stars."""
    power = {}
    for n_stars in N_STARS:
        rates = np.empty((2, len(NATS)))
        for column, nats in enumerate(NATS):
            rng = np.random.default_rng((n_stars, column))
            codes = plant(n_stars, np.full(n_dimensions, nats), rng)
            rates[:, column] = [found.mean() for found in find(*codes, CONFIG, 0)]
            print(
                f"{n_stars} stars, {nats} nat: power {rates[0, column]:.2f} by the "
                f"test, {rates[1, column]:.2f} by the verdict",
                flush=True,
            )
        power[n_stars] = rates
    return power


def draw(power: dict[int, np.ndarray], path: Path) -> None:
    """Draw the curves."""
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    colours = ("#0072b2", "#d55e00", "#009e73")
    for (n_stars, rates), colour in zip(power.items(), colours, strict=True):
        axes.semilogx(NATS, rates[0], "--", color=colour)
        axes.semilogx(
            NATS, rates[1], "o-", color=colour, markersize=4, label=f"{n_stars} stars"
        )
    axes.axvline(CONFIG.min_information, color="0.5", linestyle=":")
    axes.set(xlabel="information of the dimension [nat]", ylabel="share found")
    axes.set_xticks([0.02, 0.05, 0.1, 0.3, 1.0], ["0.02", "0.05", "0.1", "0.3", "1"])
    axes.legend(title="verdict; dashed: the test alone")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run the trials."""
    parser = argparse.ArgumentParser(description="error rates of the verdict")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--dimensions", type=int, default=100)
    args = parser.parse_args()
    measure_rates(args.trials)
    draw(measure_power(args.dimensions), args.out)


if __name__ == "__main__":
    main()
