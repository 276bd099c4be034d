"""Tests of the curves of a training."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from stellar_tf.figures.training import draw_training


def test_curves_are_the_historys_and_the_kept_model_is_marked() -> None:
    history = Table(
        {
            "step": [10, 20, 30],
            "flux_mae": [0.3, 0.2, 0.1],
            "kl": [1.0, 2.0, 3.0],
            "val_flux_mae": [0.4, 0.3, 0.5],
            "val_kl": [1.5, 2.5, 3.5],
            "val_loss": [3.0, 1.0, 2.0],
        }
    )
    figure = draw_training(history)
    drawn = [(trace.name, trace.yaxis) for trace in figure.data]
    columns = ("flux_mae", "val_flux_mae", "kl", "val_kl")
    for trace, column in zip(figure.data, columns, strict=True):
        np.testing.assert_allclose(trace.y, history[column], rtol=1e-6)
        np.testing.assert_array_equal(trace.x, history["step"])
    assert drawn[0] == ("training", "y")
    assert drawn[3] == ("validation", "y2")
    assert {line.x0 for line in figure.layout.shapes} == {20}
    # Less than a decade has ticks, too.
    assert figure.layout.yaxis.dtick == "D2"
    assert figure.layout.yaxis2.dtick == "D1"
    history["kl"] *= 1e3
    assert draw_training(history).layout.yaxis2.dtick == 1
