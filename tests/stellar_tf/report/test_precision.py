from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.labels.units import UnitMap
from stellar_tf.config import Config, SimulateConfig
from stellar_tf.figures.precision import draw_precision
from stellar_tf.report.captions import describe_precision
from stellar_tf.report.precision import (
    N_BOUNDS,
    N_SPECTRA,
    fits_grid,
    measure_precision,
)
from stellar_tf.report.run_analysis import _find_simulation
from stellar_tf.simulator.factors import Exposure, Star
from stellar_tf.simulator.precision import bound_precision
from stellar_tf.simulator.spectrum import SpectrumSimulator
from tfrecords_tools.grid import Grid

KNOTS = np.array([-10.0, 10.0])
RV = UnitMap(1, "rv", KNOTS, 25.0 * KNOTS, 0.1, 100, 0.2)
AIRMASS = UnitMap(0, "airmass", KNOTS, KNOTS, np.nan, 0, 0.2)
WINDOW = SimulateConfig(
    wave_min=5160.0, wave_step=0.04, n_pixels=512, full_header=False
)


@pytest.fixture(scope="module")
def latents() -> Table:
    """Held-out spectra of stars that differ in velocity, and as many of training."""
    rng, n = np.random.default_rng(0), 2 * 700
    table = Table({"dp_id": [f"s{i}" for i in range(n)]})
    table["split"] = np.where(np.arange(n) % 2, "train", "test")
    table["flags"] = np.zeros(n, np.int32)
    table["log_snr"] = rng.uniform(1.7, 2.5, n)
    table["snr"] = 10.0 ** table["log_snr"]
    table["rv"] = rng.normal(0.0, 25.0, n)
    table["z_mean"] = np.stack([np.zeros(n), table["rv"] / 25.0], axis=1)
    width = 10.0 / (25.0 * table["snr"])
    table["z_log_var"] = np.stack([np.zeros(n), 2.0 * np.log(width)], axis=1)
    for name, value in (
        ("teff", 5500.0), ("logg", 4.4), ("mh", 0.0), ("alpha_m", 0.1), ("vsini", 5.0),
        ("berv", 0.0), ("airmass", 1.2), ("tilt", 0.0),
    ):  # fmt: skip
        table[name] = value
    return table


def test_widths_and_bounds_of_held_out_spectra(latents: Table) -> None:
    table = measure_precision(latents, [RV, AIRMASS], simulation=WINDOW)
    assert sorted(set(table["label"])) == ["airmass", "rv"]
    rows = table[table["label"] == "rv"]
    assert len(rows) == N_SPECTRA
    held_out = latents[latents["split"] == "test"]
    assert set(rows["dp_id"]) <= set(held_out["dp_id"])
    # Planted: 10 km/s over the S/N. Chosen evenly, they reach from end to end.
    np.testing.assert_allclose(rows["width"], 10.0 / rows["snr"], rtol=1e-6)
    assert np.ptp(rows["snr"]) == np.ptp(held_out["snr"])
    bounded = rows[np.isfinite(rows["bound"])]
    assert len(bounded) == N_BOUNDS
    row = bounded[7]
    truth = latents[latents["dp_id"] == row["dp_id"]][0]
    star, exposure = (
        kind(**{name: float(truth[name]) for name in kind._fields})
        for kind in (Star, Exposure)
    )
    expected = bound_precision(SpectrumSimulator(WINDOW), star, exposure, ["rv"])
    assert row["bound"] == pytest.approx(expected.deviation["rv"], rel=1e-6)
    # The simulator cannot differentiate by what dimension 0 tracks.
    assert not np.isfinite(table["bound"][table["label"] == "airmass"]).any()


def test_without_the_truth_there_is_no_bound(latents: Table) -> None:
    without = latents.copy()
    del without["tilt"]
    for table in (
        measure_precision(latents, [RV]),
        measure_precision(without, [RV], simulation=WINDOW),
    ):
        assert len(table) == N_SPECTRA
        assert not np.isfinite(table["bound"]).any()


def test_without_a_map_or_the_snr_there_is_nothing(latents: Table) -> None:
    assert len(measure_precision(latents, [], simulation=WINDOW)) == 0
    without = latents.copy()
    del without["snr"]
    assert len(measure_precision(without, [RV], simulation=WINDOW)) == 0
    of_training = latents[latents["split"] == "train"]
    assert len(measure_precision(of_training, [RV], simulation=WINDOW)) == 0


def test_the_bound_is_for_the_pixels_that_the_network_sees() -> None:
    grid = Grid(wave_min=5160.0, wave_step=0.04, n_pixels=512)
    assert fits_grid(WINDOW, grid)
    assert not fits_grid(WINDOW.model_copy(update={"n_pixels": 500}), grid)
    assert not fits_grid(WINDOW.model_copy(update={"wave_step": 0.02}), grid)


def test_the_truth_says_how_its_spectra_were_simulated(
    config: Config, fits_folder: Path, tmp_path: Path
) -> None:
    truth = fits_folder / "truth.ecsv"
    assert _find_simulation(truth, config) == config.simulate
    assert _find_simulation(None, config) is None
    assert _find_simulation(tmp_path / "truth.ecsv", config) is None
    wider = config.grid.model_copy(update={"n_pixels": 1001})
    other = config.model_copy(update={"grid": wider})
    assert _find_simulation(truth, other) is None


PRECISION = Table(
    {
        "label": ["rv"] * 3 + ["mh"] * 2,
        "unit": ["km/s"] * 3 + ["dex"] * 2,
        "dp_id": ["a", "b", "c", "a", "b"],
        "snr": [50.0, 100.0, 200.0, 50.0, 100.0],
        "width": [0.04, 0.02, 0.01, 0.2, 0.1],
        "bound": [0.02, np.nan, 0.005, np.nan, np.nan],
    }
)


def test_the_figure_has_the_bound_where_it_is_known() -> None:
    figure = draw_precision(PRECISION, "rv")
    width, bound = figure.data
    np.testing.assert_allclose(width.x, [50.0, 100.0, 200.0])
    np.testing.assert_allclose(width.y, [0.04, 0.02, 0.01], rtol=1e-6)
    np.testing.assert_allclose(bound.y, [0.02, 0.005], rtol=1e-6)
    assert list(bound.text) == ["a", "c"]
    assert figure.layout.yaxis.title.text == "width of rv [km/s]"
    assert [trace.name for trace in draw_precision(PRECISION, "mh").data] == ["width"]


def test_numbers_of_the_axis_of_widths_do_not_overlap() -> None:
    wide = PRECISION.copy()
    assert draw_precision(wide, "mh").layout.yaxis.dtick == "D1"
    assert draw_precision(wide, "rv").layout.yaxis.dtick == "D2"
    wide["width"][0] = 40.0
    assert draw_precision(wide, "rv").layout.yaxis.dtick == 1


def test_the_caption_compares_with_the_bound() -> None:
    assert describe_precision(PRECISION, "rv") == (
        "Median width 0.02 km/s, 3 held-out spectra. Bound 0.013 km/s, width over "
        "bound 2 (medians of 2)."
    )
    assert describe_precision(PRECISION, "mh") == (
        "Median width 0.15 dex, 2 held-out spectra."
    )
