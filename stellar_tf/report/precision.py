"""How wide estimates of labels are, and how narrow they could be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.table import Row, Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import ESTIMATES, read_floats
from stellar_tf.analysis.labels.estimates import estimate_labels
from stellar_tf.analysis.labels.joint_maps import JointMap
from stellar_tf.analysis.labels.units import UnitMap, name_label
from stellar_tf.analysis.latents import HELD_OUT
from stellar_tf.config import SimulateConfig
from stellar_tf.simulator.factors import Exposure, Star
from stellar_tf.simulator.precision import STEPS, bound_precision
from stellar_tf.simulator.spectrum import SpectrumSimulator
from tfrecords_tools.grid import Grid

N_SPECTRA = 500
"""Most held-out spectra, evenly chosen in the order of their S/N."""
N_BOUNDS = 40
"""Spectra whose bound is computed, chosen likewise among these."""
_DESCRIPTIONS = {
    "label": "label that a dimension tracks",
    "unit": "of width and bound",
    "dp_id": "held-out spectrum",
    "snr": "signal to noise per pixel",
    "width": "standard deviation that visits differ by from their mean",
    "bound": "Cramer-Rao bound, all factors unknown; NaN where it was not computed",
}


def fits_grid(simulation: SimulateConfig, grid: Grid) -> bool:
    """Tell whether simulated files have the pixels of a grid, and no others."""
    shared = ("wave_min", "wave_step", "n_pixels")
    same = all(getattr(simulation, name) == getattr(grid, name) for name in shared)
    return same and grid.spacing == "linear"


def measure_precision(
    latents: Table,
    maps: Sequence[UnitMap],
    joint_maps: Sequence[JointMap] = (),
    simulation: SimulateConfig | None = None,
) -> Table:
    """
    List widths of estimated labels against S/N, and the bound of simulated spectra.

    Parameters
    ----------
    latents : astropy.table.Table
        A row per spectrum, with the columns ``snr``, ``dp_id``, ``split``, ``flags``,
        ``z_mean`` and ``z_log_var``; of simulated ones also their true factors.
    maps : sequence of UnitMap
        What values of dimensions mean.
    joint_maps : sequence of JointMap, optional
        What those of all informative dimensions mean together.
    simulation : SimulateConfig, optional
        How the spectra were simulated, on the grid of the network.

    Returns
    -------
    precision : astropy.table.Table
        A row per label and spectrum: ``label``, ``unit``, ``dp_id``, ``snr``, ``width``
        and ``bound``. Without rows if the S/N is not known or nothing is tracked.

    Notes
    -----
    The bound takes a dozen simulations of a spectrum, so it is computed for `N_BOUNDS`
    spectra and not for all. Unknown are all factors that vary in the table.
    """
    needed = {"snr", "dp_id", "split", "flags", "z_mean", "z_log_var"}
    if not maps or not needed <= set(latents.colnames):
        return Table()
    chosen = _choose(latents)
    codes = (np.asarray(chosen[name]) for name in ("z_mean", "z_log_var", "flags"))
    z_mean, z_log_var, flags = codes
    estimates = estimate_labels(z_mean, z_log_var, flags, maps, joint_maps)
    bounds = _bound(chosen, _list_factors(latents), simulation)
    parts = []
    for label in sorted({found.label for found in maps}):
        nothing = np.full(len(chosen), np.nan)
        parts.append(
            Table(
                {
                    "label": np.full(len(chosen), label),
                    "unit": np.full(len(chosen), name_label(label)[1]),
                    "dp_id": np.asarray(chosen["dp_id"]),
                    "snr": read_floats(chosen["snr"]),
                    "width": np.asarray(estimates[label + ESTIMATES[1]]),
                    "bound": bounds.get(label, nothing),
                }
            )
        )
    rows = np.concatenate([part.as_array() for part in parts])
    table = Table(rows[np.isfinite(rows["width"])])
    for name, description in _DESCRIPTIONS.items():
        table[name].description = description
    return table


def _choose(latents: Table) -> Table:
    snr = read_floats(latents["snr"])
    usable = np.isfinite(snr) & (snr > 0.0) & (np.asarray(latents["flags"]) == 0)
    rows = np.flatnonzero(usable & (np.asarray(latents["split"]) == HELD_OUT))
    ordered = rows[np.argsort(snr[rows], kind="stable")]
    return latents[ordered[_spread(ordered.size, N_SPECTRA)]]


def _spread(n: int, n_most: int) -> NDArray[np.intp]:
    """Choose at most so many of n, evenly."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, n_most)).astype(np.intp))


def _list_factors(latents: Table) -> list[str]:
    """List the factors that vary; none unless all are known of every spectrum."""
    if not set(Star._fields + Exposure._fields) <= set(latents.colnames):
        return []
    return [name for name in STEPS if np.ptp(read_floats(latents[name])) > 0.0]


def _bound(
    spectra: Table, factors: list[str], simulation: SimulateConfig | None
) -> dict[str, NDArray[np.float64]]:
    """Compute the bound of each factor for some spectra; NaN for the others."""
    if simulation is None or not factors:
        return {}
    simulator = SpectrumSimulator(simulation)
    bounds = {name: np.full(len(spectra), np.nan) for name in factors}
    for row in _spread(len(spectra), N_BOUNDS):
        star, exposure = _read_truth(spectra[int(row)])
        found = bound_precision(simulator, star, exposure, factors).deviation
        for name in factors:
            bounds[name][row] = found[name]
    return bounds


def _read_truth(row: Row) -> tuple[Star, Exposure]:
    return (
        Star(**{name: float(row[name]) for name in Star._fields}),
        Exposure(**{name: float(row[name]) for name in Exposure._fields}),
    )
