from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stellar_tf.simulator.domain import is_inside, logg_min


def test_all_nodes_of_the_grid_are_inside(real_data: Path) -> None:
    with np.load(real_data / "grid" / "nodes.npz") as nodes:
        columns = [nodes[name] for name in ("teff", "logg", "mh", "alpha_m")]
    assert all(is_inside(*node) for node in np.column_stack(columns))


def test_lowest_gravity_rises_with_temperature() -> None:
    assert logg_min(4000.0) < logg_min(5000.0) < logg_min(6000.0) < logg_min(7000.0)


@pytest.mark.parametrize(
    "star",
    [
        (3900.0, 4.5, 0.0, 0.1),
        (7100.0, 4.5, 0.0, 0.1),
        (6500.0, 3.0, 0.0, 0.1),
        (5000.0, 5.0, 0.0, 0.1),
        (5000.0, 4.5, -2.0, 0.1),
        (5000.0, 4.5, 0.0, 0.5),
    ],
)
def test_each_border(star: tuple[float, float, float, float]) -> None:
    assert not is_inside(*star)
