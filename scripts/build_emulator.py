"""
Build the package data of the simulator from the grid and the tellurics.

Run it as ``python scripts/build_emulator.py --nodes NODES.npz --tellurics
TELLURICS.npz --out stellar_tf/simulator/emulator.npz``. It prints the error at nodes
held out from the fit and stores it in the file.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    WhiteKernel,
)

from stellar_tf.simulator.broadening import observe
from stellar_tf.simulator.emulator import REFERENCE_TEFF, Emulator
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

VELOCITY_STEP = 0.8
"""Pixel of the logarithmic grid [km/s]: a third of the resolution element."""
N_COMPONENTS = 24
"""More do not lower the error at held-out nodes."""
QUANTUM = 5.0e-4
"""Step of the stored mean and components, in units of sqrt(-ln flux)."""
MIN_FLUX = 5.0e-3
"""Deeper line cores are raised to this before the logarithm is taken."""
N_FOLDS = 8
FOLD_SEED = 0
MAX_MEDIAN_ERROR = 0.006
"""The build fails above this error of the median held-out node."""
TELLURIC_SCALE = 60_000.0
QUIET_TRANSMISSION = 0.996
"""Where the smoothed transmission exceeds this there is only measurement noise."""
QUIET_WIDTH = 9
"""Pixels of that smoothing."""
GAP_WITH_EDGES = (5300.0, 5345.0)
"""The gap between the detectors [Angstrom]; its edges left false absorption."""


class Grid(NamedTuple):
    """The synthetic spectra at the nodes."""

    coordinates: NDArray[np.float64]
    """5040 K / teff, logg, mh, alpha_m; shape (n_nodes, 4)."""
    wave: NDArray[np.float64]
    """Native wavelengths, shape (n_pixels,) [Angstrom]."""
    flux: NDArray[np.float32]
    """Normalised flux, shape (n_nodes, n_pixels)."""


def read_grid(path: Path) -> Grid:
    """
    Read the synthetic spectra.

    Parameters
    ----------
    path : Path
        The file ``nodes.npz``.

    Returns
    -------
    grid : Grid
        Its nodes and spectra.
    """
    with np.load(path) as stored:
        flux = stored["flux_u16"] / np.float32(stored["flux_scale"])
        coordinates = np.column_stack(
            [
                REFERENCE_TEFF / stored["teff"],
                stored["logg"],
                stored["mh"],
                stored["alpha_m"],
            ]
        )
        pixels = np.arange(flux.shape[1])
        wave = float(stored["wave_min"]) + float(stored["wave_step"]) * pixels
    return Grid(coordinates, wave, flux)


def to_logarithmic(grid: Grid) -> tuple[NDArray[np.float32], float, float]:
    """
    Interpolate the spectra to pixels of constant velocity.

    Parameters
    ----------
    grid : Grid
        The synthetic spectra.

    Returns
    -------
    flux : ndarray of float32, shape (n_nodes, n_log_pixels)
        Cubic splines through the native pixels, taken at the new ones.
    log_wave_min : float
        Natural logarithm of the first wavelength in Angstrom.
    log_step : float
        Step of the logarithm.
    """
    log_step = VELOCITY_STEP / SPEED_OF_LIGHT
    log_wave_min = float(np.log(grid.wave[0]))
    n_pixels = int((np.log(grid.wave[-1]) - log_wave_min) / log_step) + 1
    wave = np.exp(log_wave_min + log_step * np.arange(n_pixels))
    flux = np.empty((len(grid.flux), n_pixels), np.float32)
    for row, spectrum in zip(flux, grid.flux, strict=True):
        row[:] = make_interp_spline(grid.wave, spectrum.astype(np.float64), k=3)(wave)
    return flux, log_wave_min, log_step


def fit_arrays(
    coordinates: NDArray[np.float64], flux: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """
    Decompose spectra and fit a Gaussian process to each component's scores.

    Parameters
    ----------
    coordinates : ndarray of float64, shape (n_nodes, 4)
        Where the spectra stand.
    flux : ndarray of float32, shape (n_nodes, n_log_pixels)
        Normalised flux.

    Returns
    -------
    arrays : dict of str to ndarray
        What `Emulator.load` reads, but for the wavelengths and the error.
    """
    root_depth = np.sqrt(-np.log(np.clip(flux, MIN_FLUX, 1.0)))
    mean = root_depth.mean(axis=0)
    residual = root_depth - mean
    _, vectors = np.linalg.eigh((residual @ residual.T).astype(np.float64))
    vectors = vectors[:, ::-1][:, :N_COMPONENTS]
    scores = vectors * np.sqrt(len(flux))  # (n_nodes, n_components), unit variance
    components = (vectors / np.sqrt(len(flux))).T.astype(np.float32) @ residual
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    nodes = 2.0 * (coordinates - low) / (high - low) - 1.0
    processes = [fit_process(nodes, column) for column in scores.T]
    return {
        "mean_i16": quantise(mean),
        "components_i16": quantise(components),
        "quantum": np.float64(QUANTUM),
        "nodes": nodes,
        "node_low": low,
        "node_high": high,
        **{
            name: np.array([process[name] for process in processes])
            for name in processes[0]
        },
    }


def quantise(values: NDArray[np.float32]) -> NDArray[np.int16]:
    """
    Round to whole quanta.

    Parameters
    ----------
    values : ndarray of float32
        Mean or components.

    Returns
    -------
    quanta : ndarray of int16
        In units of `QUANTUM`.
    """
    return np.round(values / QUANTUM).astype(np.int16)


def fit_process(
    nodes: NDArray[np.float64], scores: NDArray[np.float64]
) -> dict[str, Any]:
    """
    Fit one Gaussian process; its hyper-parameters maximise the marginal likelihood.

    Parameters
    ----------
    nodes : ndarray of float64, shape (n_nodes, 4)
        Scaled coordinates.
    scores : ndarray of float64, shape (n_nodes,)
        Scores of one component.

    Returns
    -------
    process : dict of str to float or ndarray
        Hyper-parameters and weights under the names of `Emulator`.
    """
    kernel = (
        ConstantKernel(1.0) * RBF([2.0] * nodes.shape[1], (0.2, 100.0))
        + ConstantKernel(1.0) * DotProduct(1.0)
        + WhiteKernel(1.0e-4, (1.0e-8, 1.0))
    )
    with warnings.catch_warnings():
        # A length scale at its bound means that the score does not depend on it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = GaussianProcessRegressor(kernel).fit(nodes, scores)
    smooth, linear = fitted.kernel_.k1.k1, fitted.kernel_.k1.k2
    return {
        "weights": fitted.alpha_,
        "amplitude": smooth.k1.constant_value,
        "length": smooth.k2.length_scale,
        "slope": linear.k1.constant_value,
        "offset": linear.k2.sigma_0**2,
    }


def held_out_errors(
    grid: Grid, flux: NDArray[np.float32], log_wave_min: float, log_step: float
) -> NDArray[np.float64]:
    r"""
    Mean absolute error at each node, while it is held out from the fit.

    Parameters
    ----------
    grid : Grid
        The synthetic spectra.
    flux : ndarray of float32, shape (n_nodes, n_log_pixels)
        The same on the logarithmic grid.
    log_wave_min : float
        Natural logarithm of the first wavelength in Angstrom.
    log_step : float
        Step of the logarithm.

    Returns
    -------
    errors : ndarray of float64, shape (n_nodes,)
        Mean over all native pixels of \|emulated - synthetic flux\|, by way of the
        stored integers and of the interpolation to linear wavelengths.
    """
    n_nodes = len(flux)
    order = np.random.default_rng(FOLD_SEED).permutation(n_nodes)
    errors = np.empty(n_nodes)
    for fold in range(N_FOLDS):
        held_out = order[fold::N_FOLDS]
        kept = np.setdiff1d(order, held_out)
        arrays = fit_arrays(grid.coordinates[kept], flux[kept])
        emulator = assemble(arrays, log_wave_min, log_step)
        for node in held_out:
            reference, *others = grid.coordinates[node]
            predicted = emulator.flux(REFERENCE_TEFF / reference, *others)
            position = emulator.position(grid.wave)
            sampled = observe(emulator, predicted, position, vsini=0.0, rv=0.0)
            errors[node] = np.abs(sampled - grid.flux[node]).mean()
    return errors


def assemble(
    arrays: dict[str, NDArray[Any]], log_wave_min: float, log_step: float
) -> Emulator:
    """
    Turn fitted arrays into an emulator without a file between.

    Parameters
    ----------
    arrays : dict of str to ndarray
        From `fit_arrays`.
    log_wave_min : float
        Natural logarithm of the first wavelength in Angstrom.
    log_step : float
        Step of the logarithm.

    Returns
    -------
    emulator : Emulator
        Its errors are not known yet.
    """
    stored = dict(arrays)
    quantum = np.float32(stored.pop("quantum"))
    return Emulator(
        log_wave_min=log_wave_min,
        log_step=log_step,
        mean=stored.pop("mean_i16") * quantum,
        components=stored.pop("components_i16") * quantum,
        held_out_error=np.full(len(arrays["nodes"]), np.nan),
        **stored,
    )


def read_tellurics(path: Path) -> dict[str, NDArray[Any]]:
    """
    Read the measured transmission and remove its noise where there is no line.

    Parameters
    ----------
    path : Path
        File with ``wave_air_obs`` and ``transmission``.

    Returns
    -------
    arrays : dict of str to ndarray
        What `Tellurics.load` reads.
    """
    with np.load(path) as stored:
        wave = stored["wave_air_obs"]
        transmission = np.minimum(stored["transmission"], 1.0).astype(np.float64)
    smoothed = np.convolve(
        np.pad(transmission, QUIET_WIDTH // 2, mode="edge"),
        np.full(QUIET_WIDTH, 1.0 / QUIET_WIDTH),
        mode="valid",
    )
    in_gap = (wave > GAP_WITH_EDGES[0]) & (wave < GAP_WITH_EDGES[1])
    transmission[in_gap | (smoothed > QUIET_TRANSMISSION)] = 1.0
    return {
        "telluric_wave_min": np.float64(round(float(wave[0]), 6)),
        "telluric_wave_step": np.float64(round(float(wave[1] - wave[0]), 6)),
        "telluric_u16": np.round(transmission * TELLURIC_SCALE).astype(np.uint16),
        "telluric_scale": np.float64(TELLURIC_SCALE),
    }


def main() -> None:
    """Build the file and print its error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=Path, required=True)
    parser.add_argument("--tellurics", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    grid = read_grid(arguments.nodes)
    flux, log_wave_min, log_step = to_logarithmic(grid)
    errors = held_out_errors(grid, flux, log_wave_min, log_step)
    print(
        f"mean absolute error at {len(errors)} held-out nodes: "
        f"median {np.median(errors):.4f}, mean {errors.mean():.4f}, "
        f"max {errors.max():.4f}"
    )
    if np.median(errors) > MAX_MEDIAN_ERROR:
        raise SystemExit(f"the median must be at most {MAX_MEDIAN_ERROR}")
    arrays: dict[str, Any] = {
        "log_wave_min": log_wave_min,
        "log_step": log_step,
        "held_out_error": errors,
        **fit_arrays(grid.coordinates, flux),
        **read_tellurics(arguments.tellurics),
    }
    np.savez_compressed(arguments.out, **arrays)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
