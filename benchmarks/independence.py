"""
What a dimension adds to others: the estimator against the truth, and the counting of K.

    python benchmarks/independence.py [--samples 10] [--trials 1000]

The estimator: codes whose last dimension follows one of five others and a parameter of
its own (closed form), or that lie on a folded curve in 2 to 6 dimensions (the truth by
the curve's branches). Beside it, the same from the estimator of Kraskov et al. (2004)
for I(z_d; m_rest), on normal scores, and from the leave-one-out mixture weighed by all
other dimensions.

Counting: trials in which r of 6 informative dimensions repeat others: weak curved
copies, or ones that add exactly the floor, the hardest that K must not count.
Given are the shares of trials in which K is right and in which its interval holds the
truth, and the share of the copies that are counted, with its interval (Clopper and
Pearson). It should be at most half of what the intervals' level leaves: 0.025.

Matrices are small: set OMP_NUM_THREADS=1, or threads cost more than they save.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.spatial import KDTree
from scipy.special import digamma, logsumexp
from scipy.stats import binomtest

from stellar_tf.analysis.evidence.conditional_density import (
    draw_sample,
    measure_added,
)
from stellar_tf.analysis.evidence.independence import (
    Independence,
    measure_independence,
)
from stellar_tf.analysis.evidence.verdict import decide, gather_evidence
from stellar_tf.analysis.labels.mutual_information import normal_scores
from stellar_tf.analysis.latents import Codes
from stellar_tf.config import AnalysisConfig

N_STARS = (500, 3_000)
TRIALS = (
    (0, 300, False),
    (3, 300, False),
    (5, 300, False),
    (3, 300, True),
    (3, 1_000, True),
)
"""Redundant ones of six, stars, and whether copies add exactly the floor."""
CONFIG = AnalysisConfig(n_draws=6_000)
OWN = 0.3
"""Amplitude of a copy's own parameter."""
Problem = tuple[np.ndarray, np.ndarray]


def plant_copy(nats: float, n_stars: int, rng: np.random.Generator) -> Problem:
    """Five parameters with 4, 2, 2, 2, 2 nats, and mostly the first once more."""
    carried = np.array([4.0, 2.0, 2.0, 2.0, 2.0, nats])
    variance = np.exp(-2.0 * carried)
    parameters = rng.normal(size=(n_stars, 5))[:, [0, 1, 2, 3, 4, 0]]
    own = rng.normal(size=n_stars)
    parameters[:, -1] = np.sqrt(1.0 - OWN**2) * parameters[:, -1] + OWN * own
    mean = parameters * np.sqrt(1.0 - variance)
    return mean, np.tile(np.log(variance), (n_stars, 1))


def true_copy(nats: float) -> float:
    """Compute what the copy adds by its own part, in closed form."""
    return float(0.5 * np.log1p(OWN**2 * np.expm1(2.0 * nats)))


def curve(t: np.ndarray, n_latent: int) -> np.ndarray:
    """Sines of rising frequency."""
    order = np.arange(n_latent)
    return np.sin((order // 2 + 1) * 2.2 * t[:, None] + 1.3 * (order % 2) + 0.3 * order)


def plant_curve(
    n_latent: int, width: float, n_stars: int, rng: np.random.Generator
) -> Problem:
    """Stars on the curve, with posteriors of one width."""
    mean = curve(rng.uniform(-1.0, 1.0, n_stars), n_latent)
    return mean, np.full(mean.shape, 2.0 * np.log(width))


def true_curve(n_latent: int, width: float) -> float:
    """Say by the branches that have the same other means what the last one adds."""
    if n_latent > 2:
        return 0.0  # two sines of different phase are on one branch only
    rng = np.random.default_rng(0)
    grid = np.linspace(-1.0, 1.0, 40_001)
    on_grid = curve(grid, 2)
    slope = np.abs(np.gradient(on_grid[:, 0], grid))
    ratios = []
    for star, error in zip(
        curve(rng.uniform(-1.0, 1.0, 4_000), 2), rng.normal(size=4_000), strict=True
    ):
        off = on_grid[:, 0] - star[0]
        branches = np.flatnonzero(off[1:] * off[:-1] <= 0.0)
        parts = -0.5 * ((star[1] + width * error - on_grid[branches, 1]) / width) ** 2
        log_weights = -np.log(slope[branches])
        log_density = logsumexp(parts + log_weights) - logsumexp(log_weights)
        ratios.append(-0.5 * error**2 - log_density)
    return float(np.mean(ratios))


def by_neighbours(problem: Problem, rng: np.random.Generator) -> float:
    """Take I(z_d; m_rest), by nearest neighbours, from I(x; z_d)."""
    mean, log_var = problem
    own = log_density_ratio_alone(mean[:, -1], log_var[:, -1], rng)
    draws = mean.copy()
    draws[:, -1] += np.exp(0.5 * log_var[:, -1]) * rng.normal(size=len(mean))
    scores = np.column_stack([normal_scores(column, rng) for column in draws.T])
    rest, last = scores[:, :-1], scores[:, -1:]
    radius = KDTree(scores).query(scores, k=4, p=np.inf)[0][:, -1] * (1.0 - 1e-10)
    shared = digamma(len(mean)) + digamma(3)
    for points in (last, rest):
        inside = KDTree(points).query_ball_point(
            points, radius, p=np.inf, return_length=True
        )
        shared -= digamma(inside).mean()
    return own - float(shared)


def log_density_ratio_alone(
    mean: np.ndarray, log_var: np.ndarray, rng: np.random.Generator
) -> float:
    """Estimate I(x; z_d) by the mixture of all other stars, on draws."""
    return float(_mixture_ratio(mean[:, None], log_var[:, None], rng).mean())


def by_mixture(problem: Problem, rng: np.random.Generator) -> float:
    """Weigh the parts of a leave-one-out mixture by all other dimensions."""
    return float(_mixture_ratio(*problem, rng).mean())


def _mixture_ratio(
    mean: np.ndarray, log_var: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    width = np.exp(0.5 * log_var)
    noise = rng.normal(size=mean.shape)
    noise[:, :-1] = 0.0
    ratio = np.empty(len(mean))
    for star, (centre, error) in enumerate(zip(mean, noise, strict=True)):
        z = centre + width[star] * error
        parts = -0.5 * ((z - mean) / width) ** 2 - np.log(width)
        parts[star] = -np.inf
        rest = parts[:, :-1].sum(axis=1) if mean.shape[1] > 1 else np.zeros(len(mean))
        if mean.shape[1] == 1:
            rest[star] = -np.inf
        log_density = logsumexp(rest + parts[:, -1]) - logsumexp(rest)
        ratio[star] = -0.5 * error[-1] ** 2 - np.log(width[star, -1]) - log_density
    return ratio


def of_record(problem: Problem, rng: np.random.Generator) -> float:
    """Apply the estimator of the analysis."""
    sample = draw_sample(*problem, rng)
    last = problem[0].shape[1] - 1
    return measure_added(sample, last, range(last), rng).value


def compare_estimators(n_samples: int) -> None:
    """Print bias and scatter of each estimator for each problem."""
    problems = {
        f"copy of {nats:g} nat among 6": (plant_copy, (nats,), true_copy(nats))
        for nats in (0.5, 2.0)
    }
    for n_latent in (2, 3, 4, 6):
        for width in (0.05, 0.3):
            problems[f"curve in {n_latent}, width {width:g}"] = (
                plant_curve,
                (n_latent, width),
                true_curve(n_latent, width),
            )
    for name, (plant, arguments, truth) in problems.items():
        for n_stars in N_STARS:
            errors = np.empty((n_samples, 3))
            for sample in range(n_samples):
                rng = np.random.default_rng((n_stars, sample))
                problem = plant(*arguments, n_stars, rng)
                errors[sample] = [
                    estimate(problem, rng) - truth
                    for estimate in (of_record, by_neighbours, by_mixture)
                ]
            cells = (
                f"{bias:+.3f} ({scatter:.3f})"
                for bias, scatter in zip(
                    errors.mean(axis=0), errors.std(axis=0, ddof=1), strict=True
                )
            )
            print(
                f"| {name} | {truth:.3f} | {n_stars:,} | {' | '.join(cells)} |",
                flush=True,
            )


def plant_weak_copies(
    n_redundant: int, n_stars: int, rng: np.random.Generator
) -> Problem:
    """Independent dimensions, then some that follow one of them weakly, on a curve."""
    n_true = 6 - n_redundant
    nats = np.r_[rng.uniform(1.5, 3.0, n_true), rng.uniform(0.2, 0.6, n_redundant)]
    source = np.r_[np.arange(n_true), rng.integers(n_true, size=n_redundant)]
    parameters = rng.normal(size=(n_stars, n_true))[:, source]
    parameters[:, n_true:] = np.tanh(parameters[:, n_true:])
    parameters /= parameters.std(axis=0)
    variance = np.exp(-2.0 * nats)
    return parameters * np.sqrt(1.0 - variance), np.tile(np.log(variance), (n_stars, 1))


def plant_copies_at_floor(
    n_redundant: int, n_stars: int, rng: np.random.Generator
) -> Problem:
    """Independent dimensions, then ones that add `min_information` (closed form)."""
    n_true = 6 - n_redundant
    nats = np.r_[rng.uniform(1.5, 3.0, n_true), rng.uniform(0.5, 1.4, n_redundant)]
    source = np.r_[np.arange(n_true), np.arange(n_redundant)]
    parameters = rng.normal(size=(n_stars, n_true))[:, source]
    own = np.expm1(2.0 * CONFIG.min_information) / np.expm1(2.0 * nats[n_true:])
    parameters[:, n_true:] *= np.sqrt(1.0 - own)
    parameters[:, n_true:] += np.sqrt(own) * rng.normal(size=(n_stars, n_redundant))
    variance = np.exp(-2.0 * nats)
    return parameters * np.sqrt(1.0 - variance), np.tile(np.log(variance), (n_stars, 1))


def count_independent(problem: Problem, rng: np.random.Generator) -> Independence:
    """Do what the analysis does."""
    names = np.array([f"star {i}" for i in range(len(problem[0]))])
    codes = Codes(names, names, np.full(names.shape, ""), *problem, {})
    evidence = gather_evidence(codes, codes, CONFIG, rng)
    verdict = decide(evidence, CONFIG)
    return measure_independence(codes, evidence.information, verdict, CONFIG, rng)


def count_trials(n_redundant: int, n_stars: int, at_floor: bool, n_trials: int) -> None:
    """Print how often K is right, and how often copies are counted."""
    n_true = 6 - n_redundant
    plant = plant_copies_at_floor if at_floor else plant_weak_copies
    right = held = n_false = 0
    for trial in range(n_trials):
        rng = np.random.default_rng((n_redundant, n_stars, trial))
        found = count_independent(plant(n_redundant, n_stars, rng), rng)
        n_false += int(found.independent[n_true:].sum())
        right += found.n_independent == n_true
        held += found.n_low <= n_true <= found.n_high
    cells = [f"{right / n_trials:.3f}", f"{held / n_trials:.3f}", ""]
    if n_redundant:
        counted = binomtest(n_false, n_trials * n_redundant)
        low, high = counted.proportion_ci()
        cells[2] = f"{counted.statistic:.4f} ({low:.4f} to {high:.4f})"
    name = f"{n_redundant}{', at the floor' if at_floor else ''}"
    print(f"| {name} | {n_stars:,} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description="bias, variance and error rates of K")
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--trials", type=int, default=1_000)
    args = parser.parse_args()
    for trials in TRIALS:
        count_trials(*trials, args.trials)
    compare_estimators(args.samples)


if __name__ == "__main__":
    main()
