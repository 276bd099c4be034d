"""
Real exposures of one star seen by a network that was trained on simulated ones.

    python benchmarks/real_exposures.py RUN FITS [FITS ...]

RUN has been analysed. The exposures of one star must lie together in the stellar
dimensions: printed is, for each, the median absolute deviation (MAD) of their means
over that of held-out simulated stars. A dimension that follows the barycentric Earth
radial velocity (BERV) must follow it here, too: printed is their rank correlation over
the exposures, with the share of 100,000 permutations that reach it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy import stats

from stellar_tf.analysis.files import VERDICT_NAME
from stellar_tf.analysis.latents import HELD_OUT
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run
from stellar_tf.tables import read_table

N_PERMUTATIONS = 99_999


def compare_spread(verdict: Table, simulated: Table, real: Table) -> None:
    """Print the ratio of MADs for every stellar dimension."""
    _, one_each = np.unique(simulated["star"], return_index=True)
    for row in verdict[verdict["kind"] == "stellar"]:
        here, there = (
            stats.median_abs_deviation(np.asarray(t["z_mean"])[:, row["dimension"]])
            for t in (real, simulated[one_each])
        )
        print(
            f"z{row['dimension']} ({row['tracks'] or 'no label'}): MAD over that of "
            f"{one_each.size} held-out stars {here / there:.3f}"
        )


def follow_berv(verdict: Table, real: Table) -> None:
    """Print the correlation with BERV of each dimension that tracks it."""
    berv = np.asarray(real["berv"], float)
    rng = np.random.default_rng(0)
    for row in verdict[(verdict["tracks"] == "berv") & verdict["informative"]]:
        z = np.asarray(real["z_mean"])[:, row["dimension"]]
        test = stats.permutation_test(
            (z,),
            lambda z: abs(stats.spearmanr(z, berv).statistic),
            permutation_type="pairings",
            n_resamples=N_PERMUTATIONS,
            alternative="greater",
            rng=rng,
        )
        print(
            f"z{row['dimension']} ({row['kind']}) and BERV: |Spearman| "
            f"{abs(row['tracks_spearman']):.3f} on simulated stars, "
            f"{test.statistic:.3f} over {z.size} exposures from {berv.min():.1f} to "
            f"{berv.max():.1f} km/s, p = {test.pvalue:.5f}"
        )


def main() -> None:
    """Encode the exposures and compare."""
    parser = argparse.ArgumentParser(description="real exposures of one star")
    parser.add_argument("run", type=Path)
    parser.add_argument("fits", type=Path, nargs="+")
    args = parser.parse_args()
    run = Run(args.run)
    verdict = read_table(run.analysis / VERDICT_NAME)
    latents = read_table(run.latents_path)
    encoded = SpectrumModel.from_run(run).encode(args.fits)
    table = encoded.table
    for path, reason in encoded.rejects:
        print(f"{path}: {reason}")
    compare_spread(verdict, latents[latents["split"] == HELD_OUT], table)
    follow_berv(verdict, table)


if __name__ == "__main__":
    main()
