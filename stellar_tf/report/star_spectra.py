"""The spectra of the stars of an analysis, as linear methods take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.labels.baselines import (
    MAX_STARS,
    average_pixels,
    compare_with_components,
    find_components,
)
from stellar_tf.analysis.latents import HELD_OUT
from stellar_tf.config import AnalysisConfig
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.split import SPLITS

if TYPE_CHECKING:
    from stellar_tf.inference.spectrum_model import SpectrumModel


def read_spectra(
    rows: Mapping[str, int], model: SpectrumModel, manifest: Manifest
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """
    Read spectra as the network has them.

    Parameters
    ----------
    rows : mapping of str to int
        Rows of the spectra wanted, by dp_id.
    model : SpectrumModel
        Normalises them.
    manifest : Manifest
        The records.

    Yields
    ------
    row : int
        One of `rows`, in the order of the records.
    flux : ndarray of float32, shape (n_pixels,)
        Normalised, NaN at bad pixels.
    """
    for split in SPLITS:
        records = RecordTable(manifest, split)
        for number in range(len(records)):
            row = rows.get(records.locate(number).dp_id)
            if row is not None:
                yield row, model.normalise(records.read(number, names=())[0])


def measure_baselines(
    stars: Table,
    label_table: Table,
    model: SpectrumModel,
    manifest: Manifest,
    config: AnalysisConfig,
) -> Table:
    """
    Try PCA, FastICA and ridge regressions on the stars of an analysis.

    Parameters
    ----------
    stars : astropy.table.Table
        One spectrum per star, all splits, as the analysis lists them.
    label_table : astropy.table.Table
        The best dimension of each label.
    model : SpectrumModel
        Normalises the spectra as the network has them.
    manifest : Manifest
        The records.
    config : AnalysisConfig
        Number of resamples, level and seed.

    Returns
    -------
    table : astropy.table.Table
        A row per label; without rows if no label, or no star of the records, can be
        tried.
    """
    drawn = np.random.default_rng(config.seed).permutation(len(stars))[:MAX_STARS]
    wanted = {str(stars["dp_id"][row]): int(row) for row in drawn}
    rows, spectra = [], []
    for row, flux in read_spectra(wanted, model, manifest):
        rows.append(row)
        spectra.append(average_pixels(flux))
    chosen = stars[rows]
    seen = np.asarray(chosen["split"]) != HELD_OUT
    if not len(label_table) or seen.sum() < 2 or seen.all():
        return Table()
    n_latent = np.shape(stars["z_mean"])[1]
    components = find_components(np.stack(spectra), seen, n_latent, config.seed)
    return compare_with_components(chosen, label_table, components, config)
