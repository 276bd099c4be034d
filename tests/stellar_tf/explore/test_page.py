"""The page without a browser: what its widgets do to the session and the figures."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import panel as pn
import pytest
from panel.models.file_dropper import UploadEvent

from stellar_tf.analysis.labels.units import UnitMap
from stellar_tf.analysis.lines import LINES
from stellar_tf.explore import captions
from stellar_tf.explore.controls import MAX_CHUNKS, build_upload
from stellar_tf.explore.explorer import Explorer
from stellar_tf.explore.page import Page


@pytest.fixture
def page(explorer: Explorer) -> Page:
    return Page(explorer)


def drawn(page: Page, role: str) -> np.ndarray:
    for panel in page.figure.panels.values():
        for renderer in panel.renderers:
            if renderer.name == role:
                return np.asarray(renderer.data_source.data["flux"])
    raise AssertionError(role)


def test_a_slider_moves_the_curve_and_the_button_moves_it_back(page: Page) -> None:
    before = drawn(page, "changed")
    np.testing.assert_array_equal(before, drawn(page, "start"))
    index, slider = next(iter(page.sliders.items()))
    slider.value = slider.end
    after = drawn(page, "changed")
    assert np.abs(after - before).max() > 0.0
    np.testing.assert_allclose(drawn(page, "difference"), after - before)
    assert f"Moved z{index}" in page.moved.object
    page._reset()
    np.testing.assert_array_equal(drawn(page, "changed"), before)
    assert page.moved.object.startswith("Nothing is moved")


def test_values_of_sliders_are_told_in_units(explorer: Explorer) -> None:
    first, *others = explorer.dimensions
    knots = np.array([first.low, first.high])
    rv = UnitMap(first.index, "r<v", knots, np.array([-20.0, 20.0]), 0.4, 80, 0.06)
    survey = copy(explorer.survey)
    survey.dimensions = [replace(first, unit_map=rv), *others]
    known = copy(explorer)
    known.survey = survey
    page = Page(known)
    assert list(page.meanings) == [first.index]
    slider, meaning = page.sliders[first.index], page.meanings[first.index]
    slider.value = 0.5 * (first.low + first.high)
    width = float(survey.width[0, first.index])
    assert meaning.object == rv.describe(slider.value, width).replace("<", "&lt;")
    assert meaning.object.startswith("r&lt;v about ")
    assert "(68 %: " in meaning.object
    page._reset()
    z = float(survey.z_mean[0, first.index])
    assert meaning.object == rv.describe(z, width).replace("<", "&lt;")


def test_finding_a_star(page: Page, explorer: Explorer) -> None:
    star = str(explorer.survey.star[11])
    page.finder.text.value_input = star
    rows = [row for row in page.finder.found.options.values() if row >= 0]
    assert rows == explorer.survey.find(star).tolist()
    page.finder.found.value = rows[0]
    assert page.session.start.row == rows[0]
    assert star in page.subject.object
    first = page.session.start
    page.finder.pick_unusual()
    assert page.session.start.row == explorer.survey.most_unusual[0]
    page.finder.pick_unusual()
    assert page.session.start.row == explorer.survey.most_unusual[1]
    page.finder.go_back()
    page.finder.go_back()
    assert page.session.start == first
    page.finder.text.value_input = "Vega"
    assert list(page.finder.found.options) == ["nothing found"]


def test_a_point_of_the_plane_becomes_the_start(page: Page) -> None:
    across, up = page.plane.axes
    z = page.session.explorer.survey.z_mean[21]
    page.plane._point((float(z[across.index]), float(z[up.index])), (8.0, 8.0))
    assert page.session.start.row == 21


def test_comparing_lists_neighbours_and_goes_to_them(page: Page) -> None:
    page.mode.value = "compare"
    near = page.session.neighbours
    star = page.session.explorer.survey.star[near[0].row]
    assert page.neighbours[0].label == f"1: {star} · {near[0].distance:.2f} sd"
    assert drawn(page, "neighbour 1").size > 0
    assert drawn(page, "changed").size == 0
    assert not page.changing.visible
    assert str(star) in page.legend.object
    page.neighbours[0].clicks += 1
    assert page.session.start.row == near[0].row


def test_a_file_that_is_none_leaves_the_start_alone(
    page: Page, fits_folder: Path
) -> None:
    before = page.session.start
    page.finder.receive("<b>.fits", b"hello")
    assert "&lt;b&gt;.fits: not a FITS file" in page.finder.message.object
    assert page.session.start == before
    path = sorted(fits_folder.glob("*.fits"))[0]
    page.finder.receive(path.name, path.read_bytes())
    assert f"Taken: {path.name}" in page.finder.message.object
    assert "your file" in page.subject.object


def test_it_says_that_it_is_busy_before_it_is(
    page: Page, fits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled: list[Callable[[], None]] = []
    monkeypatch.setattr(pn.state, "execute", lambda f, schedule: scheduled.append(f))
    path = sorted(fits_folder.glob("*.fits"))[0]
    page.finder.receive(path.name, path.read_bytes())
    assert f"Reading {path.name}" in page.finder.message.object
    scheduled.pop()()
    assert f"Taken: {path.name}" in page.finder.message.object
    assert "drawing" in page.busy.object
    scheduled.pop()()
    assert page.busy.object == ""
    assert not scheduled


def test_the_view_moves_by_buttons_and_lines(page: Page) -> None:
    wave = page.session.explorer.wave
    page.viewer.look_at(float(wave[0]), float(wave[-1]))
    page.viewer._move(0.0, 0.4)
    low, high = page.session.view
    assert high - low == pytest.approx(0.4 * (wave[-1] - wave[0]))
    page.viewer._move(0.5, 1.0)
    assert page.session.view.low == pytest.approx(0.5 * (low + high))
    line = next(line for line in LINES if wave[0] < line.wave < wave[-1])
    page.viewer.line.value = line.wave
    assert page.session.view.low < line.wave < page.session.view.high
    assert line.wave in page.figure._line_ticks.ticks
    page.viewer._show_pixels()
    assert (drawn(page, "changed").size) <= 200


def test_what_comes_from_files_is_escaped(page: Page) -> None:
    subject = page.session.start._replace(
        name="<script>alert(1)</script>", row=None, absence="<i>"
    )
    html = captions.describe_subject(page.session.explorer, subject)
    assert "<script>" not in html
    assert "<i>." not in html


def test_the_server_too_limits_a_file(page: Page) -> None:
    class Event:
        event_name = "upload_event"

        def __init__(self, chunk: int) -> None:
            self.data = {
                "name": "big.fits", "chunk": chunk, "total_chunks": 10**6,
                "data": b"x", "type": "",
            }  # fmt: skip

    for chunk in range(1, 3 * MAX_CHUNKS):
        page.finder.upload._process_event(Event(chunk))
        kept = page.finder.upload._file_buffer["big.fits"]
        assert len(kept) <= MAX_CHUNKS


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5},
        {"type": None},
        {"chunk": "1"},
        {"chunk": 2},
        {"total_chunks": None},
        {"data": "text"},
    ],
)
def test_what_is_no_piece_of_a_file_is_passed_over(change: dict[str, object]) -> None:
    received: list[str] = []
    field = build_upload(lambda name, _: received.append(name))
    piece = {"name": "a", "type": "", "chunk": 1, "total_chunks": 1, "data": b"a"}
    for data in (None, {**piece, **change}):
        field._process_event(UploadEvent(None, data))
    assert received == []
    field._process_event(UploadEvent(None, piece))
    assert received == ["a"]
