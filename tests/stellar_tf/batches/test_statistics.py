from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.batches import statistics
from stellar_tf.batches.statistics import measure_flux
from stellar_tf.config import Config
from tests.stellar_tf.batches.test_dataset import stored
from tfrecords_tools.records.manifest import Manifest, read_manifest


@pytest.fixture(scope="module")
def manifest(records: Path) -> Manifest:
    return read_manifest(records)


@pytest.mark.parametrize("max_spectra", [10**6, 5])
def test_mean_and_scale_are_numpys(manifest: Manifest, max_spectra: int) -> None:
    spectra = stored(manifest, "train")[1][:max_spectra]
    config = Config(training={"batch_size": 5})
    found = measure_flux(manifest, config, max_spectra=max_spectra)
    inside = slice(5, manifest.grid.n_pixels - 5)
    flux = spectra[:, inside]
    mean = np.nanmean(flux, axis=0)
    np.testing.assert_allclose(found.mean[inside], mean, rtol=1e-5)
    scale = np.median(np.nanmean(np.abs(flux - mean), axis=0))
    assert found.scale == pytest.approx(scale, rel=0.01)


def test_where_nothing_is_valid_the_mean_goes_on(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    flux = np.ones((4, manifest.grid.n_pixels), np.float32)
    flux[:, 3] = 1.5
    flux[:, :3] = flux[:, 4] = np.nan
    batches = tf.data.Dataset.from_tensors({"flux": flux})
    monkeypatch.setattr(statistics, "build_evaluation_dataset", lambda *a, **k: batches)
    mean = measure_flux(manifest, Config()).mean
    np.testing.assert_allclose(mean[:6], [1.5, 1.5, 1.5, 1.5, 1.25, 1.0])


def test_wild_pixels_count_as_little(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    flux = np.ones((4, manifest.grid.n_pixels), np.float32)
    flux[1] = 1.2
    flux[2, 7] = 1.0e30
    flux[3, 9] = -np.inf
    batches = tf.data.Dataset.from_tensors({"flux": flux})
    monkeypatch.setattr(statistics, "build_evaluation_dataset", lambda *a, **k: batches)
    found = measure_flux(manifest, Config())
    assert found.mean[7] == pytest.approx((1.0 + 1.2 + 10.0 + 1.0) / 4.0)
    assert found.scale == pytest.approx((3 * 0.05 + 0.15) / 4.0)


def test_equal_spectra_have_a_scale(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    flux = np.ones((4, manifest.grid.n_pixels), np.float32)
    batches = tf.data.Dataset.from_tensors({"flux": flux})
    monkeypatch.setattr(statistics, "build_evaluation_dataset", lambda *a, **k: batches)
    assert measure_flux(manifest, Config()).scale == 1.0
