"""A folder in which the commands of the pages can be run in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from stellar_tf.config import SHIPPED, load_config, write_config
from tests.stellar_tf.conftest import SMALL

MORE = (
    "model.strided={channels: [4, 4, 4], kernels: [7, 5, 3]}",
    # As long as it takes until a dimension is informative.
    "training={n_steps: 30, batch_size: 8, learning_rate: 0.01, steps_per_epoch: 30, "
    "epochs_per_image: 0}",
    "objective={kl_weights: [[0, 1.0e-7]]}",
    "analysis={n_resamples: 20, n_draws: 2000, n_subsamples: 20, n_permutations: 100, "
    "n_local_permutations: 20}",
)


@pytest.fixture(scope="session")
def small_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings that come with the package, each for a survey of seconds."""
    folder = tmp_path_factory.mktemp("configs")
    for path in SHIPPED.glob("*.yaml"):
        config = load_config(path, [*SMALL, *MORE])
        write_config(config, folder / path.name)
    return folder
