from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.files import (
    AnalysisError,
    list_tables,
    read_probes,
    read_width_scales,
    write_named,
)
from stellar_tf.analysis.traversal import traverse
from tests.stellar_tf.analysis.planted import AIRMASS, N_LATENT, RV, plant_decoder


def test_tables_read_back_as_they_were(result: AnalysisResult, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "tables"
    paths = write_named(list_tables(result), folder)
    assert {path.stem for path in paths} == {
        "summary", "verdict", "associations", "labels", "leakage", "stars",
        "disentanglement", "conditional", "extremes", "unusual", "unit_maps",
        "coverage",
    }  # fmt: skip
    for name, expected in (
        ("verdict", result.verdict_table),
        ("associations", result.association_table),
        ("labels", result.label_table),
        ("stars", result.stars),
    ):
        found = Table.read(folder / f"{name}.ecsv")
        assert found.colnames == expected.colnames
        for column in expected.colnames:
            np.testing.assert_array_equal(
                np.ma.filled(found[column], np.nan)
                if found[column].dtype.kind == "f"
                else np.ma.filled(found[column], ""),
                expected[column],
            )
    verdict = Table.read(folder / "verdict.ecsv")
    assert all(verdict[name].description for name in verdict.colnames)
    assert verdict.meta["min_information"] == result.config.min_information
    summary = Table.read(folder / "summary.ecsv")
    assert summary["n_informative"][0] == 5
    assert summary["n_factors"][0] == 4
    assert summary.meta["config"]["seed"] == 0


def test_nothing_is_overwritten_unasked(result: AnalysisResult, tmp_path: Path) -> None:
    (tmp_path / "labels.ecsv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"labels\.ecsv: exists"):
        write_named(list_tables(result), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.ecsv"]
    wave = 6200.0 + 0.1 * np.arange(1_000)
    z_mean = np.asarray(result.stars["z_mean"])
    traversal = traverse(plant_decoder(wave), wave, z_mean, [0], n=3)
    named = list_tables(result, traversal, Table(), Table({"width": [0.1]}))
    paths = write_named(named, tmp_path, overwrite=True)
    assert tmp_path / "moving_wavelengths.ecsv" in paths
    assert tmp_path / "precision.ecsv" in paths
    assert tmp_path / "baselines.ecsv" not in paths


def test_width_scales_are_read_back(result: AnalysisResult, tmp_path: Path) -> None:
    write_named(list_tables(result), tmp_path)
    scale = read_width_scales(tmp_path, N_LATENT)
    rows = {row["dimension"]: row for row in result.verdict_table}
    assert scale[RV] == rows[RV]["width_scale"]
    assert scale[AIRMASS] == 1.0  # observational: visits are meant to differ


def test_widths_that_could_not_be_checked_are_told(
    result: AnalysisResult, tmp_path: Path
) -> None:
    named = list_tables(result)
    named["verdict"] = named["verdict"].copy()
    named["verdict"]["width_scale"] = np.nan
    write_named(named, tmp_path)
    with pytest.raises(AnalysisError, match="no width could be checked"):
        read_width_scales(tmp_path, N_LATENT)


def test_probes_of_labels_without_unit_are_read_as_written(tmp_path: Path) -> None:
    table = Table({"unit": ["", "K"], "mad": [1.0, np.nan], "n_labelled": [10, 30]})
    model = tmp_path / "model.keras"
    model.write_bytes(b"weights")
    table.meta["model_sha256"] = hashlib.sha256(b"weights").hexdigest()
    write_named({"probes": table}, tmp_path)
    found = read_probes(tmp_path, model)
    assert list(found["unit"]) == ["", "K"]
    np.testing.assert_array_equal(found["mad"], table["mad"])
    assert len(read_probes(tmp_path / "elsewhere", model)) == 0
    model.write_bytes(b"other weights")
    with pytest.raises(AnalysisError, match=r"probes\.ecsv: is of another model; run"):
        read_probes(tmp_path, model)
