"""Once a run is analysed, `encode` tells the labels that its dimensions track."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stellar_tf as st
from stellar_tf.analysis.files import JOINT_MAPS_NAME, UNIT_MAPS, table_path
from stellar_tf.analysis.labels.joint_map_file import save_joint_maps
from stellar_tf.analysis.labels.joint_maps import JointMap
from stellar_tf.analysis.labels.units import UnitMap, unit_map_table
from stellar_tf.cli.main import run_command
from stellar_tf.run import Run
from stellar_tf.tables import read_table, write_table
from tests.stellar_tf.analysis.labels.test_joint_maps import fit, plant

COLUMNS = ["rv_estimate", "rv_estimate_width", "rv_estimate_error"]
KNOTS = np.linspace(-9.0, 9.0, 65)
RV = UnitMap(2, "rv", KNOTS, 30.0 * KNOTS, 0.4, 80, 0.06)


@pytest.fixture
def plain(run: Run, tmp_path: Path) -> Run:
    """The run, not analysed."""
    without = shutil.ignore_patterns("analysis")
    return Run(shutil.copytree(run.folder, tmp_path / "run", ignore=without))


@pytest.fixture
def mapped(plain: Run) -> Run:
    """The run with a map that is known."""
    write_table(unit_map_table([RV]), table_path(plain.analysis, UNIT_MAPS))
    return plain


@pytest.fixture
def joined(mapped: Run) -> JointMap:
    """Of the same label a joint map, too, known everywhere."""
    found = fit(plant(200))[0]
    limits = {"low": np.full(2, -np.inf), "high": np.full(2, np.inf)}
    joint = replace(found, frame=found.frame._replace(**limits))
    save_joint_maps([joint], mapped.analysis / JOINT_MAPS_NAME)
    return joint


def test_without_an_analysis_there_are_none(plain: Run, records: Path) -> None:
    latents = st.encode(plain, records)
    assert latents.estimates.colnames == []
    assert not set(COLUMNS) & set(latents.table.colnames)


def test_they_are_written_with_their_unit(
    mapped: Run, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "latents.parquet"
    table = st.encode(mapped, records, out=out).table
    np.testing.assert_allclose(
        table["rv_estimate"], 30.0 * table["z_mean"][:, 2], rtol=1e-6
    )
    width = 30.0 * np.exp(0.5 * table["z_log_var"][:, 2].astype(float))
    np.testing.assert_allclose(table["rv_estimate_width"], width, rtol=1e-6)
    written = read_table(out)
    for name in COLUMNS:
        assert written[name].unit == "km/s"
        np.testing.assert_array_equal(written[name], table[name])
    assert np.isfinite(written["rv"]).all()  # the label itself stays


def test_parts_and_an_exported_model_tell_the_same(
    mapped: Run, records: Path, fits_folder: Path, tmp_path: Path
) -> None:
    table = st.encode(mapped, records).table
    st.encode_parts(mapped, records, tmp_path / "parts.parquet")
    parts = read_table(tmp_path / "parts.parquet")
    assert parts.colnames == table.colnames
    version = st.export(mapped, tmp_path / "models" / "small")
    files = sorted(fits_folder.glob("*.fits"))[:3]
    served, own = (st.encode(m, files).table for m in (version.parent, mapped))
    for name in COLUMNS:
        np.testing.assert_allclose(parts[name], table[name], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(served[name], own[name], rtol=1e-3, atol=1e-3)
        assert served[name].unit == "km/s"


def test_all_dimensions_tell_a_label_alike_everywhere(
    mapped: Run, joined: JointMap, records: Path, fits_folder: Path, tmp_path: Path
) -> None:
    latents = st.encode(mapped, records)
    read = joined.read(latents.z_mean, latents.z_log_var)
    for name, expected in zip(COLUMNS, read, strict=True):
        np.testing.assert_array_equal(latents.table[name], expected)
    st.encode_parts(mapped, records, tmp_path / "parts.parquet")
    parts = read_table(tmp_path / "parts.parquet")
    version = st.export(mapped, tmp_path / "models" / "small")
    files = sorted(fits_folder.glob("*.fits"))[:3]
    served, own = (st.encode(m, files).table for m in (version.parent, mapped))
    for name in COLUMNS:
        np.testing.assert_allclose(parts[name], latents.table[name], rtol=1e-3)
        np.testing.assert_allclose(served[name], own[name], rtol=1e-3)
    # Repeat visits have taught it already.
    scale = np.array([1.0, 1.0, 3.0, 1.0])
    wider = latents.scale_widths(scale).estimates
    np.testing.assert_allclose(wider["rv_estimate_width"], read[1], rtol=1e-5)


def test_parts_are_written_anew_after_another_analysis(
    mapped: Run, records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "parts.parquet"
    st.encode_parts(mapped, records, out)
    path = table_path(mapped.analysis, UNIT_MAPS)
    write_table(unit_map_table([RV._replace(label="berv")]), path, overwrite=True)
    encode = ["encode", str(mapped.folder), str(records), "--out", str(out)]
    assert run_command([*encode, "--workers", "1"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run_command([*encode, "--workers", "1", "--overwrite"]) == 0
    assert "berv_estimate" in read_table(out).colnames


def test_calibrated_widths_are_told(
    mapped: Run, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = np.array([1.0, 1.0, 3.0, 1.0])
    monkeypatch.setattr("stellar_tf.api.encoding._read_width_scales", lambda _: scale)
    latents = st.encode(mapped, records, calibrated=True)
    plain = st.encode(mapped, records)
    np.testing.assert_allclose(
        latents.estimates["rv_estimate_width"],
        3.0 * plain.estimates["rv_estimate_width"],
        rtol=1e-5,
    )


def test_a_damaged_joint_map_is_named(
    mapped: Run, joined: JointMap, records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = mapped.analysis / JOINT_MAPS_NAME
    path.write_bytes(path.read_bytes()[:999])
    for more in ([], ["--workers", "1", "--out", str(mapped.folder / "a.parquet")]):
        encode = ["encode", str(mapped.folder), str(records), "--overwrite", *more]
        assert run_command(encode) == 2
        error = capsys.readouterr().err
        assert "joint_maps.npz: cannot be read; run stellar-tf analyze" in error
        assert error.count("\n") == 1


def test_a_damaged_map_is_named(
    mapped: Run, records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table_path(mapped.analysis, UNIT_MAPS)
    path.write_text("no table")
    assert run_command(["encode", str(mapped.folder), str(records), "--overwrite"]) == 2
    error = capsys.readouterr().err
    assert "unit_maps.ecsv: cannot be read as a table" in error
    assert error.count("\n") == 1
