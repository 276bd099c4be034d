"""Tests of the corner plot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.figures.corner import draw_corner


def test_each_pair_is_drawn_once_in_the_order_of_the_verdict(
    result: AnalysisResult,
) -> None:
    figure = draw_corner(result)
    n = result.verdict.n_informative
    clouds = [trace for trace in figure.data if trace.type == "scatter"]
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert (len(clouds), len(bars)) == (n * (n - 1) // 2, n)
    first, second = (int(d) for d in result.verdict_table["dimension"][:2])
    stars = result.stars[np.asarray(result.stars["entered"])]
    z = np.asarray(stars["z_mean"], np.float32)
    np.testing.assert_array_equal(clouds[0].x, z[: len(clouds[0].x), first])
    np.testing.assert_array_equal(clouds[0].y, z[: len(clouds[0].y), second])
    assert list(clouds[0].text[:3]) == list(stars["star"][:3])
    assert {int(np.sum(bar.y)) for bar in bars} == {len(clouds[0].x)}


def test_one_dimension_makes_no_pair(result: AnalysisResult) -> None:
    one = np.zeros_like(result.verdict.informative)
    one[3] = True
    alone = replace(result, verdict=result.verdict._replace(informative=one))
    with pytest.raises(ValueError, match="two informative dimensions, got 1"):
        draw_corner(alone)
