"""
Errors and widths of a refined run's labels against the truth and the Cramer-Rao bound.

    python benchmarks/precision.py RUN TRUTH [LATENTS]

RUN was refined on simulated stars (TRUTH, the truth.ecsv of `stellar-tf simulate`), its
records are encoded (latents.parquet, or LATENTS: then every spectrum of it counts, as
of stars that the run has never seen), and it is analysed. Printed are of each label, of
held-out spectra: the bound; what the map of its dimension alone errs by, and what the
estimate by all dimensions errs by, in its unit and in bounds; widths over the bound;
and the shares of errors, and of differences of visits of a star, whose tilt differs,
within 1 and 1.96 of the widths that come with the estimates. Last the decoder's error
on spectra without noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Row, Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import ESTIMATES
from stellar_tf.analysis.files import read_joint_maps, read_unit_maps
from stellar_tf.analysis.labels.estimates import estimate_labels
from stellar_tf.analysis.stars import pair_visits
from stellar_tf.config import SimulateConfig, load_label_config
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run
from stellar_tf.simulator.factors import Exposure, Star
from stellar_tf.simulator.precision import bound_precision
from stellar_tf.simulator.spectrum import SpectrumSimulator
from stellar_tf.tables import join_labels, read_table

Array = NDArray[np.float64]
N_BOUNDED = 400
"""Held-out spectra whose bound is computed."""
N_FREE = 64
"""Spectra that are decoded without noise."""
UNKNOWN = ("rv", "teff", "vsini", "mh", "tilt")
"""Factors of the bound."""


def read_truth(row: Row) -> tuple[Star, Exposure]:
    """Return what a spectrum was made of."""
    return (
        Star(**{name: float(row[name]) for name in Star._fields}),
        Exposure(**{name: float(row[name]) for name in Exposure._fields}),
    )


def scatter(x: Array) -> float:
    """Return the standard deviation of a normal distribution of that median size."""
    return 1.4826 * float(np.nanmedian(np.abs(x)))


def cover(off: Array, width: Array) -> str:
    """Tell how many differences lie within 1 and 1.96 widths."""
    size = np.abs(off)
    shares = (100.0 * np.mean(size < times * width) for times in (1.0, 1.96))
    return " and ".join(f"{share:.1f} %" for share in shares)


def compare(
    spectra: Table, label: str, alone: Array, read: tuple[Array, ...], bound: Array
) -> None:
    """Print the errors and widths of a label."""
    truth = np.asarray(spectra[label], np.float64)
    value, width, error = read
    known, few = np.isfinite(value), slice(bound.size)
    off = value - truth
    print(
        f"{label}: bound {np.median(bound):.4g}; its dimension alone errs by "
        f"{scatter((alone - truth)[few]):.4g}, all by {scatter(off[few]):.4g}, "
        f"{scatter(off[few] / bound):.2f} bounds; widths of "
        f"{np.nanmedian(width[few] / bound):.2f} bounds between visits, "
        f"{np.nanmedian(error[few] / bound):.2f} from star to star"
    )
    one, other = pair_visits(np.asarray(spectra["star"])[known])
    apart = np.hypot(width[known][one], width[known][other])
    print(
        f"  within 1 and 1.96 widths: {cover(off[known], error[known])} of "
        f"{known.sum()} errors, {cover(off[known][one] - off[known][other], apart)} of "
        f"{one.size} differences of visits; {np.sum(~known)} not estimated",
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
    parser.add_argument("latents", type=Path, nargs="?")
    args = parser.parse_args()
    run = Run(args.run)
    config = run.read_config()
    spectra = read_table(args.latents or run.latents_path)
    join_labels(spectra, args.truth, load_label_config(config))
    if args.latents is None:
        spectra = spectra[spectra["split"] == "test"]
    simulator = SpectrumSimulator(config.simulate)
    bounds = [
        bound_precision(simulator, *read_truth(row), UNKNOWN).deviation
        for row in spectra[:N_BOUNDED]
    ]
    codes = [np.asarray(spectra[name]) for name in ("z_mean", "z_log_var", "flags")]
    maps = list(read_unit_maps(run.analysis).values())
    together = estimate_labels(*codes, maps, read_joint_maps(run.analysis))
    alone = estimate_labels(*codes, maps)
    print(f"{len(spectra)} held-out spectra of {len(set(spectra['star']))} stars")
    for label in UNKNOWN:
        if f"{label}_estimate" not in together.colnames:
            print(f"{label}: no dimension tracks it")
            continue
        bound = np.array([of_spectrum[label] for of_spectrum in bounds])
        read = tuple(np.asarray(together[label + ending]) for ending in ESTIMATES)
        compare(spectra, label, np.asarray(alone[f"{label}_estimate"]), read, bound)
    model = SpectrumModel.from_run(run)
    error = measure_decoder(model, spectra[:N_FREE], config.simulate)
    print(f"decoder, without noise: {error:.5f} rms (median of {N_FREE})")


if __name__ == "__main__":
    main()
