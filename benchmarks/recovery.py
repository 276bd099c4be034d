"""
K found against K true, as factors of variation are switched on one at a time.

    python benchmarks/recovery.py --out FOLDER [--factors 0 1 2 3 4 5 6] [--seeds 0 1 2]

The first so many of the factors below vary as in configs/demo.yaml; all others are
fixed, signal to noise included. Each number of factors has one survey, and each seed a
run with the demo's network and schedule. What is there already is not made again.
Printed are K found with its interval for each run, how many are right, and the
stability of the dimensions from seed to seed.
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
LOG_SNR = 2.5
# Which labels explain which: nothing that K depends on, and slow.
QUICKER = "analysis.n_local_permutations=100"


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
        int(row[f"n_independent{end}"]) for end in ("", "_low", "_high")
    )
    return found, low, high


def recover(folder: Path, n_factors: int, seed: int) -> bool:
    """Make the run if it is not there; print and tell whether K is right."""
    records = survey(folder, n_factors)
    run_folder = folder / f"run{seed}"
    if not (run_folder / "model.keras").exists():
        options = settings(n_factors, f"training.seed={seed}")
        run("fit", str(records), "--run", str(run_folder), *options)
    found, low, high = count(records, run_folder)
    print(
        f"K true {n_factors}, seed {seed}: K found {found} ({low} to {high})"
        f"{'' if found == n_factors else '  <- wrong'}",
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
    args = parser.parse_args()
    right = []
    for n_factors in args.factors:
        folder = args.out / f"k{n_factors}"
        right += [recover(folder, n_factors, seed) for seed in args.seeds]
        if n_factors and len(args.seeds) > 1:
            runs = [str(folder / f"run{seed}") for seed in args.seeds]
            print(run("compare", *runs).splitlines()[-1], flush=True)
    print(f"{sum(right)} of {len(right)} runs found K true")


if __name__ == "__main__":
    main()
