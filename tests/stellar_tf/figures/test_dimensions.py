"""Tests of the figures of the dimensions."""

from __future__ import annotations

import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.figures.dimensions import draw_dimensions


def test_the_words_stand_at_their_lines(result: AnalysisResult) -> None:
    figure = draw_dimensions(result)
    words = {note.yref: note for note in figure.layout.annotations}
    assert len(figure.layout.shapes) == 2
    for line in figure.layout.shapes:
        # On a logarithmic axis Plotly places words by the logarithm.
        assert 10.0 ** words[line.yref].y == pytest.approx(line.y0)
        assert f"{line.y0:g}" in words[line.yref].text
