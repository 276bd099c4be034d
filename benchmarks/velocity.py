"""
Velocities of one star's exposures by a refined network, beside template matching.

    python benchmarks/velocity.py RUN TRUTH FITS [FITS ...]

RUN was refined on simulated stars of known velocity (TRUTH, the truth.ecsv of
`stellar-tf simulate`), and its records are encoded (latents.parquet). What codes mean
in km/s is a polynomial of theirs, fitted to the training stars: of the node that
follows the velocity alone, or of all nodes, since a node's zero may differ from one
kind of star to the next. Template matching is least squares: the mean of all
exposures, its derivative by the velocity, and a continuum of order 5. Printed are the
median over nights of the scatter within a night, the correlation of the nights' means
with template matching, and the velocity that is read per velocity by which a spectrum
is shifted.
"""

from __future__ import annotations

import argparse
from itertools import combinations_with_replacement
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.linalg import lstsq
from scipy.stats import spearmanr

from stellar_tf.config import load_label_config
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run
from stellar_tf.tables import join_labels, read_table
from tfrecords_tools.conversion.prepare import correct_spectrum, prepare_spectrum
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

Array = NDArray[np.float64]
MIN_EXPOSURES = 5
"""Of a night whose scatter counts."""
NOON = 0.7
"""Of La Silla, where nights begin and end [fraction of a Julian day]."""
MARGIN = 30
"""Pixels at each end that shifted spectra do not reach."""
ORDER = 5
"""Of the continuum."""
SHIFTS = {"30 km/s": np.linspace(-30.0, 30.0, 7), "100 m/s": np.linspace(-0.1, 0.1, 7)}
"""Velocities by which a spectrum is shifted [km/s]."""


class VelocityScale(NamedTuple):
    """From codes to velocities."""

    nodes: list[int]
    degree: int
    coefficients: Array

    def read(self, z_mean: Array) -> Array:
        """Return velocities, shape (n,) [km/s]."""
        velocity: Array = expand(z_mean[:, self.nodes], self.degree) @ self.coefficients
        return velocity


def expand(z: Array, degree: int) -> Array:
    """List the monomials of codes up to a degree, shape (n, n_terms)."""
    columns = [np.ones(len(z))]
    for order in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(z.shape[1]), order):
            columns.append(np.prod(z[:, chosen], axis=1))
    return np.stack(columns, axis=1)


def fit_scale(z: Array, label: Array, nodes: list[int], degree: int) -> VelocityScale:
    """Fit a polynomial to labels, by least squares that let outliers go."""
    matrix, weight = expand(z[:, nodes], degree), np.ones(len(z))
    for _ in range(20):
        root = np.sqrt(weight)[:, np.newaxis]
        weighted = matrix * root, label * root[:, 0]
        found = lstsq(*weighted, lapack_driver="gelsy", check_finite=False)[0]
        residual = label - matrix @ found
        scale = 1.4826 * np.median(np.abs(residual))
        weight = 1.0 / (1.0 + (residual / (2.0 * scale)) ** 2)
    return VelocityScale(nodes, degree, found)


def match_template(wave: Array, flux: Array) -> Array:
    """Return the velocity of each spectrum relative to their mean, (n,) [km/s]."""
    velocity = np.zeros(len(flux))
    inside = slice(MARGIN, -MARGIN)
    powers = np.linspace(-1.0, 1.0, wave.size)[:, np.newaxis] ** np.arange(ORDER + 1)
    for _ in range(3):
        doppler = 1.0 + velocity / SPEED_OF_LIGHT
        at_rest = [
            CubicSpline(wave, row)(wave * d)
            for row, d in zip(flux, doppler, strict=True)
        ]
        template = CubicSpline(wave, np.mean(at_rest, axis=0))
        for i, row in enumerate(flux):
            there = wave / doppler[i]
            model, slope = template(there), -template(there, 1) * wave / SPEED_OF_LIGHT
            matrix = np.column_stack([model[:, np.newaxis] * powers, slope])
            root = 1.0 / np.sqrt(np.maximum(model, 0.02))  # photon noise
            found = np.linalg.lstsq(
                (matrix * root[:, np.newaxis])[inside], (row * root)[inside], rcond=None
            )[0]
            velocity[i] += found[-1] / found[0]
        velocity -= velocity.mean()
    return velocity


def scatter_within(velocity: Array, night: Array) -> float:
    """Return the median over nights of the standard deviation within [m/s]."""
    parts = (velocity[night == n] for n in np.unique(night))
    return 1e3 * float(
        np.median([p.std(ddof=1) for p in parts if p.size >= MIN_EXPOSURES])
    )


def average_nights(velocity: Array, night: Array) -> Array:
    """Return the mean of each night of some exposures [km/s]."""
    parts = (velocity[night == n] for n in np.unique(night))
    return np.array([p.mean() for p in parts if p.size >= MIN_EXPOSURES])


def encode_shifted(model: SpectrumModel, path: Path) -> dict[str, Array]:
    """
    Encode a file's spectrum shifted by known velocities.

    On the file's own pixels, which are fine, a spline between them is exact. On the
    grid's pixels, twice as narrow as a line, it moves narrow lines by 10 m/s to and
    fro. Shifted wavelengths alone would be moved by whole pixels where steps agree.
    """
    spectrum = correct_spectrum(read_spectrum(path, 0), model.convert)
    finite = np.isfinite(spectrum.flux)
    spline = CubicSpline(spectrum.wave[finite], spectrum.flux[finite])
    codes = {}
    for name, shifts in SHIFTS.items():
        wave = spectrum.wave / (1.0 + shifts[:, np.newaxis] / SPEED_OF_LIGHT)
        codes[name] = model.encode(spectrum.wave, spline(wave)).z_mean
    return codes


def main() -> None:
    """Encode the exposures and compare."""
    parser = argparse.ArgumentParser(description="velocities of one star")
    parser.add_argument("run", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("fits", type=Path, nargs="+")
    args = parser.parse_args()
    run = Run(args.run)
    model = SpectrumModel.from_run(run)
    latents = read_table(run.latents_path)
    join_labels(latents, args.truth, load_label_config(run.read_config()))
    latents = latents[latents["split"] == "train"]
    z = np.asarray(latents["z_mean"], np.float64)
    rv = np.asarray(latents["rv"], np.float64)
    node = int(np.argmax([abs(spearmanr(column, rv).statistic) for column in z.T]))
    scales = {
        f"node {node}": fit_scale(z, rv, [node], 5),
        "all nodes": fit_scale(z, rv, list(range(z.shape[1])), 2),
    }

    spectra = [
        prepare_spectrum(path, model.grid, model.convert, 0)
        for path in sorted(args.fits)
    ]
    night = np.floor(np.array([s.metadata.mjd for s in spectra]) + 0.5 - NOON)
    flux = np.stack([s.flux / s.median_flux for s in spectra]).astype(np.float64)
    good = np.isfinite(flux).all(axis=0)
    matched = match_template(model.wave[good], flux[:, good])
    print(f"{len(flux)} exposures, {np.unique(night).size} nights")
    print(f"template matching: {scatter_within(matched, night):.2f} m/s within a night")
    coded = model.encode(sorted(args.fits))
    shifted = encode_shifted(model, sorted(args.fits)[0])
    for name, scale in scales.items():
        velocity = scale.read(np.asarray(coded.z_mean, np.float64))
        drifts = (average_nights(v, night) for v in (velocity, matched))
        pearson = np.corrcoef(*drifts)[0, 1]
        read = {k: scale.read(np.asarray(z, np.float64)) for k, z in shifted.items()}
        slopes = {k: np.polyfit(SHIFTS[k], v, 1)[0] for k, v in read.items()}
        print(
            f"{name}: {np.median(velocity):.3f} km/s, "
            f"{scatter_within(velocity, night):.2f} m/s within a night, nights' means "
            f"and template matching: Pearson {pearson:.3f}; slope "
            + ", ".join(f"{slope:.4f} over {k}" for k, slope in slopes.items())
        )


if __name__ == "__main__":
    main()
