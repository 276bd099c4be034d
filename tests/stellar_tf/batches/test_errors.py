"""Errors of the flux on their way from the records into the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.batches.dataset import TrainingStream, build_evaluation_dataset
from stellar_tf.config import Config
from tests.tfrecords_tools.fits_files import GRID, WAVE, make_flux, write_adp
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.records.manifest import Manifest, read_manifest
from tfrecords_tools.records.record_table import RecordTable

MODEL = {"folded": {"folds": (8,), "channels": (8,), "kernels": (3,)}}
N_SPECTRA = 4


def build(folder: Path, *, with_errors: bool) -> Manifest:
    """Records of some spectra; the first never has errors."""
    (folder / "in").mkdir()
    rng = np.random.default_rng(0)
    for i in range(N_SPECTRA):
        error = rng.uniform(1.0, 9.0, WAVE.size).astype(np.float32)
        error[70] = np.nan
        flux = make_flux() + error
        path = folder / "in" / f"{i}.fits"
        write_adp(path, flux=flux, error=error if with_errors and i else None)
    split = SplitFractions(train=1.0, validation=0.0, test=0.0)
    convert([folder / "in"], folder / "records", GRID, ConvertConfig(split=split))
    return read_manifest(folder / "records")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return build(tmp_path, with_errors=True)


def config(normalise: str = "masked", **sections: object) -> Config:
    tree = {"dataset": {"normalise": normalise}, "model": MODEL}
    tree |= {"objective": {"weight_by_errors": "auto"}, **sections}
    return Config.model_validate({"training": {"batch_size": N_SPECTRA}, **tree})


def relative_errors(manifest: Manifest) -> dict[str, np.ndarray]:
    table = RecordTable(manifest, "train")
    found = {}
    for number in range(len(table)):
        flux, _ = table.read(number)
        error = table.read_error(number)
        unknown = np.full(flux.shape, np.nan, np.float32)
        found[table.locate(number).dp_id] = unknown if error is None else error / flux
    return found


@pytest.mark.parametrize("normalise", ["masked", "paper", "continuum"])
def test_errors_are_in_the_unit_of_the_flux(manifest: Manifest, normalise: str) -> None:
    expected = relative_errors(manifest)
    stream = TrainingStream(manifest, config(normalise))
    (batch,) = stream.build().take(1)
    names = [location.dp_id for location in stream.locate_batch(0)]
    (other,) = build_evaluation_dataset(
        manifest, "train", config(normalise), batch_size=N_SPECTRA, with_metadata=True
    )
    others = [name.decode() for name in other["dp_id"].numpy()]
    for found, dp_ids in ((batch, names), (other, others)):
        ratio = found["error"] / found["flux"]
        wanted = np.stack([expected[dp_id] for dp_id in dp_ids])
        np.testing.assert_allclose(ratio, wanted, rtol=1e-4)
        assert np.isnan(wanted).all(axis=1).sum() == 1


def test_noise_that_is_added_is_in_the_errors(manifest: Manifest) -> None:
    changed = config(dataset={"noise": 0.05})
    plain, noisy = (
        next(iter(TrainingStream(manifest, settings).build()))["error"].numpy()
        for settings in (config(), changed)
    )
    np.testing.assert_allclose(noisy, np.hypot(plain, 0.05), rtol=1e-4)


def test_a_shift_moves_errors_with_the_flux(manifest: Manifest) -> None:
    changed = config(dataset={"max_velocity_shift": 3.0})
    batch = next(iter(TrainingStream(manifest, changed).build()))
    known = np.isfinite(batch["error"].numpy())
    assert known.any()
    assert (known <= np.isfinite(batch["flux"])).all()


def keys(manifest: Manifest, settings: Config) -> set[str]:
    stream = TrainingStream(manifest, settings).build()
    return set(stream.element_spec)


def test_errors_are_read_where_there_are_any_and_they_are_wanted(
    manifest: Manifest, tmp_path: Path
) -> None:
    unweighted = config(objective={"weight_by_errors": "no"})
    assert keys(manifest, config()) == {"flux", "error"}
    assert keys(manifest, unweighted) == {"flux"}
    (tmp_path / "without").mkdir()
    without = build(tmp_path / "without", with_errors=False)
    assert keys(without, config()) == {"flux"}


def test_element_shapes_are_known(manifest: Manifest) -> None:
    spec = TrainingStream(manifest, config()).build().element_spec
    assert {value.shape for value in spec.values()} == {
        tf.TensorShape((N_SPECTRA, GRID.n_pixels))
    }
