"""Spectra along the informative dimensions as a page of sliders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from stellar_tf import __version__
from stellar_tf.analysis.columns import read_labels
from stellar_tf.analysis.dimensions import Dimension, describe_dimensions
from stellar_tf.analysis.files import AnalysisError, read_analysis, read_unit_maps
from stellar_tf.analysis.labels.units import UnitMap, name_label
from stellar_tf.analysis.traversal import Traversal, local_percentiles, traverse
from stellar_tf.report.templating import build_environment, embed_json
from stellar_tf.report.traversal_panels import build_panel, name_tracked
from stellar_tf.run import Run
from stellar_tf.tables import TableError
from tfrecords_tools.durable import write_whole
from tfrecords_tools.lock import writing

N_POSITIONS = 21
"""Steps of a slider; the one in the middle is the median star."""


class PageFacts(NamedTuple):
    """What the page says of the model and its stars."""

    version: str
    """Version of stellar-tf."""
    name: str
    """What to call the model."""
    n_latent: int
    """Its latent dimensions."""
    n_stars: int
    """Stars whose latents are travelled."""
    created: str
    """Date, ISO 8601."""


class Slider(NamedTuple):
    """One dimension's control."""

    dimension: Dimension
    """What it moves."""
    title: str
    """Proper name of what it tracks."""
    note: str
    """What the dimension carries, in numbers."""
    middle: int
    """Step of the median star."""
    n_steps: int
    """Positions."""
    panel: Markup
    """JSON of `build_panel`."""


def write_traversal_page(
    path: Path,
    traversal: Traversal,
    dimensions: Sequence[Dimension],
    percentiles: Sequence[NDArray[np.float64]],
    unit_maps: Mapping[int, UnitMap],
    facts: PageFacts,
) -> None:
    """
    Write one HTML file with a slider a dimension; it needs no network.

    Parameters
    ----------
    path : Path
        The file; replaced if it exists.
    traversal : Traversal
        Decoded spectra, with the median star in the middle.
    dimensions : sequence of Dimension
        What is known of each dimension of the traversal, in its order.
    percentiles : sequence of ndarray of float, shape (n, 3)
        For each: percentiles of the label it tracks at each position.
    unit_maps : mapping of int to UnitMap
        What values of dimensions mean in the units of labels, by dimension.
    facts : PageFacts
        Where it all comes from.
    """
    n_steps = traversal.positions.shape[1]
    sliders = [
        Slider(
            dimension,
            name_tracked(dimension),
            describe_dimension(dimension, unit_maps.get(dimension.index)),
            n_steps // 2,
            n_steps,
            embed_json(
                build_panel(
                    traversal,
                    row,
                    dimension,
                    percentiles[row],
                    unit_maps.get(dimension.index),
                )
            ),
        )
        for row, dimension in enumerate(dimensions)
    ]
    page = (
        build_environment()
        .get_template("traversals.html.j2")
        .render(
            plotly_js=Markup(get_plotlyjs()),
            sliders=sliders,
            facts=facts,
            low=float(traversal.wave[0]),
            high=float(traversal.wave[-1]),
        )
    )
    write_whole(path, page)


def describe_dimension(dimension: Dimension, unit_map: UnitMap | None = None) -> str:
    """
    Give the numbers of a dimension in one line.

    Parameters
    ----------
    dimension : Dimension
        From the verdict.
    unit_map : UnitMap, optional
        If it tracks a label closely.

    Returns
    -------
    note : str
        Mutual information and rank correlation with what it tracks, and how far that
        can be told by it.
    """
    if not dimension.tracks:
        return "no significant mutual information with any label"
    note = f"MI {dimension.tracks_mi:.2f} nat with {name_label(dimension.tracks)[0]}"
    if np.isfinite(dimension.tracks_spearman):
        correlation = f"{dimension.tracks_spearman:.2f}".replace("-", "\u2212")
        note += f", Spearman {correlation}"
    return note if unit_map is None else f"{note}; {unit_map.describe_quality()}"


def export_page(run: Run, path: Path, *, overwrite: bool = False) -> Path:
    """
    Write the traversals of the informative dimensions as one HTML file.

    Parameters
    ----------
    run : Run
        The run, analysed.
    path : Path
        The file.
    overwrite : bool, default False
        Whether it may exist.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    TableError
        If the file cannot be written there.
    AnalysisError
        If the run has not been analysed, or no dimension is informative.
    BusyError
        If another process is writing the file.
    """
    _refuse(path, overwrite=overwrite)
    config = run.read_config()
    analysis = read_analysis(run.analysis, config.model.n_latent)
    dimensions = [d for d in describe_dimensions(analysis.verdict) if d.informative]
    if not dimensions:
        raise AnalysisError(
            f"{run.analysis}: no dimension is informative: none to show"
        )
    z_mean = np.asarray(analysis.stars["z_mean"], np.float32)
    # TensorFlow comes after what a mistake is seen without.
    from stellar_tf.inference.spectrum_model import SpectrumModel

    traversal = traverse(
        SpectrumModel.from_run(run).decode,
        config.grid.wave,
        z_mean,
        [dimension.index for dimension in dimensions],
        n=N_POSITIONS,
        through_median=True,
    )
    percentiles = [
        local_percentiles(
            z_mean[:, dimension.index],
            read_labels(analysis.stars, [dimension.tracks])[dimension.tracks],
            positions,
        )
        if dimension.tracks
        else np.full((N_POSITIONS, 3), np.nan)
        for dimension, positions in zip(dimensions, traversal.positions, strict=True)
    ]
    facts = PageFacts(
        version=__version__,
        name=run.folder.resolve().name,
        n_latent=config.model.n_latent,
        n_stars=len(z_mean),
        created=datetime.now(UTC).date().isoformat(),
    )
    unit_maps = read_unit_maps(run.analysis)
    with writing(path):
        write_traversal_page(path, traversal, dimensions, percentiles, unit_maps, facts)
    return path


def _refuse(page: Path, *, overwrite: bool) -> None:
    if page.is_dir():
        raise TableError(f"{page}: is a folder; give a file, such as page.html")
    if page.exists() and not overwrite:
        raise TableError(f"{page}: exists; choose another name or pass overwrite=True")
    if not page.parent.is_dir():
        raise TableError(f"{page}: its folder does not exist")
