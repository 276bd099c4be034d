"""
Errors and widths of a refined run's labels against the truth and the Cramer-Rao bound.

    python benchmarks/precision.py RUN TRUTH

RUN was refined on simulated stars (TRUTH, the truth.ecsv of `stellar-tf simulate`) and
its records are encoded (latents.parquet). Printed are, for the first held-out spectra,
the bound; what one node errs by, read by a polynomial of degree 5; what all nodes err
by, also over the bound, read by a polynomial of degree 5 and by a polynomial of degree
3 with a Gaussian process for what that leaves; the width of the latter, propagated from
the posterior's, with a systematic part between visits, with that of the process, and
with a systematic part between stars, all added in quadrature; and of all held-out
spectra the shares of errors within 1 and 1.96 of each of these widths, and of
differences of two visits of a star, whose tilt differs. Last the decoder's error on
spectra without noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Row, Table
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.stats import spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.neighbors import NearestNeighbors
from velocity import fit_scale

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
"""Of polynomials alone."""
DEGREE_BELOW = 3
"""Of those that a Gaussian process adds to."""
N_SCALED = 800
"""Spectra to which the scales of a process are fitted."""
N_NEAREST = 25
"""Codes that tell how large the systematic part is around a spectrum's."""
STEP = 1e-2
"""By which codes are moved to differentiate what reads them."""


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


class LabelScale:
    """From all nodes to a label, by a polynomial and a Gaussian process."""

    def __init__(self, z: Array, label: Array) -> None:
        """Fit it."""
        nodes = [*range(z.shape[1])]
        self.polynomial = fit_scale(z, label, nodes, DEGREE_BELOW)
        residual = label - self.polynomial.read(z)
        self.unit = scatter(residual)
        self.kept = np.abs(residual) < 10.0 * self.unit
        z, y = z[self.kept], residual[self.kept] / self.unit
        smooth = ConstantKernel(10.0) * RBF(np.ones(len(nodes)), (0.1, 100.0))
        kernel = smooth + WhiteKernel(0.05, (1e-6, 10.0))
        few = GaussianProcessRegressor(kernel).fit(z[:N_SCALED], y[:N_SCALED])
        self.kernel = few.kernel_
        self.process = GaussianProcessRegressor(self.kernel, optimizer=None).fit(z, y)

    def read(self, z: Array) -> Array:
        """Return the label of each spectrum, shape (n,)."""
        label: Array = self.polynomial.read(z) + self.unit * self.process.predict(z)
        return label

    def doubt(self, z: Array) -> Array:
        """Return how well the process is known there, shape (n,)."""
        deviation = self.process.predict(z, return_std=True)[1]
        noise = self.kernel.k2.noise_level
        known: Array = self.unit * np.sqrt(np.maximum(deviation**2 - noise, 0.0))
        return known

    def leave_out(self, star: Array) -> tuple[Array, Array]:
        """
        Return errors and doubt of the spectra it was fitted to, without their stars.

        Of those kept, each shape (n_kept,); the process without a star's spectra in
        closed form (Rasmussen & Williams 2006, eqs. 5.10 to 5.12, for blocks).
        """
        inverse = cho_solve((self.process.L_, True), np.eye(len(self.process.L_)))
        error, variance = np.empty(len(inverse)), np.empty(len(inverse))
        which = np.unique(star[self.kept], return_inverse=True)[1]
        for rows in np.split(np.argsort(which), np.cumsum(np.bincount(which))[:-1]):
            block = np.linalg.inv(inverse[np.ix_(rows, rows)])
            error[rows], variance[rows] = (
                block @ self.process.alpha_[rows],
                np.diag(block),
            )
        noise = self.kernel.k2.noise_level
        doubt = self.unit * np.sqrt(np.maximum(variance - noise, 0.0))
        return self.unit * error, doubt

    def propagate(self, codes: Codes) -> Array:
        """Turn widths of codes into those of the label, shape (n,)."""
        moves = STEP * np.eye(codes.z.shape[1])
        rises = [self.read(codes.z + m) - self.read(codes.z - m) for m in moves]
        slopes = np.stack(rises, axis=1) / (2.0 * STEP)
        deviation: Array = np.sqrt(np.sum((slopes * codes.width) ** 2, axis=1))
        return deviation


def scatter(x: Array) -> float:
    """Return the standard deviation of a normal distribution of that median size."""
    return 1.4826 * float(np.median(np.abs(x)))


class Systematic:
    """
    What must be added to the squares of widths, or taken away, as training stars tell.

    Of the nearest codes of training spectra, each read by what the other stars teach,
    68 % then err by less; or of the nearest pairs of visits 68 % then differ by less.
    Only to add would be too much: of few neighbours the share scatters to both sides.
    """

    def __init__(self, scale: LabelScale, training: Table) -> None:
        """Read each training star by the others."""
        codes, star = read_codes(training, training), np.asarray(training["star"])
        error, doubt = scale.leave_out(star)
        z, width = codes.z[scale.kept], scale.propagate(codes)[scale.kept]
        self.of_errors = z, error**2 - doubt**2 - width**2
        one, other = pair_visits(star[scale.kept])
        beyond = (error[one] - error[other]) ** 2 - width[one] ** 2 - width[other] ** 2
        # Half of it is each visit's.
        self.of_visits = 0.5 * (z[one] + z[other]), 0.5 * beyond

    def change(self, width: Array, z: Array, known: tuple[Array, Array]) -> Array:
        """Change widths at codes by what is `known` around them, shape (n,)."""
        nearest = NearestNeighbors(n_neighbors=N_NEAREST).fit(known[0])
        near = known[1][nearest.kneighbors(z, return_distance=False)]
        # The quantile of another one than these.
        square = np.quantile(near, 0.6827, axis=1, method="weibull")
        changed: Array = np.sqrt(np.maximum(width**2 + square, (0.5 * width) ** 2))
        return changed


def cover(error: Array, width: Array) -> str:
    """Tell how many errors lie within 1 and 1.96 widths."""
    shares = (100.0 * np.mean(np.abs(error) < n * width) for n in (1.0, 1.96))
    return " and ".join(f"{share:.1f} %" for share in shares)


def pair_visits(star: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of two visits of a star each."""
    order = np.argsort(star, kind="stable")
    first = np.flatnonzero(star[order][1:] == star[order][:-1])
    return order[first], order[first + 1]


def compare_visits(star: Array, error: Array, width: Array) -> str:
    """Tell how many differences of visits of a star lie within 1 and 1.96 widths."""
    one, other = pair_visits(star)
    return cover(error[one] - error[other], np.hypot(width[one], width[other]))


def compare(training: Table, held_out: Table, label: str, bound: Array) -> None:
    """Print the errors and widths of a label."""
    codes, tested = read_codes(training, training), read_codes(held_out, training)
    known, truth = (np.asarray(t[label], np.float64) for t in (training, held_out))
    node = int(np.argmax([abs(spearmanr(z, known).statistic) for z in codes.z.T]))
    nodes, few = [*range(codes.z.shape[1])], slice(bound.size)
    of_node, of_polynomial = (
        (fit_scale(codes.z, known, which, DEGREE).read(tested.z) - truth)[few]
        for which in ([node], nodes)
    )
    scale = LabelScale(codes.z, known)
    error, width = scale.read(tested.z) - truth, scale.propagate(tested)
    known_to = np.hypot(width, scale.doubt(tested.z))
    systematic = Systematic(scale, training)
    of_visit = systematic.change(width, tested.z, systematic.of_visits)
    total = systematic.change(known_to, tested.z, systematic.of_errors)
    print(
        f"{label}: bound {np.median(bound):.4g}; node {node} errs by "
        f"{scatter(of_node):.4g}, a polynomial of all by {scatter(of_polynomial):.4g}, "
        f"{scatter(of_polynomial / bound):.2f} bounds, with a process by "
        f"{scatter(error[few]):.4g}, {scatter(error[few] / bound):.2f} bounds"
    )
    star = np.asarray(held_out["star"])
    for name, deviation in (
        ("posterior", width),
        ("posterior and systematic between visits", of_visit),
        ("posterior and process", known_to),
        ("posterior, process and systematic", total),
    ):
        over = np.median(deviation[few] / bound)
        print(
            f"  width, {name}: {np.median(deviation):.4g}, {over:.2f} bounds, "
            f"{cover(error, deviation)} of errors within 1 and 1.96, "
            f"{compare_visits(star, error, deviation)} of differences of visits",
            flush=True,
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
