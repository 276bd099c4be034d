"""Tests of the figures of the dimensions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.figures.dimensions import draw_associations, draw_dimensions


def test_the_words_stand_at_their_lines(result: AnalysisResult) -> None:
    figure = draw_dimensions(result)
    words = {note.yref: note for note in figure.layout.annotations}
    assert len(figure.layout.shapes) == 2
    for line in figure.layout.shapes:
        # On a logarithmic axis Plotly places words by the logarithm.
        assert 10.0 ** words[line.yref].y == pytest.approx(line.y0)
        assert f"{line.y0:g}" in words[line.yref].text
        # In the margin, where there are no markers.
        assert (words[line.yref].x, words[line.yref].xanchor) == (1.0, "left")


def test_a_weak_cell_is_pale_and_one_of_chance_has_no_colour(
    result: AnalysisResult,
) -> None:
    found = result.associations
    weak = replace(result, associations=found._replace(mi=0.01 * found.mi))
    strongest = 0.01 * float(found.mi.max())
    heat_map = draw_associations(weak).data[0]
    assert strongest < 0.2 * heat_map.zmax
    chance = found._replace(q_value=np.ones_like(found.q_value))
    figure = draw_associations(replace(result, associations=chance))
    assert not figure.data[0].z.any()
    assert figure.data[0].colorscale[0][1].endswith(",0)")
    # The numbers are there all the same.
    assert len(figure.layout.annotations) == found.mi.size
    assert not any("*" in note.text for note in figure.layout.annotations)
