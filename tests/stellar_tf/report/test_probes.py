from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.columns import LatentsError
from stellar_tf.analysis.files import TablesExistError, read_probes
from stellar_tf.analysis.labels.probes import SizesError
from stellar_tf.report.probes import RunProbes, probe_run
from stellar_tf.report.run_analysis import analyze_run
from stellar_tf.run import Run
from stellar_tf.tables import write_table
from stellar_tf.training import supervised


def probe_small(run: Run, **options: object) -> RunProbes:
    defaults = {"sizes": (10, 15), "network_sizes": (), "n_draws": 2}
    return probe_run(run, progress=False, **{**defaults, **options})


def test_latents_that_hold_the_label_predict_it_and_spectra_do_not(
    labelled_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "MAX_CHECKS", 1)
    probes = probe_small(labelled_run, network_sizes=(15,))
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
    curves = set(zip(table["features"], table["method"], strict=True))
    assert len(probes.plot().data) == 2 * len(curves)
    assert not labelled_run.analysis.exists()
    assert not list(labelled_run.folder.glob("tmp*"))


def test_the_table_is_kept_with_the_run_and_not_replaced(labelled_run: Run) -> None:
    probes = probe_small(labelled_run, save=True)
    assert probes.path.is_file()
    found = read_probes(labelled_run.analysis, labelled_run.model_path)
    np.testing.assert_array_equal(found["mad"], probes.table["mad"])
    assert list(found["unit"]) == list(probes.table["unit"])
    with pytest.raises(TablesExistError, match=r"probes.ecsv: exists; pass overwrite"):
        probe_small(labelled_run, save=True)
    again = probe_small(labelled_run, save=True, overwrite=True)
    np.testing.assert_array_equal(found["mad"], again.table["mad"])


def test_labels_of_a_table_are_taken_alone(labelled_run: Run, tmp_path: Path) -> None:
    latents = Table.read(labelled_run.latents_path)
    path = tmp_path / "labels.csv"
    depth = np.asarray(latents["z_mean"])[:, 0]
    Table({"dp_id": latents["dp_id"], "depth": depth}).write(path)
    probes = probe_small(labelled_run, labels=path)
    assert set(probes.table["label"]) == {"depth"}
    assert "have labels of" in probes.notes[0]
    chosen = probe_small(labelled_run, labels=path, names=["snr"])
    assert set(chosen.table["label"]) == {"snr"}


def test_records_that_have_been_moved_leave_the_latents(labelled_run: Run) -> None:
    records = json.loads(labelled_run.records_path.read_text())
    labelled_run.records_path.write_text(json.dumps({**records, "folder": "/nowhere"}))
    probes = probe_small(labelled_run, network_sizes=(10,))
    assert set(probes.table["features"]) == {"latents"}
    assert probes.notes[0].startswith("latents alone, without spectra: /nowhere")


def test_latents_of_other_records_have_no_spectra_here(labelled_run: Run) -> None:
    latents = Table.read(labelled_run.latents_path)
    latents["dp_id"] = [f"other{row}" for row in range(len(latents))]
    write_table(latents, labelled_run.latents_path, overwrite=True)
    probes = probe_small(labelled_run)
    assert set(probes.table["features"]) == {"latents"}
    assert "has 0 of the 40 spectra wanted" in probes.notes[0]


def test_fewer_stars_than_were_asked_for_are_said(labelled_run: Run) -> None:
    probes = probe_small(labelled_run, sizes=(10, 1_000))
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
def test_wrong_numbers(
    labelled_run: Run, options: dict[str, object], message: str
) -> None:
    with pytest.raises(SizesError, match=message):
        probe_small(labelled_run, **options)


def test_labels_that_are_not_there(labelled_run: Run) -> None:
    message = r"names: no label 'miror', only mirror, .*; did you mean mirror\?"
    with pytest.raises(LatentsError, match=message):
        probe_small(labelled_run, names=["miror"])
    with pytest.raises(LatentsError, match="spectral_type: text, not numbers"):
        probe_small(labelled_run, names=["spectral_type"])
    latents = Table.read(labelled_run.latents_path)
    latents.remove_columns(["mirror", "spectral_type"])
    write_table(latents, labelled_run.latents_path, overwrite=True)
    with pytest.raises(LatentsError, match="no labels; pass a table as labels"):
        probe_small(labelled_run)


def test_a_report_shows_no_probes_of_another_model(
    labelled_run: Run, tmp_path: Path
) -> None:
    path = probe_small(labelled_run, save=True).path
    analysis = analyze_run(labelled_run)
    assert analysis.notes == ()
    assert 'id="probes"' in analysis.report(tmp_path / "with.html").read_text()
    with labelled_run.model_path.open("ab") as file:
        file.write(b"trained anew")
    analysis = analyze_run(labelled_run)
    assert analysis.notes == (
        f"left out of the report: {path}: is of another model; "
        "run stellar-tf probe --overwrite",
    )
    assert 'id="probes"' not in analysis.report(tmp_path / "without.html").read_text()
