"""The report: one page of HTML with its figures and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from astropy.table import Table
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.dimensions import describe_dimensions
from stellar_tf.analysis.labels.probe_table import describe_probes
from stellar_tf.analysis.traversal import Traversal, list_moving_wavelengths
from stellar_tf.analysis.truth.disentanglement import disentanglement_table
from stellar_tf.figures.corner import draw_corner
from stellar_tf.figures.dimensions import (
    draw_associations,
    draw_dimensions,
    draw_importance,
    draw_leakage,
    order_dimensions,
)
from stellar_tf.figures.labels import MAX_POINTS, choose_pairs, draw_pair
from stellar_tf.figures.precision import draw_precision
from stellar_tf.figures.probes import draw_probes
from stellar_tf.figures.spectra import (
    Reconstructions,
    draw_reconstruction,
    draw_traversal,
)
from stellar_tf.figures.training import draw_training
from stellar_tf.report.captions import (
    choose_headlines,
    describe_baselines,
    describe_pair,
    describe_precision,
    describe_residual,
    describe_traversal,
    describe_verdict,
)
from stellar_tf.report.columns import (
    BASELINE_COLUMNS,
    CONDITIONAL_COLUMNS,
    COVERAGE_COLUMNS,
    EXTREME_COLUMNS,
    LABEL_COLUMNS,
    MOVING_COLUMNS,
    PROBE_COLUMNS,
    SCORE_COLUMNS,
    UNUSUAL_COLUMNS,
    VERDICT_COLUMNS,
    WIDTH_COLUMNS,
)
from stellar_tf.report.sheets import build_sheet
from stellar_tf.report.templating import build_environment, embed_json
from tfrecords_tools.durable import write_whole

_LABELS = {
    "dimensions": "Information and dispersion of every latent dimension",
    "corner": "Informative dimensions against each other",
    "training": "Curves of the training",
    "associations": "Mutual information of informative dimensions and labels",
    "leakage": "Mutual information of informative dimensions and the exposure",
    "importance": "Importance of informative dimensions for the true factors",
    "probes": "Errors of predicted labels against the number of labelled stars",
    "pair": "Scatter plot of {}",
    "precision": "Posterior widths of {} against S/N",
    "traversal": "Spectra along {}",
    "reconstruction": "Spectrum, reconstruction and residual of {}",
}
"""What the figures are, for those who do not see them."""
_MAX_PIXELS = 4_000
_MAX_VALUES = 900_000
"""Flux values in the page, of about 5.3 bytes each."""


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from; printed at the end of the report."""

    version: str
    """Version of stellar-tf."""
    commit: str
    """Commit of its sources; empty if unknown."""
    run: str
    """The run folder, or another name of the model."""
    manifest_sha256: str
    """SHA-256 of the manifest of the records; empty if there was none."""
    seed: int
    """Seed of the analysis."""
    splits: tuple[str, ...]
    """Splits whose stars the statistics use."""
    created: str
    """Date and time, ISO 8601."""
    config: str
    """The resolved settings, YAML."""


class Plot(NamedTuple):
    """A figure of the page."""

    name: str
    """Its identifier."""
    title: str
    """Its heading; empty for the only one of its section."""
    label: str
    """What it is, for those who do not see it."""
    caption: str
    """What it shows: test, N, interval."""
    data: Markup
    """JSON for plotly.js."""
    height: int
    """In pixels."""
    min_width: int
    """In pixels; on a narrower screen it scrolls."""


def write_report(
    result: AnalysisResult,
    path: Path,
    *,
    traversals: Traversal,
    reconstructions: Reconstructions,
    provenance: Provenance,
    baselines: Table | None = None,
    precision: Table | None = None,
    probes: Table | None = None,
    history: Table | None = None,
) -> None:
    """
    Write the analysis as one HTML file that needs no network.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.
    path : Path
        The file to write; replaced if it exists.
    traversals : Traversal
        Spectra along the informative dimensions.
    reconstructions : Reconstructions
        Example spectra beside their reconstructions.
    provenance : Provenance
        Where the numbers come from.
    baselines : astropy.table.Table, optional
        What linear methods find in the same spectra.
    precision : astropy.table.Table, optional
        Posterior widths against S/N.
    probes : astropy.table.Table, optional
        What frozen latents predict from few labels.
    history : astropy.table.Table, optional
        The training, one row an epoch.
    """
    compared = Table() if baselines is None else baselines
    behind = describe_baselines(compared)
    page = (
        build_environment()
        .get_template("report.html.j2")
        .render(
            plotly_js=Markup(get_plotlyjs()),
            result=result,
            config=result.config,
            provenance=provenance,
            sentences=[*describe_verdict(result), *behind],
            baseline_sheet=build_sheet("baselines", compared, BASELINE_COLUMNS)
            if len(compared)
            else None,
            headlines=choose_headlines(result),
            **_draw_precision(result, Table() if precision is None else precision),
            **_draw_probes(Table() if probes is None else probes),
            training=None
            if history is None
            else _plot("training", draw_training(history)),
            **_draw(result, traversals, reconstructions),
            **_tabulate(result, traversals),
        )
    )
    write_whole(path, page)


def _draw(
    result: AnalysisResult, traversals: Traversal, reconstructions: Reconstructions
) -> dict[str, Any]:
    max_pixels = _share_pixels(traversals, reconstructions)
    return {
        "dimensions": _plot("dimensions", draw_dimensions(result)),
        "corner": _plot("corner", draw_corner(result), min_width=560)
        if result.verdict.n_informative > 1
        else None,
        **_draw_labels(result),
        "traversals": _draw_traversals(result, traversals, max_pixels),
        "reconstructions": _draw_reconstructions(reconstructions, max_pixels),
        "n_pixels_drawn": min(max_pixels, traversals.wave.size),
    }


def _draw_labels(result: AnalysisResult) -> dict[str, Any]:
    """Draw what dimensions have to do with labels and true factors, where known."""
    labels = result.associations.labels
    has_labels = bool(labels and result.verdict.n_informative)
    associations = leakage = importance = None
    if has_labels:
        associations = _plot_matrix("associations", draw_associations(result))
    if has_labels and result.leakage.nuisances:
        leakage = _plot_matrix("leakage", draw_leakage(result))
    if result.disentanglement is not None:
        importance = _plot_matrix("importance", draw_importance(result))
    pairs = [
        _plot(
            f"pair-{pair.dimension}-{pair.label}",
            draw_pair(result, pair),
            title=f"{pair.label} and z{pair.dimension}",
            caption=describe_pair(result, pair),
        )
        for pair in choose_pairs(result)
    ]
    return {
        "associations": associations,
        "leakage": leakage,
        "importance": importance,
        "pairs": pairs,
        "max_points": MAX_POINTS,
    }


def _draw_precision(result: AnalysisResult, precision: Table) -> dict[str, Any]:
    if not len(precision):
        return {"precision": None}
    labels = set(precision["label"])
    tracked = [*result.verdict_table["tracks"], *sorted(labels)]
    plots = [
        _plot(
            f"precision-{label}",
            draw_precision(precision, label),
            title=label,
            caption=describe_precision(precision, label),
        )
        for label in sorted(labels, key=tracked.index)
    ]
    has_bounds = bool(np.isfinite(precision["bound"]).any())
    return {"precision": plots, "has_bounds": has_bounds}


def _draw_probes(probes: Table) -> dict[str, Any]:
    if not len(probes):
        return {"probes": None}
    return {
        "probes": _plot("probes-curves", draw_probes(probes), min_width=640),
        "probe_sentences": describe_probes(probes),
        "probe_sheet": build_sheet("probes", probes, PROBE_COLUMNS),
    }


def _draw_traversals(
    result: AnalysisResult, traversals: Traversal, max_pixels: int
) -> list[Plot]:
    return [
        _plot(
            f"traversal-{dimension}",
            draw_traversal(traversals, row, max_pixels=max_pixels),
            title=_traversal_title(result, int(dimension)),
            caption=describe_traversal(traversals, row, result.unit_maps),
        )
        for row in order_dimensions(result, traversals.dimensions)
        for dimension in [traversals.dimensions[row]]
    ]


def _draw_reconstructions(
    reconstructions: Reconstructions, max_pixels: int
) -> list[Plot]:
    return [
        _plot(
            f"reconstruction-{row}",
            draw_reconstruction(reconstructions, row, max_pixels=max_pixels),
            title=name,
            caption=describe_residual(reconstructions, row),
        )
        for row, name in enumerate(reconstructions.names)
    ]


def _tabulate(result: AnalysisResult, traversals: Traversal) -> dict[str, Any]:
    moving = _sort(result, list_moving_wavelengths(traversals))
    conditional = _sort(result, result.conditional_table)
    extremes = _sort(result, result.extremes)
    unexplained = result.unexplained[order_dimensions(result, result.unexplained)]
    scores = result.disentanglement
    evidence = {
        name: title
        for name, title in VERDICT_COLUMNS.items()
        if name != "block" or result.blocks
    }
    return {
        "verdict_sheet": build_sheet("verdict", result.verdict_table, evidence),
        "width_sheet": build_sheet("widths", result.verdict_table, WIDTH_COLUMNS),
        "label_sheet": build_sheet("labels", result.label_table, LABEL_COLUMNS),
        "coverage_sheet": build_sheet(
            "coverage", result.coverage_table, COVERAGE_COLUMNS
        )
        if len(result.coverage_table)
        else None,
        "conditional_sheet": build_sheet(
            "conditional", conditional, CONDITIONAL_COLUMNS
        )
        if len(conditional)
        else None,
        "extremes_sheet": build_sheet("extremes", extremes, EXTREME_COLUMNS),
        "unusual_sheet": build_sheet("unusual", result.unusual, UNUSUAL_COLUMNS),
        "unexplained": [f"z{dimension}" for dimension in unexplained],
        "moving_sheet": build_sheet("moving_wavelengths", moving, MOVING_COLUMNS),
        "score_sheet": None
        if scores is None
        else build_sheet(
            "disentanglement", disentanglement_table(scores), SCORE_COLUMNS
        ),
    }


def _sort(result: AnalysisResult, table: Table) -> Table:
    return table[order_dimensions(result, table["dimension"])] if len(table) else table


def _plot(
    name: str,
    figure: go.Figure,
    *,
    title: str = "",
    caption: str = "",
    min_width: int = 0,
) -> Plot:
    data = embed_json(figure.to_json())
    label = _LABELS.get(name.partition("-")[0], "{}").format(title)
    height = int(figure.layout.height)
    return Plot(name, title, label, caption, data, height, min_width)


def _plot_matrix(name: str, figure: go.Figure) -> Plot:
    """Give each column the room that its name and numbers need."""
    return _plot(name, figure, min_width=120 + 72 * len(figure.data[0].x))


def _share_pixels(traversals: Traversal, reconstructions: Reconstructions) -> int:
    n_dimensions, n_positions = traversals.positions.shape
    n_curves = n_dimensions * (2 * n_positions - 1) + 3 * len(reconstructions.names)
    return int(min(_MAX_PIXELS, _MAX_VALUES // max(n_curves, 1)))


def _traversal_title(result: AnalysisResult, dimension: int) -> str:
    described = describe_dimensions(result.verdict_table)
    return next(d.title for d in described if d.index == dimension)
