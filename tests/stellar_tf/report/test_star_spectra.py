from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.table import Table

from stellar_tf.config import AnalysisConfig
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.report.star_spectra import measure_baselines
from stellar_tf.run import Run
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.split import SPLITS

CONFIG = AnalysisConfig(n_resamples=20)


def test_components_are_of_the_stars_own_spectra(run: Run, records: Path) -> None:
    """The label is the mean flux of each spectrum: one component must follow it."""
    model, manifest = SpectrumModel.from_run(run), read_manifest(records)
    rng = np.random.default_rng(0)
    rows = []
    for split in SPLITS:
        table = RecordTable(manifest, split)
        for number in range(len(table)):
            flux = model.normalise(table.read(number, names=())[0])
            dp_id = table.locate(number).dp_id
            rows.append((dp_id, split, float(np.nanstd(flux)), rng.normal(size=4)))
    stars = Table(rows=rows, names=("dp_id", "split", "spread", "z_mean"))
    labels = Table({"label": ["spread"], "spearman_dimension": [0]})
    (found,) = measure_baselines(stars[::-1], labels, model, manifest, CONFIG)
    assert found["n_held_out"] == (stars["split"] == "test").sum()
    assert found["pca"] > 0.7 > found["single"]
    assert found["behind"]


def test_without_labels_or_held_out_stars_nothing_is_tried(
    run: Run, records: Path
) -> None:
    model, manifest = SpectrumModel.from_run(run), read_manifest(records)
    dp_id = [RecordTable(manifest, "train").locate(n).dp_id for n in range(3)]
    stars = Table({"dp_id": dp_id, "split": ["train"] * 3, "z_mean": np.ones((3, 4))})
    labels = Table({"label": ["rv"], "spearman_dimension": [0]})
    for given in (labels, labels[:0]):
        assert len(measure_baselines(stars, given, model, manifest, CONFIG)) == 0
