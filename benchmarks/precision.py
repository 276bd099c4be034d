"""
Errors and widths of a refined run's labels against the truth and the Cramer-Rao bound.

    python benchmarks/precision.py RUN TRUTH

RUN was refined on simulated stars (TRUTH, the truth.ecsv of `stellar-tf simulate`) and
its records are encoded (latents.parquet). Printed are, for the first held-out spectra,
the bound; what one node errs by, read by a polynomial of degree 5; what a polynomial of
degree 5 in all nodes errs by, also over the bound; its width, propagated from the
posterior's, the shares of errors within 1 and 1.96 widths, and of differences of two
visits of a star, whose tilt differs; and the same with what
the polynomial errs by beyond the widths, from one half of the training stars to the
other, added in quadrature. Last the decoder's error on spectra without noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Row, Table
from numpy.typing import NDArray
from scipy.stats import spearmanr
from velocity import VelocityScale, fit_scale

from stellar_tf.config import SimulateConfig, load_label_config
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run
from stellar_tf.simulator.factors import Exposure, Star
from stellar_tf.simulator.precision import bound_precision
from stellar_tf.simulator.spectrum import SpectrumSimulator
from stellar_tf.tables import join_labels, read_table

Array = NDArray[np.float64]
N_HELD_OUT = 400
N_FREE = 64
"""Spectra that are decoded without noise."""
UNKNOWN = ("rv", "teff", "vsini", "mh", "tilt")
"""Factors of the bound."""
DEGREE = 5
STEP = 1e-3
"""By which codes are moved to differentiate a polynomial."""


class Codes(NamedTuple):
    """Codes in units of their scatter, and their widths."""

    z: Array
    width: Array

    def take(self, rows: NDArray[np.bool_]) -> Codes:
        """Keep some spectra."""
        return Codes(self.z[rows], self.width[rows])


def read_truth(row: Row) -> tuple[Star, Exposure]:
    """Return what a spectrum was made of."""
    return (
        Star(**{name: float(row[name]) for name in Star._fields}),
        Exposure(**{name: float(row[name]) for name in Exposure._fields}),
    )


def read_codes(table: Table, training: Table) -> Codes:
    """Standardise codes by those of training."""
    known = np.asarray(training["z_mean"], np.float64)
    middle, unit = known.mean(axis=0), known.std(axis=0)
    width = np.exp(0.5 * np.asarray(table["z_log_var"], np.float64)) / unit
    return Codes((np.asarray(table["z_mean"], np.float64) - middle) / unit, width)


def propagate(scale: VelocityScale, codes: Codes) -> Array:
    """Turn widths of codes into those of what a polynomial reads, shape (n,)."""
    moves = STEP * np.eye(codes.z.shape[1])
    rises = [scale.read(codes.z + m) - scale.read(codes.z - m) for m in moves]
    slopes = np.stack(rises, axis=1) / (2.0 * STEP)
    deviation: Array = np.sqrt(np.sum((slopes * codes.width) ** 2, axis=1))
    return deviation


def scatter(x: Array) -> float:
    """Return the standard deviation of a normal distribution of that median size."""
    return 1.4826 * float(np.median(np.abs(x)))


def find_systematic(codes: Codes, label: Array) -> float:
    """Return what a polynomial errs by beyond the widths, on the other half."""
    even = np.arange(label.size) % 2 == 0
    scale = fit_scale(codes.z[even], label[even], [*range(codes.z.shape[1])], DEGREE)
    other = codes.take(~even)
    error = scale.read(other.z) - label[~even]
    width = float(np.median(propagate(scale, other)))
    return float(np.sqrt(max(scatter(error) ** 2 - width**2, 0.0)))


def cover(error: Array, width: Array) -> str:
    """Tell how many errors lie within 1 and 1.96 widths."""
    shares = (100.0 * np.mean(np.abs(error) < n * width) for n in (1.0, 1.96))
    return " and ".join(f"{share:.0f} %" for share in shares)


def compare_visits(scale: VelocityScale, training: Table, held_out: Table) -> str:
    """Tell how many differences of visits of a star lie within 1 and 1.96 widths."""
    order = np.argsort(np.asarray(held_out["star"]), kind="stable")
    ordered = held_out[order]
    first = np.flatnonzero(ordered["star"][1:] == ordered["star"][:-1])
    codes = read_codes(ordered, training)
    value, variance = scale.read(codes.z), propagate(scale, codes) ** 2
    apart = value[first] - value[first + 1]
    return cover(apart, np.sqrt(variance[first] + variance[first + 1]))


def compare(training: Table, all_held_out: Table, label: str, bound: Array) -> None:
    """Print the errors and widths of a label."""
    held_out = all_held_out[: bound.size]
    codes, tested = read_codes(training, training), read_codes(held_out, training)
    known, truth = (np.asarray(t[label], np.float64) for t in (training, held_out))
    node = int(np.argmax([abs(spearmanr(z, known).statistic) for z in codes.z.T]))
    of_node = scatter(fit_scale(codes.z, known, [node], DEGREE).read(tested.z) - truth)
    scale = fit_scale(codes.z, known, [*range(codes.z.shape[1])], DEGREE)
    error, width = scale.read(tested.z) - truth, propagate(scale, tested)
    systematic = find_systematic(codes, known)
    total = np.hypot(width, systematic)
    print(
        f"{label}: bound {np.median(bound):.4g}; node {node} errs by {of_node:.4g}, "
        f"all by {scatter(error):.4g}, {scatter(error / bound):.2f} bounds; width "
        f"{np.median(width):.4g}, {np.median(width / bound):.2f} bounds, "
        f"{cover(error, width)} within 1 and 1.96 (of visits "
        f"{compare_visits(scale, training, all_held_out)}); with a systematic "
        f"{systematic:.4g} "
        f"{np.median(total / bound):.2f} bounds, {cover(error, total)}"
    )


def measure_decoder(
    model: SpectrumModel, spectra: Table, config: SimulateConfig
) -> float:
    """Return the median rms by which spectra without noise are decoded wrongly."""
    simulator = SpectrumSimulator(config)
    flux = np.array([simulator.expect(*read_truth(row)).flux for row in spectra])
    decoded = model.decode(model.encode(model.wave, flux).z_mean)
    error = decoded - np.stack([model.normalise(row) for row in flux])
    return float(np.median(np.sqrt(np.nanmean(error**2, axis=1))))


def main() -> None:
    """Read the codes and compare."""
    parser = argparse.ArgumentParser(description="errors and widths of labels")
    parser.add_argument("run", type=Path)
    parser.add_argument("truth", type=Path)
    args = parser.parse_args()
    run = Run(args.run)
    config = run.read_config()
    latents = read_table(run.latents_path)
    join_labels(latents, args.truth, load_label_config(config))
    all_held_out = latents[latents["split"] == "test"]
    held_out = all_held_out[:N_HELD_OUT]
    training = latents[latents["split"] != "test"]
    simulator = SpectrumSimulator(config.simulate)
    bounds = [
        bound_precision(simulator, *read_truth(row), UNKNOWN).deviation
        for row in held_out
    ]
    print(f"{len(held_out)} held-out spectra, {len(training)} to fit polynomials to")
    for label in UNKNOWN:
        bound = np.array([of_spectrum[label] for of_spectrum in bounds])
        compare(training, all_held_out, label, bound)
    model = SpectrumModel.from_run(run)
    error = measure_decoder(model, held_out[:N_FREE], config.simulate)
    print(f"decoder, without noise: {error:.5f} rms (median of {N_FREE})")


if __name__ == "__main__":
    main()
