"""
Time and memory of the analysis at the size of the paper's archive.

    python benchmarks/analysis_cost.py [--n-latent 128] [--parts N_SPECTRA N_STARS]

Codes of some dimensions, 8 of them informative, with 8 labels and 5 columns of the
exposure: of 7,000 stars once each, of the same 7,000 stars in 270,000 spectra, and of
270,000 stars. Each is analysed in a process of its own, which reports its seconds from
the table in memory to the verdict and all tables, and its peak of memory. With --parts
it is one survey of any size, from a folder of parts on the disk, and the seconds of
reading it are counted, too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from stellar_tf.analysis.analyze import analyze
from stellar_tf.analysis.columns import NUISANCES
from stellar_tf.config import AnalysisConfig
from stellar_tf.parts import PartInfo, PartList, PartWriter
from stellar_tf.tables import read_table

SURVEYS = ((7_000, 7_000), (270_000, 7_000), (270_000, 270_000))
"""Spectra and stars."""
ROWS_PER_PART = 100_000
N_LABELS = 8
POSTERIOR_VARIANCE = 0.05


def peak_memory() -> float:
    """Most memory of this process so far [MiB]."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def simulate_latents(
    n_spectra: int, n_stars: int, n_latent: int, first: int = 0
) -> Table:
    """Draw codes whose first dimensions follow the labels, one each."""
    owner = np.arange(first, first + n_spectra) % n_stars
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(n_stars, N_LABELS)).astype(np.float32)
    rng = np.random.default_rng((1, first))
    z_mean = 1e-3 * rng.normal(size=(n_spectra, n_latent)).astype(np.float32)
    z_log_var = np.zeros_like(z_mean)
    z_mean[:, :N_LABELS] = np.sqrt(1.0 - POSTERIOR_VARIANCE) * labels[owner]
    z_mean[:, :N_LABELS] += 0.1 * rng.normal(size=(n_spectra, N_LABELS))
    z_log_var[:, :N_LABELS] = np.log(POSTERIOR_VARIANCE)
    table = Table({"z_mean": z_mean, "z_log_var": z_log_var})
    table["dp_id"] = [f"ADP.{first + i}" for i in range(n_spectra)]
    table["star"] = [f"STAR{i}" for i in owner]
    table["split"] = np.where(owner % 5 == 0, "test", "train")
    for i in range(N_LABELS):
        table[f"label{i}"] = labels[owner, i]
    for name in NUISANCES:
        table[name] = rng.normal(size=n_spectra)
    return table


def write_parts(folder: Path, n_spectra: int, n_stars: int, n_latent: int) -> None:
    """Write a survey, some rows at a time."""
    parts = []
    for first in range(0, n_spectra, ROWS_PER_PART):
        n_rows = min(ROWS_PER_PART, n_spectra - first)
        rows = simulate_latents(n_rows, n_stars, n_latent, first)
        name = f"part-{len(parts):05}.parquet"
        with PartWriter(folder / name) as writer:
            writer.write({n: np.asarray(rows[n]) for n in rows.colnames})
        size = (folder / name).stat().st_size
        parts.append(PartInfo(file=name, n_rows=n_rows, n_bytes=size, sha256=""))
    PartList(parts=tuple(parts), n_rejected=0, request={}).write(folder)


def measure(n_spectra: int, n_stars: int, n_latent: int, parts: Path | None) -> None:
    """Analyse one survey; print its cost and the verdict."""
    config = AnalysisConfig(splits=("train", "test"))
    started = time.perf_counter()
    if parts is None:
        latents = simulate_latents(n_spectra, n_stars, n_latent)
        started = time.perf_counter()
    else:
        latents = read_table(parts, leave_out=("history",))
        seconds = time.perf_counter() - started
        print(f"read in {seconds:.0f} s, {peak_memory():,.0f} MiB so far", flush=True)
    result = analyze(latents, config)
    seconds = time.perf_counter() - started
    print(
        f"{n_spectra:,} spectra of {n_stars:,} stars, {n_latent} dimensions: "
        f"{seconds:.0f} s, peak {peak_memory():,.0f} MiB; K = "
        f"{result.independence.n_independent}"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="cost of the analysis")
    parser.add_argument("--n-latent", type=int, default=128)
    parser.add_argument("--survey", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parts", type=int, nargs=2, metavar=("N_SPECTRA", "N_STARS"))
    args = parser.parse_args()
    if args.survey:
        measure(*args.survey, args.n_latent, args.folder)
        return
    if args.parts:
        with tempfile.TemporaryDirectory() as folder:
            write_parts(Path(folder), *args.parts, args.n_latent)
            run_alone(args.parts, args.n_latent, "--folder", folder)
        return
    for survey in SURVEYS:
        run_alone(survey, args.n_latent)


def run_alone(survey: Sequence[int], n_latent: int, *options: str) -> None:
    """Measure one survey in a process of its own."""
    numbers = ["--n-latent", n_latent, "--survey", *survey]
    command = [sys.executable, __file__, *map(str, numbers), *options]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
