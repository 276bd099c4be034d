from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.files import (
    SavedAnalysis,
    list_tables,
    read_analysis,
    read_coverage,
    read_unit_maps,
    write_named,
)
from stellar_tf.flags import Flag
from stellar_tf.inference.graph import ModelGraph
from stellar_tf.run import Run
from stellar_tf.saved_model.model_card import read_training, write_model_card
from tests.stellar_tf.analysis.planted import N_LATENT


@pytest.fixture
def analysis(result: AnalysisResult, tmp_path: Path) -> SavedAnalysis:
    write_named(list_tables(result), tmp_path / "analysis")
    return read_analysis(tmp_path / "analysis", N_LATENT)


def write(
    run: Run, graph: ModelGraph, analysis: SavedAnalysis | None, folder: Path
) -> str:
    unit_maps = read_unit_maps(folder / "analysis")
    coverage = read_coverage(folder / "analysis")
    write_model_card(run, graph, analysis, unit_maps, coverage, "harps", folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def read_rows(text: str, section: str) -> list[list[str]]:
    """Cells of the table of a section, without its head."""
    lines = text.split(f"## {section}\n")[1].split("\n## ")[0].splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_tells_the_verdict(
    run: Run,
    graph: ModelGraph,
    analysis: SavedAnalysis,
    result: AnalysisResult,
    tmp_path: Path,
) -> None:
    text = write(run, graph, analysis, tmp_path)
    rows = {row[0]: row for row in read_rows(text, "Verdict")}
    informative = result.verdict_table[result.verdict_table["informative"]]
    assert set(rows) == {f"z{d}" for d in informative["dimension"]}
    for row in informative:
        cells = rows[f"z{row['dimension']}"]
        assert cells[1] == row["kind"]
        assert float(cells[2]) == pytest.approx(row["information"], abs=0.0051)
        assert cells[3] == "yes"
        assert cells[4] == (row["tracks"] or "no label given")
    found = result.independence
    assert f"interval {found.n_low} to {found.n_high})" in text
    rv = np.percentile(result.stars["rv"], [1.0, 50.0, 99.0])
    assert (
        "- radial velocity (`rv`): {0:.4g} to {2:.4g} (1st to 99th percentile), median "
        "{1:.4g} km/s\n".format(*rv)
        in text
    )
    for found in result.unit_maps:
        ends = [found.describe(float(z)) for z in found.z[[0, -1]]]
        assert f"from {ends[0]} to {ends[1]}; {found.describe_quality()}\n" in text
    row = result.coverage_table[result.coverage_table["label"] == "rv"][0]
    n = row["n_dimensions"]
    read_from = "one dimension" if n == 1 else f"{n} dimensions"
    assert (
        f"- radial velocity by {read_from}: wrong by "
        f"{row['median_error']:.2g} km/s (median of {row['n_stars']} held-out stars); "
        f"{100 * row['within_68']:.0f} % and {100 * row['within_95']:.0f} % within 1 "
        f"and 1.96 of the error given, {row['error']:.2g} km/s (median)\n" in text
    )


def test_tells_data_and_training(run: Run, graph: ModelGraph, tmp_path: Path) -> None:
    text = write(run, graph, None, tmp_path)
    records = run.read_records()
    assert records["manifest_sha256"] in text
    for split, n in records["n_spectra"].items():
        assert f"- {split}: {n} spectra\n" in text
    assert f"{graph.autoencoder.count_params():,} weights" in text
    assert "6 of 6 steps of 8 spectra" in text
    assert "1000 pixels from 5160.020 to 5199.980 Angstrom in air" in text
    assert "has not been analysed" in text
    assert "In the units of the labels" not in text
    assert "Labels as `encode`" not in text
    assert run.config_path.read_text(encoding="utf-8").strip() in text
    assert [row[0] for row in read_rows(text, "Signatures")[-len(Flag) :]] == [
        f"{flag.value} `{flag.name}`" for flag in Flag
    ]
    # Where the data lay is nobody's business.
    assert str(run.folder.parent) not in text


def test_the_best_step_is_the_one_that_was_kept(run: Run) -> None:
    training = read_training(run.history_path)
    assert training is not None
    with run.history_path.open(newline="") as stream:
        losses = {
            int(float(row["step"])): float(row["val_loss"])
            for row in csv.DictReader(stream)
        }
    assert losses[training.best_step] == min(losses.values())
    assert training.n_steps == max(losses)


def test_imported_weights_have_neither_data_nor_training(
    run: Run, graph: ModelGraph, tmp_path: Path
) -> None:
    imported = Run(tmp_path)
    imported.config_path.write_bytes(run.config_path.read_bytes())
    imported.records_path.write_text(
        '{"folder": "", "manifest_sha256": "", "n_spectra": {}, "checkpoint": "a.pt"}'
    )
    text = write(imported, graph, None, tmp_path)
    assert "Unknown: the weights were imported from a.pt." in text
    assert "steps of" not in text
