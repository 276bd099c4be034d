"""Latents with planted dimensions, on which the right answer is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from astropy.table import Table

from stellar_tf.analysis.lines import LINES

N_LATENT = 12
RV, TEFF, LOGG, AIRMASS, UNEXPLAINED = 0, 3, 5, 7, 9
INFORMATIVE = (RV, TEFF, LOGG, AIRMASS, UNEXPLAINED)
FACTORS = ("rv", "teff", "logg", "airmass")


def plant_latents(*, n_stars: int = 400, n_visits: int = 2, seed: int = 1) -> Table:
    """
    Make latents of which five dimensions of twelve are informative.

    Dimension 0 folds radial velocity, 3 follows temperature, 5 surface gravity
    weakly, 7 the airmass of the visit, 9 something of the star that has no label;
    the others follow the prior.
    """
    rng = np.random.default_rng(seed)
    star = np.repeat(np.arange(n_stars), n_visits)
    n = star.size

    def of_star(draw: np.ndarray) -> np.ndarray:
        return draw[star]

    rv = of_star(rng.normal(0.0, 30.0, n_stars))
    teff = of_star(rng.uniform(4200.0, 6800.0, n_stars))
    logg = of_star(rng.uniform(3.5, 4.8, n_stars))
    hidden = of_star(rng.normal(size=n_stars))
    airmass = rng.uniform(1.0, 2.2, n)
    snr = 10.0 ** rng.uniform(1.3, 2.5, n)

    z_mean = 0.01 * rng.normal(size=(n, N_LATENT))
    z_log_var = np.log(np.full((n, N_LATENT), 0.98)) + 0.01 * rng.normal(
        size=(n, N_LATENT)
    )
    planted = {
        RV: (1.2 * np.tanh(rv / 40.0) + 0.02 * rng.normal(size=n), 0.01),
        TEFF: (-(teff - 5500.0) / 750.0 + 0.05 * rng.normal(size=n), 0.02),
        LOGG: ((logg - 4.15) / 0.6 + 0.3 * rng.normal(size=n), 0.3),
        AIRMASS: (1.4 * (airmass - 1.6) + 0.05 * rng.normal(size=n), 0.3),
        UNEXPLAINED: (0.9 * hidden + 0.1 * rng.normal(size=n), 0.2),
    }
    for dimension, (mean, variance) in planted.items():
        z_mean[:, dimension] = mean
        z_log_var[:, dimension] = np.log(variance)

    split = np.array(["train", "validation", "test"])
    of_split = split[rng.choice(3, n_stars, p=[0.7, 0.1, 0.2])][star]
    table = Table()
    table["dp_id"] = [f"ADP.{index:05d}" for index in rng.permutation(n)]
    table["target"] = [f"HD{index}" for index in star]
    table["star"] = [f"HD{index}" for index in star]
    table["split"] = of_split
    table["z_mean"] = z_mean.astype(np.float32)
    table["z_log_var"] = z_log_var.astype(np.float32)
    table["ra"] = rng.uniform(0.0, 360.0, n)
    table["dec"] = rng.uniform(-90.0, 30.0, n)
    table["mjd"] = rng.uniform(53000.0, 59000.0, n)
    table["exptime"] = np.full(n, 600.0)
    table["snr"] = snr
    table["berv"] = rng.uniform(-28.0, 28.0, n)
    table["airmass"] = airmass
    table["rv"] = rv
    table["teff"] = np.where(rng.random(n) < 0.2, np.nan, teff)
    table["logg"] = logg
    table["spectral_type"] = np.where(teff > 5500.0, "F", "K")
    table["rv"].unit = "km/s"
    table["teff"].unit = "K"
    return table


def plant_decoder(
    wave: np.ndarray,
) -> Callable[[np.ndarray], np.ndarray]:
    """Make a decoder that shifts, deepens and broadens lines with the latents."""
    depth = 0.2 + 0.5 * np.random.default_rng(3).random(len(LINES))

    def decode(z: np.ndarray) -> np.ndarray:
        flux = np.ones((len(z), wave.size), np.float32)
        for row, code in zip(flux, z, strict=True):
            shift = 1.0 + 30.0 * np.arctanh(np.clip(code[RV] / 1.2, -0.9, 0.9)) / 3e5
            width = 0.12 * (1.0 + 0.2 * np.tanh(code[LOGG]))
            for line, strength in zip(LINES, depth, strict=True):
                near = np.abs(wave - line.wave) < 3.0
                x = (wave[near] - line.wave * shift) / width
                row[near] -= strength * (1.0 + 0.3 * code[TEFF]) * np.exp(-0.5 * x**2)
            telluric = np.sin(wave * 11.0) ** 30 * ((wave > 6276) & (wave < 6320))
            row -= (0.1 + 0.05 * code[AIRMASS]) * telluric.astype(np.float32)
            row += 0.01 * code[UNEXPLAINED] * np.sin(wave / 40.0)
        return flux

    return decode
