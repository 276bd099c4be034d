"""A page that tells what a served model was made of, and how far to trust it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.table import Row, Table
from jinja2 import Environment, PackageLoader, StrictUndefined

from stellar_tf import __version__
from stellar_tf.analysis.dimensions import Dimension, describe_dimensions
from stellar_tf.analysis.files import SavedAnalysis
from stellar_tf.analysis.labels.units import UnitMap, name_label
from stellar_tf.flags import MEANINGS, UNUSABLE
from stellar_tf.history import read_history
from stellar_tf.inference.graph import ModelGraph
from stellar_tf.run import Run

CARD_FILE = Path("README.md")
"""Inside a version folder."""


class Training(NamedTuple):
    """How far the fit came."""

    n_steps: int
    """Steps done."""
    best_step: int
    """Step after which the model that was kept was validated."""
    error: float
    """Mean absolute error of the validation split then, in medians."""
    kl: float
    """Divergence of its posteriors from the prior then [nat]."""


def write_model_card(
    run: Run,
    graph: ModelGraph,
    analysis: SavedAnalysis | None,
    unit_maps: Mapping[int, UnitMap],
    coverage: Table,
    name: str,
    folder: Path,
) -> None:
    """
    Write README.md into a version.

    Parameters
    ----------
    run : Run
        The run.
    graph : ModelGraph
        Of its model.
    analysis : SavedAnalysis or None
        Its verdict, if there is one.
    unit_maps : mapping of int to UnitMap
        What values of dimensions mean in the units of labels, by dimension.
    coverage : astropy.table.Table
        How far estimates of labels can be trusted, as of `measure_coverage`.
    name : str
        The name it is served by.
    folder : Path
        The version's folder.

    Notes
    -----
    The sections are those of Mitchell et al. (2019, Model Cards for Model Reporting,
    FAT* '19, 220) that a model of spectra has something to say to.
    """
    environment = Environment(
        loader=PackageLoader("stellar_tf.saved_model"),
        autoescape=False,  # it is Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    config, records = graph.config, run.read_records()
    text = environment.get_template("model_card.md.j2").render(
        name=name,
        version=__version__,
        created=datetime.now(UTC).date().isoformat(),
        config=config,
        grid=config.grid,
        wave=config.grid.wave,
        meanings=MEANINGS,
        unusable=list(UNUSABLE),
        n_spectra=records["n_spectra"],
        manifest_sha256=records["manifest_sha256"],
        checkpoint=records.get("checkpoint", ""),
        training=read_training(run.history_path),
        n_weights=graph.autoencoder.count_params(),
        settings=run.config_path.read_text(encoding="utf-8").rstrip(),
        in_units=[_tell_map(found) for _, found in sorted(unit_maps.items())],
        estimates=[_tell_estimate(row) for row in coverage],
        **_tell_analysis(analysis),
    )
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def read_training(history: Path) -> Training | None:
    """
    Read how far a fit came.

    Parameters
    ----------
    history : Path
        The run's history, one row an epoch.

    Returns
    -------
    training : Training or None
        None for a run that has no history: its weights come from elsewhere.
    """
    needed = ("step", "val_loss", "val_flux_mae", "val_kl")
    names, values, _ = read_history(history, needed)
    rows = [dict(zip(names, row, strict=True)) for row in values]
    if not rows:
        return None
    # `fit` keeps the first model of the lowest loss.
    best = min(rows, key=lambda row: float(row["val_loss"]))
    return Training(
        n_steps=int(float(rows[-1]["step"])),
        best_step=int(float(best["step"])),
        error=float(best["val_flux_mae"]),
        kl=float(best["val_kl"]),
    )


def _tell_analysis(analysis: SavedAnalysis | None) -> dict[str, Any]:
    if analysis is None:
        return {"dimensions": (), "n_stars": {}, "ranges": {}, "n_factors": -1}
    summary = analysis.summary[0]
    described = describe_dimensions(analysis.verdict)
    informative = [dimension for dimension in described if dimension.informative]
    return {
        "dimensions": informative,
        "n_informative": len(informative),
        "n_independent": int(summary["n_independent"]),
        "low": summary["n_independent_low"],
        "high": summary["n_independent_high"],
        "confidence": f"{100 * analysis.verdict.meta['confidence']:g}",
        "n_analysed": int(summary["n_stars"]),
        "n_factors": int(summary["n_factors"]),
        "n_stars": Counter(str(split) for split in analysis.stars["split"]),
        "ranges": _measure_ranges(analysis.stars, informative),
    }


def _tell_map(found: UnitMap) -> str:
    first, last = (found.describe(float(z)) for z in found.z[[0, -1]])
    low, high = found.z[[0, -1]]
    return (
        f"z{found.dimension} from {low:.2f} to {high:.2f}: from {first} to {last}; "
        f"{found.describe_quality()}"
    )


def _tell_estimate(row: Row) -> str:
    name, unit = name_label(str(row["label"]))
    dimensions = f"{row['n_dimensions']} dimensions"
    error, said = (
        f"{row[column]:.2g} {unit}".rstrip() for column in ("median_error", "error")
    )
    text = f"{name} by {dimensions if row['n_dimensions'] > 1 else 'one dimension'}: "
    text += f"wrong by {error} (median of {row['n_stars']:,} held-out stars)"
    if not np.isfinite(row["within_68"]):
        return text
    shares = (100.0 * row[column] for column in ("within_68", "within_95"))
    inside = " and ".join(f"{share:.0f} %" for share in shares)
    return f"{text}; {inside} within 1 and 1.96 of the error given, {said} (median)"


def _measure_ranges(stars: Table, dimensions: list[Dimension]) -> dict[str, str]:
    """Say what the stars cover in what the dimensions track, in words."""
    names = sorted({dimension.tracks for dimension in dimensions} - {""})
    ranges: dict[str, str] = {}
    for name in [*names, "snr", "instrument"]:
        if name not in stars.colnames:
            continue
        values = stars[name]
        proper, unit = name_label(name)
        title = name if proper == name else f"{proper} (`{name}`)"
        if values.dtype.kind in "US":
            counts = Counter(str(value) for value in values).most_common(5)
            ranges[title] = ", ".join(f"{value} ({n:,})" for value, n in counts)
            continue
        known = np.asarray(values, np.float64)
        known = known[np.isfinite(known)]
        if known.size:
            low, middle, high = np.percentile(known, [1.0, 50.0, 99.0])
            ranges[title] = f"{low:.4g} to {high:.4g} (1st to 99th percentile), "
            ranges[title] += f"median {middle:.4g} {unit}".rstrip()
    return ranges
