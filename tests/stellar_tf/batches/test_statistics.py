from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.batches import statistics
from stellar_tf.batches.statistics import measure_flux
from stellar_tf.config import DatasetConfig
from tests.stellar_tf.batches.test_dataset import stored
from tfrecords_tools.records.manifest import Manifest, read_manifest


@pytest.fixture(scope="module")
def manifest(records: Path) -> Manifest:
    return read_manifest(records)


@pytest.mark.parametrize("max_spectra", [10**6, 5])
def test_mean_and_scale_are_numpys(manifest: Manifest, max_spectra: int) -> None:
    spectra = stored(manifest, "train")[1][:max_spectra]
    found = measure_flux(
        manifest, DatasetConfig(), max_spectra=max_spectra, batch_size=5
    )
    left = manifest.grid.pad_left
    inside = slice(left + 5, left + manifest.grid.n_pixels - 5)
    flux = spectra[:, inside]
    mean = np.nanmean(flux, axis=0)
    np.testing.assert_allclose(found.mean[inside], mean, rtol=1e-5)
    scale = np.median(np.nanmean(np.abs(flux - mean), axis=0))
    assert found.scale == pytest.approx(scale, rel=0.01)
    # The padding, in which nothing is valid, goes on with the last value.
    assert (found.mean[:left] == found.mean[left]).all()


def test_wild_pixels_count_as_little(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    flux = np.ones((4, manifest.grid.padded_length), np.float32)
    flux[1] = 1.2
    flux[2, 7] = 1.0e30
    flux[3, 9] = -np.inf
    batches = tf.data.Dataset.from_tensors({"flux": flux})
    monkeypatch.setattr(statistics, "build_evaluation_dataset", lambda *a, **k: batches)
    found = measure_flux(manifest, DatasetConfig(), batch_size=4)
    assert found.mean[7] == pytest.approx((1.0 + 1.2 + 10.0 + 1.0) / 4.0)
    assert found.scale == pytest.approx((3 * 0.05 + 0.15) / 4.0)


def test_equal_spectra_have_a_scale(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    flux = np.ones((4, manifest.grid.padded_length), np.float32)
    batches = tf.data.Dataset.from_tensors({"flux": flux})
    monkeypatch.setattr(statistics, "build_evaluation_dataset", lambda *a, **k: batches)
    assert measure_flux(manifest, DatasetConfig(), batch_size=4).scale == 1.0
