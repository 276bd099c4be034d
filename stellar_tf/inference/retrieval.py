"""The spectra of a run most like one of them, or like a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.columns import LatentsError
from stellar_tf.analysis.files import read_analysis
from stellar_tf.analysis.neighbours.retrieval import Similar, find_similar
from stellar_tf.run import Run
from stellar_tf.tables import read_table


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
        Identifier (dp_id) of one in the table of latents, or the path of a file.
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
        file is not taken, or no dimension is informative.
    AnalysisError
        If the run has not been analysed.
    TableError
        If the latents cannot be read.
    """
    if count < 1:
        raise LatentsError(f"count must be at least 1, got {count}")
    table = read_table(latents or run.latents_path)
    verdict = read_analysis(run.analysis, run.read_config().model.n_latent).verdict
    rows = np.flatnonzero(table["dp_id"] == spectrum)
    if not rows.size and not Path(spectrum).is_file():
        raise LatentsError(
            f"{spectrum}: is neither a dp_id in the table of latents nor a file"
        )
    if rows.size:
        z_mean, dp_id = np.asarray(table["z_mean"][rows[0]]), spectrum
    else:
        z_mean, dp_id = _encode(Path(spectrum), run)
    return find_similar(table, verdict, z_mean, count, dp_id=dp_id)


def _encode(path: Path, run: Run) -> tuple[NDArray[np.floating], str]:
    # TensorFlow comes after what a mistake is seen without.
    from stellar_tf.inference.spectrum_model import SpectrumModel

    latents = SpectrumModel.from_run(run).encode(path)
    for _, reason in latents.rejects:
        raise LatentsError(f"{path}: {reason}")
    return latents.z_mean[0], str(latents.metadata["dp_id"][0])
