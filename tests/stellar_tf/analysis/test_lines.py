from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.lines import LINES, choose_lines, name_wavelengths

# Observed air wavelengths from other sources: Allen's Astrophysical Quantities
# (Balmer, Ca II, Na D, Mg b) and the VALD3 database (the rest).
KNOWN = {
    6562.797: "H alpha", 4861.323: "H beta", 3933.663: "Ca II K", 5889.951: "Na D2",
    5183.604: "Mg b1", 6439.075: "Ca I", 6496.897: "Ba II", 6393.600: "Fe I",
    6643.629: "Ni I", 6491.561: "Ti II",
}  # fmt: skip


@pytest.mark.parametrize(("wave", "name"), KNOWN.items(), ids=list(KNOWN.values()))
def test_known_lines_are_where_they_should_be(wave: float, name: str) -> None:
    nearest = min(LINES, key=lambda line: abs(line.wave - wave))
    assert nearest.name == name
    assert abs(nearest.wave - wave) <= 0.02


def test_every_line_is_in_the_range_and_once() -> None:
    waves = np.array([line.wave for line in LINES])
    assert waves.min() > 3780.0
    assert waves.max() < 6910.0
    assert (np.diff(waves) > 0.0).all()


def test_lines_are_minima_of_a_synthetic_spectrum(real_data: object) -> None:
    from pathlib import Path

    nodes = np.load(Path(str(real_data)) / "grid" / "nodes.npz")
    solar_like = np.argmin(np.abs(nodes["teff"] - 5200) + 2000 * np.abs(nodes["mh"]))
    flux = nodes["flux_u16"][solar_like] / float(nodes["flux_scale"])
    n_found = 0
    for line in LINES:
        pixel = round((line.wave - float(nodes["wave_min"])) / 0.01)
        near = flux[pixel - 8 : pixel + 9]
        n_found += abs(int(np.argmin(near)) - 8) <= 2 and near.min() < 0.9
    # Balmer lines are blended, some lines of ions are absent from the grid.
    assert n_found >= 0.92 * len(LINES)


def test_names() -> None:
    names = name_wavelengths([6230.80, 6231.80, 6290.0, 6600.0])
    assert list(names) == ["Fe I 6230.72", "", "O2 gamma (Earth)", ""]


def test_of_two_lines_too_near_the_stronger_is_chosen() -> None:
    wave = np.arange(5880.0, 5900.0, 0.01)
    score = np.exp(-0.5 * ((wave - 5895.92) / 0.1) ** 2)
    assert [line.name for line in choose_lines(wave, score, distance=10.0)] == ["Na D1"]
    both = choose_lines(wave, score, distance=1.0)
    assert [line.name for line in both] == ["Na D2", "Na D1"]
    assert choose_lines(np.arange(5600.0, 5610.0), np.ones(10), distance=1.0) == []
