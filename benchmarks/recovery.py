"""
K found against K true, as factors of variation are switched on one at a time.

    python benchmarks/recovery.py --out FOLDER [--factors 0 1 2 3 4 5 6] [--seeds 0 1 2]
        [--first]

The first so many of the factors below vary as in configs/demo.yaml; all others are
fixed, signal to noise included. Each number of factors has one survey, and for each
seed a run with the demo's network and schedule, and from its weights a second one:
2,000 steps at the schedule's last weight of the divergence, with a learning rate that
begins anew, in which superfluous dimensions are given up. What is there already is not
made again. Printed are K found with its interval for each second run (for the first
ones, too, with --first), how many are right, and the stability of the dimensions from
seed to seed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from astropy.table import Table

FACTORS = (
    ("rv", "{kind: normal, a: 0.0, b: 25.0}", 0.0),
    ("teff", "{kind: uniform, a: 4200.0, b: 6800.0}", 5500.0),
    ("vsini", "{kind: uniform, a: 1.0, b: 20.0}", 6.0),
    ("tilt", "{kind: normal, a: 0.0, b: 0.06}", 0.0),
    ("mh", "{kind: normal, a: -0.1, b: 0.25}", -0.1),
    ("logg", "{kind: uniform, a: 2.0, b: 4.8}", 4.4),
)
LOG_SNR = 2.1
# Which labels explain which: nothing that K depends on, and slow.
QUICKER = "analysis.n_local_permutations=100"
SECOND = (
    "training.n_steps=2000",
    "training.learning_rate=2.0e-3",
    "objective.kl_weights=[[0, 4.0e-4]]",
    "objective.coarse_scales=[]",
    "objective.coarse_end=0",
)
"""What differs in the second run."""


def settings(n_factors: int, *more: str) -> list[str]:
    """Options that let the first few factors vary and fix the others."""
    values = {"log_snr": f"{{kind: fixed, a: {LOG_SNR}}}"}
    for i, (name, varying, fixed) in enumerate(FACTORS):
        values[name] = varying if i < n_factors else f"{{kind: fixed, a: {fixed}}}"
    options = [f"simulate.factors.{name}={value}" for name, value in values.items()]
    words = ["--config", "demo"]
    for option in (*options, QUICKER, *more):
        words += ["--set", option]
    return words


def run(*command: str) -> str:
    """Run a command of stellar-tf and return what it printed."""
    program = str(Path(sys.executable).with_name("stellar-tf"))
    done = subprocess.run([program, *command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"stellar-tf {' '.join(command)} failed")
    return done.stdout


def survey(folder: Path, n_factors: int) -> Path:
    """Make the records of a survey if they are not there."""
    fits, records = folder / "fits", folder / "records"
    truth = fits / "truth.ecsv"
    options = settings(n_factors)
    if not truth.exists():
        run("simulate", str(fits), *options)
    if not records.exists():
        labels = ("--labels", str(truth))
        run("convert", str(fits), "--out", str(records), *labels, *options)
    return records


def count(records: Path, run_folder: Path) -> tuple[int, int, int]:
    """Return K and its interval, of an analysis that is made if it is not there."""
    summary = run_folder / "analysis" / "summary.ecsv"
    if not summary.exists():
        run("encode", str(run_folder), str(records), "--overwrite")
        run("analyze", str(run_folder), "--overwrite")
    row = Table.read(summary)[0]
    found, low, high = (
        int(row[f"n_informative{end}"]) for end in ("", "_low", "_high")
    )
    return found, low, high


def recover(folder: Path, n_factors: int, seed: int, with_first: bool) -> bool:
    """Make both runs where they are not there; print and tell whether K is right."""
    records = survey(folder, n_factors)
    first, second = folder / f"first{seed}", folder / f"run{seed}"
    seeded = f"training.seed={seed}"
    if not (first / "model.keras").exists():
        options = settings(n_factors, seeded)
        run("fit", str(records), "--run", str(first), *options)
    if not (second / "model.keras").exists():
        options = ["--init-from", str(first), *settings(n_factors, seeded, *SECOND)]
        run("fit", str(records), "--run", str(second), *options)
    for name, run_folder in (("first", first), ("second", second)):
        if run_folder == second or with_first:
            found, low, high = count(records, run_folder)
            print(
                f"K true {n_factors}, seed {seed}, {name} run: K found {found} "
                f"({low} to {high}){'' if found == n_factors else '  <- wrong'}",
                flush=True,
            )
    return found == n_factors


def main() -> None:
    """Make the runs and print the tally."""
    parser = argparse.ArgumentParser(description="K found against K true")
    parser.add_argument("--out", type=Path, required=True)
    n_all = list(range(len(FACTORS) + 1))
    parser.add_argument("--factors", type=int, nargs="+", default=n_all)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--first", action="store_true", help="count in first runs, too")
    args = parser.parse_args()
    right = []
    for n_factors in args.factors:
        folder = args.out / f"k{n_factors}"
        right += [recover(folder, n_factors, seed, args.first) for seed in args.seeds]
        if n_factors and len(args.seeds) > 1:
            runs = [str(folder / f"run{seed}") for seed in args.seeds]
            print(run("compare", *runs).splitlines()[-1], flush=True)
    print(f"{sum(right)} of {len(right)} runs found K true")


if __name__ == "__main__":
    main()
