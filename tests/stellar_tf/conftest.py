"""Simulated records, small enough for every test that needs some."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from astropy.table import Table

from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.analysis.labels import joint_fit
from stellar_tf.config import AnalysisConfig, Config, load_config
from stellar_tf.inference.graph import ModelGraph
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from stellar_tf.simulator.simulate import simulate
from stellar_tf.tables import write_table
from stellar_tf.training.fit import fit
from stellar_tf.training.strategy import build_strategy
from tests.stellar_tf.analysis.planted import FACTORS, plant_latents
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.split import SPLITS

# TensorFlow must know of the replicas' devices before its first operation.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

SMALL = (
    "grid.wave_min=5160.02",
    "grid.wave_step=0.04",
    "grid.n_pixels=1000",
    "convert.split={train: 0.5, validation: 0.25, test: 0.25}",
    "convert.shard_mib=0.1",
    "simulate.n_stars=40",
    "simulate.n_visits=2",
    "simulate.wave_min=5160.02",
    "simulate.wave_step=0.04",
    "simulate.n_pixels=1000",
    "simulate.full_header=false",
    "simulate.factors.log_snr={kind: uniform, a: 1.7, b: 2.5}",
    "model.n_latent=4",
    "model.folded={folds: [8, 4, 4], channels: [8, 16, 16], kernels: [3, 1, 1]}",
    "dataset.normalise=masked",
    "objective={error: absolute, kl_weights: [[0, 0.0], [2, 0.0], [10, 0.001]]}",
    "objective.kl_reduction=sum",
    "objective.coarse_scales=[]",
    "training={n_steps: 6, batch_size: 8, steps_per_epoch: 3, learning_rate: 0.001}",
)


@pytest.fixture(scope="session", autouse=True)
def joint_maps_of_few() -> Iterator[None]:
    """Find the scales of joint maps in a tenth of the time, from fewer spectra."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_fit, "N_SCALED", 200)
        yield


@pytest.fixture(scope="session")
def config() -> Config:
    """Settings of a survey and a network of seconds."""
    return load_config(None, SMALL)


@pytest.fixture(scope="session")
def fits_folder(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    """80 simulated ESO files, and truth.ecsv."""
    folder = tmp_path_factory.mktemp("survey") / "fits"
    simulate(folder, config.simulate, seed=1, overwrite=False)
    return folder


@pytest.fixture(scope="session")
def records(
    tmp_path_factory: pytest.TempPathFactory, config: Config, fits_folder: Path
) -> Path:
    """Records of these files, with the truth as labels."""
    folder = tmp_path_factory.mktemp("records") / "records"
    truth = fits_folder / "truth.ecsv"
    convert([fits_folder], folder, config.grid, config.convert, labels=truth)
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, config: Config, records: Path) -> Run:
    """A run of a few steps on these records."""
    folder = tmp_path_factory.mktemp("run") / "run"
    return fit(records, folder, config, build_strategy("single"))


@pytest.fixture
def labelled_run(run: Run, records: Path, tmp_path: Path) -> Run:
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
    latents["mirror"] = 100.0 + latents["z_mean"] @ [1.0, -1.0, 2.0, 0.0]
    latents["mirror"].unit = "m"
    latents["spectral_type"] = "G2"
    # Of few stars, so that there are enough held-out ones.
    latents["split"][latents["split"] == "validation"] = "test"
    write_table(latents, Run(folder).latents_path)
    return Run(folder)


@pytest.fixture(scope="session")
def latents() -> Table:
    """Planted latents."""
    return plant_latents()


@pytest.fixture(scope="session")
def result(latents: Table) -> AnalysisResult:
    """Their analysis."""
    return analyze(latents, AnalysisConfig(), factors=FACTORS)


@pytest.fixture(scope="session")
def graph(run: Run) -> ModelGraph:
    """The network of that run."""
    return ModelGraph(load_autoencoder(run), run.read_config())


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the packages log, though others that tests run may silence loggers."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("stellar_tf"):
            logging.getLogger(name).disabled = False
    caplog.set_level(logging.WARNING, logger="stellar_tf")
    return caplog
