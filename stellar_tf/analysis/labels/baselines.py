"""Whether linear methods find in the same spectra what the network found."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from sklearn.decomposition import PCA, FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stellar_tf.analysis.labels.rank_correlation import spearman
from stellar_tf.analysis.latents import HELD_OUT
from stellar_tf.analysis.statistics import MIN_HELD_OUT_STARS, bootstrap
from stellar_tf.config import AnalysisConfig

MAX_STARS = 4_000
"""Stars whose spectra are read, at most, drawn at random."""
MAX_PIXELS = 8_192
"""Pixels of a spectrum, at most: of longer ones neighbours are averaged."""
_RIDGE = np.logspace(-4.0, 4.0, 17)
_NEGLIGIBLE = 0.005
"""Difference of two |Spearman|: of 0.9999 and 0.9996 neither is the better."""
_METHODS = ("single", "pca", "ica", "ridge", "ridge_pca")
DESCRIPTIONS = {
    "dimension": "the latent dimension with the largest |rank correlation|, chosen "
    "without held-out stars",
    "single": "|rank correlation| of it and the label on held-out stars",
    "pca": "that of the best of as many principal components as there are latent "
    "dimensions, chosen in the same way",
    "ica": "that of the best of as many independent components (FastICA)",
    "ridge": "that of a ridge regression on all latent dimensions, fitted without "
    "held-out stars",
    "ridge_pca": "that of a ridge regression on all principal components",
    "behind": "whether a component of PCA or ICA follows the label better than the "
    "dimension: the interval of the difference is above 0.005",
    "ridge_behind": "whether the regression on principal components is better than "
    "that on latent dimensions, likewise",
}


class Components(NamedTuple):
    """Linear components of the spectra of some stars, shapes (n_stars, n)."""

    pca: NDArray[np.float64]
    """Principal components."""
    ica: NDArray[np.float64]
    """Independent components."""


def average_pixels(flux: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Average neighbouring pixels so that `MAX_PIXELS` are left at most.

    Parameters
    ----------
    flux : ndarray of float32, shape (n_pixels,)
        Normalised flux, NaN at bad pixels.

    Returns
    -------
    averaged : ndarray of float32, shape (n_averaged,)
        Means of the valid pixels of each block; NaN where there are none.
    """
    size = -(-flux.size // MAX_PIXELS)
    padded = np.pad(flux, (0, -flux.size % size), constant_values=np.nan)
    blocks = padded.reshape(-1, size)
    valid = np.isfinite(blocks)
    n_valid = valid.sum(axis=1)
    averaged = np.full(len(blocks), np.nan, np.float32)
    total = np.where(valid, blocks, 0.0).sum(axis=1)
    np.divide(total, n_valid, out=averaged, where=n_valid > 0)
    return averaged


def fill_bad_pixels(
    flux: NDArray[np.float32], seen: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """
    Put the mean spectrum where a spectrum has bad pixels.

    Parameters
    ----------
    flux : ndarray of float32, shape (n_stars, n_pixels)
        Normalised as for the network, NaN at bad pixels.
    seen : ndarray of bool, shape (n_stars,)
        Stars whose mean is taken: those that are not held out.

    Returns
    -------
    filled : ndarray of float32, shape (n_stars, n_pixels)
        Finite; zero where no star has a valid pixel.
    """
    counts = np.isfinite(flux[seen]).sum(axis=0)
    total = np.nansum(flux[seen], axis=0, dtype=np.float64)
    mean = np.divide(total, counts, out=np.zeros_like(total), where=counts > 0)
    return np.where(np.isfinite(flux), flux, mean.astype(np.float32))


def find_principal_components(
    filled: NDArray[np.float32],
    seen: NDArray[np.bool_],
    n_components: int,
    seed: int,
) -> NDArray[np.float64]:
    """
    Fit principal components to the spectra that the fit of the network has seen.

    Parameters
    ----------
    filled : ndarray of float32, shape (n_stars, n_pixels)
        As of `fill_bad_pixels`.
    seen : ndarray of bool, shape (n_stars,)
        Stars that are not held out.
    n_components : int
        As many as the network has latent dimensions; fewer if there are fewer stars.
    seed : int
        Of the random start.

    Returns
    -------
    scores : ndarray of float, shape (n_stars, n_found)
        Of all stars, in normalised flux, the largest variance first.
    """
    n_found = min(n_components, int(seen.sum()) - 1, filled.shape[1])
    pca = PCA(n_found, svd_solver="randomized", random_state=seed).fit(filled[seen])
    return np.asarray(pca.transform(filled), np.float64)


def find_components(
    flux: NDArray[np.float32],
    seen: NDArray[np.bool_],
    n_components: int,
    seed: int,
) -> Components:
    """
    Fit linear components to the spectra that the fit of the network has seen.

    Parameters
    ----------
    flux : ndarray of float32, shape (n_stars, n_pixels)
        Normalised as for the network, NaN at bad pixels; they take the mean spectrum.
    seen : ndarray of bool, shape (n_stars,)
        Stars that are not held out.
    n_components : int
        As many as the network has latent dimensions; fewer if there are fewer stars.
    seed : int
        Of the random starts.

    Returns
    -------
    components : Components
        Of all stars.

    Notes
    -----
    Hyvarinen and Oja 2000, Neural Networks 13, 411, for FastICA; it starts from the
    same principal components.
    """
    filled = fill_bad_pixels(flux, seen)
    scores = find_principal_components(filled, seen, n_components, seed)
    scores /= np.maximum(scores[seen].std(axis=0), 1e-12)
    ica = FastICA(whiten="unit-variance", random_state=seed, tol=1e-3)
    with warnings.catch_warnings():
        # A rotation that still turns among components of noise is as good as any.
        warnings.simplefilter("ignore", ConvergenceWarning)
        ica.fit(scores[seen])
    return Components(scores, ica.transform(scores))


def compare_with_components(
    stars: Table,
    label_table: Table,
    components: Components,
    config: AnalysisConfig,
) -> Table:
    """
    Put single dimensions and all of them beside components of the same spectra.

    Parameters
    ----------
    stars : astropy.table.Table
        ``split``, ``z_mean`` and the labels of the stars of the components.
    label_table : astropy.table.Table
        The best dimension of each label, as the analysis lists it.
    components : Components
        Of the same stars.
    config : AnalysisConfig
        Number of resamples, level and seed.

    Returns
    -------
    table : astropy.table.Table
        A row per label with numbers that enough held-out stars have; the columns are
        those of `DESCRIPTIONS`.

    Notes
    -----
    All values are of the same held-out stars, and intervals of differences come from
    the same resamples, so that what the stars have in common cancels.
    """
    held_out = np.asarray(stars["split"]) == HELD_OUT
    rows = []
    for row in label_table[label_table["spearman_dimension"] >= 0]:
        values = np.asarray(stars[row["label"]], np.float64)
        known = np.isfinite(values)
        tested, fitted = known & held_out, known & ~held_out
        if min(tested.sum(), fitted.sum()) < MIN_HELD_OUT_STARS:
            continue
        z_mean = np.asarray(stars["z_mean"], np.float64)
        predictors = np.column_stack(
            [
                z_mean[:, row["spearman_dimension"]],
                _choose(components.pca, values, fitted),
                _choose(components.ica, values, fitted),
                _regress(z_mean, values, fitted),
                _regress(components.pca, values, fitted),
            ]
        )
        compared = _compare(predictors[tested], values[tested], config)
        rows.append(
            {
                "label": str(row["label"]),
                "n_held_out": int(tested.sum()),
                "dimension": int(row["spearman_dimension"]),
                **compared,
            }
        )
    table = Table(rows)
    for name in table.colnames:
        table[name].description = DESCRIPTIONS.get(name)
    table.meta.update(seed=config.seed, confidence=config.confidence)
    return table


def _choose(
    components: NDArray[np.float64],
    values: NDArray[np.float64],
    fitted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Take the component that follows the values of the stars fitted best."""
    strength = np.nan_to_num(np.abs(spearman(components[fitted], values[fitted])))
    return components[:, int(np.argmax(strength))]


def _regress(
    predictors: NDArray[np.float64],
    values: NDArray[np.float64],
    fitted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    model = make_pipeline(StandardScaler(), RidgeCV(_RIDGE))
    model.fit(predictors[fitted], values[fitted])
    return np.asarray(model.predict(predictors), np.float64)


def _compare(
    predictors: NDArray[np.float64],
    values: NDArray[np.float64],
    config: AnalysisConfig,
) -> dict[str, float | bool]:
    def measure(drawn: NDArray[np.intp]) -> NDArray[np.float64]:
        strength = np.nan_to_num(np.abs(spearman(predictors[drawn], values[drawn])))
        single, pca, ica, ridge, ridge_pca = strength
        gaps = (pca - single, ica - single, ridge_pca - ridge)
        return np.array([*strength, *gaps])

    found = bootstrap(
        measure,
        values.size,
        n_resamples=config.n_resamples,
        confidence=config.confidence,
        rng=np.random.default_rng(config.seed),
    )
    cells: dict[str, float | bool] = {}
    for index, name in enumerate(_METHODS):
        cells[name] = float(found.value[index])
        cells[f"{name}_low"] = float(found.low[index])
        cells[f"{name}_high"] = float(found.high[index])
    cells["behind"] = bool(max(found.low[5], found.low[6]) > _NEGLIGIBLE)
    cells["ridge_behind"] = bool(found.low[7] > _NEGLIGIBLE)
    return cells
