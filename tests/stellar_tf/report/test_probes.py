from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.columns import LatentsError
from stellar_tf.analysis.files import TablesExistError, read_probes
from stellar_tf.analysis.labels.probes import SizesError
from stellar_tf.report.probes import RunProbes, probe_run
from stellar_tf.run import Run
from stellar_tf.tables import write_table
from stellar_tf.training import supervised
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.split import SPLITS

WEIGHTS = np.array([1.0, -1.0, 2.0, 0.0])


@pytest.fixture
def encoded(run: Run, records: Path, tmp_path: Path) -> Run:
    """The run with codes that are drawn, and labels that are linear in them."""
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("analysis"))
    manifest, rng = read_manifest(records), np.random.default_rng(0)
    rows = []
    for split in SPLITS:
        table = RecordTable(manifest, split)
        for number, star in enumerate(table.stars()):
            rows.append((table.locate(number).dp_id, star, split))
    latents = Table(rows=rows, names=("dp_id", "star", "split"))
    latents["z_mean"] = rng.normal(size=(len(rows), 4))
    latents["z_log_var"] = np.zeros((len(rows), 4))
    latents["snr"] = rng.normal(size=len(rows))
    latents["mirror"] = 100.0 + latents["z_mean"] @ WEIGHTS
    latents["mirror"].unit = "m"
    latents["spectral_type"] = "G2"
    # Of few stars, so that there are enough held-out ones.
    latents["split"][latents["split"] == "validation"] = "test"
    write_table(latents, Run(folder).latents_path)
    return Run(folder)


def probe_small(run: Run, **options: object) -> RunProbes:
    defaults = {"sizes": (10, 15), "network_sizes": (), "n_draws": 2}
    return probe_run(run, progress=False, **{**defaults, **options})


def test_latents_that_hold_the_label_predict_it_and_spectra_do_not(
    encoded: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "MAX_CHECKS", 1)
    probes = probe_small(encoded, network_sizes=(15,))
    table = probes.table
    kinds = ["latents", "pca", "pixels", "network"]
    assert list(dict.fromkeys(table["features"])) == kinds
    assert set(table["label"]) == {"mirror"}
    assert set(table["unit"]) == {"m"}
    ridge = table[(table["features"] == "latents") & (table["method"] == "ridge")]
    assert (ridge["mad"] < 1e-3).all()
    assert (ridge["r2"] > 0.999).all()
    assert (table["r2"][table["features"] == "pixels"] < 0.8).all()
    network = table[table["features"] == "network"]
    assert list(network["n_labelled"]) == [15]
    assert probes.notes == ("label left out: spectral_type: text, not numbers",)
    assert len(probes.plot().data) == 2 * 7
    assert not encoded.analysis.exists()
    assert not list(encoded.folder.glob("tmp*"))


def test_the_table_is_kept_with_the_run_and_not_replaced(encoded: Run) -> None:
    probes = probe_small(encoded, save=True)
    assert probes.path.is_file()
    found = read_probes(encoded.analysis)
    np.testing.assert_array_equal(found["mad"], probes.table["mad"])
    with pytest.raises(TablesExistError, match=r"probes.ecsv: exists; pass overwrite"):
        probe_small(encoded, save=True)
    again = probe_small(encoded, save=True, overwrite=True)
    np.testing.assert_array_equal(found["mad"], again.table["mad"])


def test_without_a_table_there_are_no_rows(tmp_path: Path) -> None:
    assert len(read_probes(tmp_path)) == 0


def test_labels_of_a_table_are_taken_alone(encoded: Run, tmp_path: Path) -> None:
    latents = Table.read(encoded.latents_path)
    path = tmp_path / "labels.csv"
    depth = np.asarray(latents["z_mean"])[:, 0]
    Table({"dp_id": latents["dp_id"], "depth": depth}).write(path)
    probes = probe_small(encoded, labels=path)
    assert set(probes.table["label"]) == {"depth"}
    assert "have labels of" in probes.notes[0]
    chosen = probe_small(encoded, labels=path, names=["snr"])
    assert set(chosen.table["label"]) == {"snr"}


def test_records_that_have_been_moved_leave_the_latents(encoded: Run) -> None:
    records = json.loads(encoded.records_path.read_text())
    encoded.records_path.write_text(json.dumps({**records, "folder": "/nowhere"}))
    probes = probe_small(encoded, network_sizes=(10,))
    assert set(probes.table["features"]) == {"latents"}
    assert probes.notes[0].startswith("latents alone, without spectra: /nowhere")


def test_latents_of_other_records_have_no_spectra_here(encoded: Run) -> None:
    latents = Table.read(encoded.latents_path)
    latents["dp_id"] = [f"other{row}" for row in range(len(latents))]
    write_table(latents, encoded.latents_path, overwrite=True)
    probes = probe_small(encoded)
    assert set(probes.table["features"]) == {"latents"}
    assert "has 0 of the 40 spectra wanted" in probes.notes[0]


def test_fewer_stars_than_were_asked_for_are_said(encoded: Run) -> None:
    probes = probe_small(encoded, sizes=(10, 1_000))
    n_train = int(max(probes.table["n_labelled"]))
    assert n_train < 40
    assert probes.notes[-1] == (
        f"mirror: known for {n_train} training stars, so that at most these are "
        "labelled, not 1,000"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (4,)}, r"sizes must be numbers of stars of at least 5, got \[4\]"),
        ({"network_sizes": (50,)}, r"network_sizes must be some of sizes, \[10, 15\]"),
        ({"n_draws": 0}, "n_draws must be 1 or more, got 0"),
    ],
)
def test_wrong_numbers(encoded: Run, options: dict[str, object], message: str) -> None:
    with pytest.raises(SizesError, match=message):
        probe_small(encoded, **options)


def test_labels_that_are_not_there(encoded: Run) -> None:
    message = r"names: no label 'miror', only mirror, .*; did you mean mirror\?"
    with pytest.raises(LatentsError, match=message):
        probe_small(encoded, names=["miror"])
    with pytest.raises(LatentsError, match="spectral_type: text, not numbers"):
        probe_small(encoded, names=["spectral_type"])
    latents = Table.read(encoded.latents_path)
    latents.remove_columns(["mirror", "spectral_type"])
    write_table(latents, encoded.latents_path, overwrite=True)
    with pytest.raises(LatentsError, match="no labels; pass a table as labels"):
        probe_small(encoded)
