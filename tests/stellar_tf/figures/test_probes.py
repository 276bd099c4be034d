from __future__ import annotations

import numpy as np
from astropy.table import Table

from stellar_tf.figures.probes import MAX_LABELS, draw_probes

SIZES = np.array([10, 100, 1_000])


def scores(n_labels: int) -> Table:
    rows = []
    for label in range(n_labels):
        for features, method in (("latents", "ridge"), ("network", "network")):
            for size in SIZES:
                mad = 1_000.0 / size
                rows.append((f"label{label}", features, method, size, mad))
    table = Table(rows=rows, names=("label", "features", "method", "n_labelled", "mad"))
    table["unit"], table["spread"] = "K", 300.0
    table["r2"] = 1.0 - 1.0 / table["n_labelled"]
    for name in ("mad", "r2"):
        table[f"{name}_low"] = 0.9 * table[name]
        table[f"{name}_high"] = 1.2 * table[name]
    return table


def test_curves_are_the_scores_with_their_intervals() -> None:
    table = scores(2)
    figure = draw_probes(table)
    assert len(figure.data) == 2 * 2 * 2
    mad, r2 = figure.data[:2]
    np.testing.assert_array_equal(mad.customdata, SIZES)
    np.testing.assert_allclose(mad.x, SIZES, rtol=0.05)
    np.testing.assert_allclose(mad.y, 1_000.0 / SIZES)
    np.testing.assert_allclose(mad.error_y.array, 200.0 / SIZES, rtol=1e-5)
    np.testing.assert_allclose(mad.error_y.arrayminus, 100.0 / SIZES, rtol=1e-5)
    np.testing.assert_allclose(r2.y, 1.0 - 1.0 / SIZES, rtol=1e-6)
    assert figure.layout.yaxis.title.text == "label0: MAD [K]"
    assert [trace.name for trace in figure.data if trace.showlegend] == [
        "latents, ridge",
        "network",
    ]


def test_of_many_labels_the_first_are_drawn() -> None:
    figure = draw_probes(scores(MAX_LABELS + 3))
    assert len(figure.data) == MAX_LABELS * 2 * 2


def test_a_label_without_a_network_has_no_curve_of_it() -> None:
    table = scores(2)
    table = table[(table["label"] == "label0") | (table["features"] == "latents")]
    assert len(draw_probes(table).data) == 2 * 2 + 2
