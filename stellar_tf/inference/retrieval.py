"""The spectra of a run most like one of them, or like a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import LatentsError, require_column
from stellar_tf.analysis.files import read_analysis
from stellar_tf.analysis.neighbours.retrieval import Similar, find_similar
from stellar_tf.run import Run
from stellar_tf.tables import read_table
from tfrecords_tools.star import star_name


def find_neighbours(
    run: Run, spectrum: str, count: int, latents: Path | None = None
) -> Similar:
    """
    Find the spectra most like a given one.

    Parameters
    ----------
    run : Run
        Encoded and analysed.
    spectrum : str
        Identifier (dp_id) of one in the table of latents, the path of a file, or a
        star in the table, of whose spectra the one with the largest S/N is taken.
    count : int
        Neighbours wanted.
    latents : Path, optional
        Table of latents; by default the run's.

    Returns
    -------
    similar : Similar
        The neighbours, the nearest first, and the outlier score of the spectrum.

    Raises
    ------
    LatentsError
        If `count` is below 1, the spectrum is neither in the table nor a file, the
        file is not taken, the table lacks a column or is of another model, or no
        dimension is informative.
    AnalysisError
        If the run has not been analysed.
    TableError
        If the latents cannot be read.
    """
    if count < 1:
        raise LatentsError(f"count must be at least 1, got {count}")
    path = latents or run.latents_path
    table = read_table(path)
    for name in ("dp_id", "star", "z_mean"):
        require_column(table, name)
    n_latent = run.read_config().model.n_latent
    if table["z_mean"].shape[1:] != (n_latent,):
        raise LatentsError(f"{path}: z_mean has not {n_latent} dimensions, as the run")
    verdict = read_analysis(run.analysis, n_latent).verdict
    row = _find_row(table, spectrum, run)
    if row is not None:
        z_mean, dp_id = np.asarray(table["z_mean"][row]), str(table["dp_id"][row])
    elif Path(spectrum).is_file():
        z_mean, dp_id = _encode(Path(spectrum), run)
    else:
        raise LatentsError(
            f"{spectrum}: is neither a dp_id nor a star in the table of latents, nor "
            f"a file"
        )
    return find_similar(table, verdict, z_mean, count, dp_id=dp_id)


def _find_row(table: Table, spectrum: str, run: Run) -> int | None:
    """Find a dp_id, or the best spectrum of a star, in a table of latents."""
    rows = np.flatnonzero(table["dp_id"] == spectrum)
    if not rows.size and not Path(spectrum).is_file() and "star" in table.colnames:
        star = star_name(spectrum, run.read_config().convert.aliases)
        rows = np.flatnonzero(table["star"] == star)
        if rows.size and "snr" in table.colnames:
            snr = np.ma.filled(table["snr"][rows], np.nan).astype(np.float64)
            rows = rows[[int(np.argmax(np.nan_to_num(snr, nan=-np.inf)))]]
    return int(rows[0]) if rows.size else None


def _encode(path: Path, run: Run) -> tuple[NDArray[np.floating], str]:
    # TensorFlow comes after what a mistake is seen without.
    from stellar_tf.inference.spectrum_model import SpectrumModel

    latents = SpectrumModel.from_run(run).encode(path)
    for _, reason in latents.rejects:
        raise LatentsError(f"{path}: {reason}")
    return latents.z_mean[0], str(latents.metadata["dp_id"][0])
