from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from stellar_tf.simulator.broadening import observe
from stellar_tf.simulator.emulator import PACKAGE_DATA, Emulator


def test_stated_error_is_within_the_target(emulator: Emulator) -> None:
    assert emulator.held_out_error.shape == (64,)
    assert np.median(emulator.held_out_error) <= 0.006


def test_package_data_are_small() -> None:
    source = resources.files("stellar_tf.simulator") / PACKAGE_DATA
    assert len(source.read_bytes()) < 15e6


def test_nodes_are_reproduced_better_than_held_out_ones(
    emulator: Emulator, real_data: Path
) -> None:
    with np.load(real_data / "grid" / "nodes.npz") as nodes:
        wave = nodes["wave_min"] + nodes["wave_step"] * np.arange(
            nodes["flux_u16"].shape[1]
        )
        position = emulator.position(wave)
        errors = []
        for i in range(0, 64, 8):
            star = [float(nodes[name][i]) for name in ("teff", "logg", "mh", "alpha_m")]
            flux = observe(emulator, emulator.flux(*star), position, vsini=0.0, rv=0.0)
            truth = nodes["flux_u16"][i] / nodes["flux_scale"]
            errors.append(np.abs(flux - truth).mean())
    assert max(errors) < np.median(emulator.held_out_error)


def test_window_equals_the_whole(emulator: Emulator) -> None:
    part = emulator.window(6500.0, 6520.0)
    first = round(float(emulator.position(np.exp(np.array([part.log_wave_min])))[0]))
    whole = emulator.flux(5500.0, 4.0, -0.3, 0.1)
    np.testing.assert_allclose(
        part.flux(5500.0, 4.0, -0.3, 0.1),
        whole[first : first + part.n_pixels],
        atol=1e-5,
    )
    assert part.position(np.array([6500.0]))[0] >= 0.0
    assert part.position(np.array([6520.0]))[0] <= part.n_pixels - 1


def test_gaussian_process_equals_scikit_learn() -> None:
    process = pytest.importorskip("sklearn.gaussian_process")
    kernels = process.kernels
    rng = np.random.default_rng(1)
    nodes, scores = rng.uniform(-1.0, 1.0, (20, 4)), rng.normal(size=20)
    kernel = (
        2.0 * kernels.RBF([0.5, 1.0, 2.0, 3.0])
        + 0.7 * kernels.DotProduct(1.3)
        + kernels.WhiteKernel(0.01)
    )
    fitted = process.GaussianProcessRegressor(kernel, optimizer=None)
    fitted.fit(nodes, scores)
    emulator = Emulator(
        log_wave_min=8.2,
        log_step=1e-6,
        mean=np.zeros(1, np.float32),
        components=np.ones((1, 1), np.float32),
        nodes=nodes,
        node_low=np.full(4, -1.0),
        node_high=np.full(4, 1.0),
        weights=fitted.alpha_[None],
        amplitude=np.array([2.0]),
        length=np.array([[0.5, 1.0, 2.0, 3.0]]),
        slope=np.array([0.7]),
        offset=np.array([1.3**2]),
        held_out_error=np.zeros(20),
    )
    star = rng.uniform(-1.0, 1.0, 4)
    np.testing.assert_allclose(
        emulator._scores(star), fitted.predict(star[None]), rtol=1e-9
    )


def test_balmer_lines_grow_with_temperature(emulator: Emulator) -> None:
    halpha = emulator.window(6550.0, 6575.0)
    widths = [
        float(np.sum(1.0 - halpha.flux(teff, 4.3, 0.0, 0.1)))
        for teff in (4500.0, 5500.0, 6500.0)
    ]
    assert widths[0] < widths[1] < widths[2]


def test_outside_the_grid_is_an_error(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match=r"must lie inside the grid .* got 9000 K"):
        emulator.flux(9000.0, 4.5, 0.0, 0.1)
