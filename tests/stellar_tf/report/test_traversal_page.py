"""The page of sliders, as it is written and as a browser shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from plotly.offline import get_plotlyjs

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.dimensions import Dimension, describe_dimensions
from stellar_tf.analysis.labels.units import UnitMap, name_label
from stellar_tf.analysis.traversal import Traversal, local_percentiles, traverse
from stellar_tf.report.traversal_page import (
    PageFacts,
    describe_dimension,
    write_traversal_page,
)
from stellar_tf.report.traversal_panels import N_WINDOWS, choose_pixels
from tests.stellar_tf.analysis.planted import (
    INFORMATIVE,
    RV,
    TEFF,
    UNEXPLAINED,
    plant_decoder,
)

WAVE = 6200.0 + 0.04 * np.arange(4_096)
FACTS = PageFacts("0.1.0", "a <run>", 12, 400, "2026-11-25")
N_STEPS = 21


def choose_dimensions(result: AnalysisResult) -> list[Dimension]:
    return [d for d in describe_dimensions(result.verdict_table) if d.informative]


def list_maps(result: AnalysisResult) -> dict[int, UnitMap]:
    return {found.dimension: found for found in result.unit_maps}


def travel(result: AnalysisResult, wave: np.ndarray) -> Traversal:
    return traverse(
        plant_decoder(wave),
        wave,
        np.asarray(result.stars["z_mean"]),
        [d.index for d in choose_dimensions(result)],
        n=N_STEPS,
        through_median=True,
    )


def write(result: AnalysisResult, traversal: Traversal, path: Path) -> None:
    dimensions, stars = choose_dimensions(result), result.stars
    percentiles = [
        local_percentiles(
            stars["z_mean"][:, d.index], np.asarray(stars["rv"]), positions
        )
        if d.tracks == "rv"
        else np.full((N_STEPS, 3), np.nan)
        for d, positions in zip(dimensions, traversal.positions, strict=True)
    ]
    write_traversal_page(
        path, traversal, dimensions, percentiles, list_maps(result), FACTS
    )


@pytest.fixture(scope="module")
def traversal(result: AnalysisResult) -> Traversal:
    return travel(result, WAVE)


@pytest.fixture(scope="module")
def path(
    result: AnalysisResult,
    traversal: Traversal,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write(result, traversal, path)
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


def visit(browser: Browser, path: Path, **options: object) -> Page:
    """Open the page without network; any error of its script fails the test."""
    page = browser.new_context(offline=True, **options).new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("request", lambda request: allow(request.url))
    page.set_default_timeout(180_000)  # the machine may be busy with other tests
    page.goto(path.as_uri())
    page.wait_for_selector("#spectra .main-svg")
    return page


def allow(url: str) -> None:
    assert url.startswith(("file:", "data:")), url


def curve(page: Page, trace: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what is drawn: wavelengths and values, NaN in gaps."""
    script = """trace => {
        const {x, y} = document.getElementById("spectra").data[trace];
        return [Array.from(x), Array.from(y, v => Number.isNaN(v) ? null : v)];
    }"""
    x, y = page.evaluate(script, trace)
    return np.array(x), np.array(y, np.float64)


def test_needs_no_network_and_escapes_names(path: Path) -> None:
    ours = path.read_text(encoding="utf-8").replace(get_plotlyjs(), "")
    assert "a &lt;run&gt;" in ours
    assert not re.search(r"https?://|@import|url\(", ours)
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", ours)


def test_sliders_are_named_by_what_they_track(
    browser: Browser, path: Path, result: AnalysisResult
) -> None:
    page = visit(browser, path)
    labels = page.locator(".control label strong").all_inner_texts()
    expected = [
        name_label(d.tracks)[0] or "no label given" for d in choose_dimensions(result)
    ]
    assert labels == expected
    assert set(labels) >= {"radial velocity", "T_eff", "no label given"}
    teff = next(d for d in choose_dimensions(result) if d.index == TEFF)
    note = page.locator(f"#note-{TEFF}").inner_text()
    assert note == describe_dimension(teff, list_maps(result).get(TEFF))
    assert note.startswith(f"MI {teff.tracks_mi:.2f} nat with T_eff, Spearman \u2212")
    quality = list_maps(result)[RV].describe_quality()
    assert page.locator(f"#note-{RV}").inner_text().endswith(f"; {quality}")
    assert ";" not in page.locator(f"#note-{UNEXPLAINED}").inner_text()
    assert "no significant" in page.locator(f"#note-{UNEXPLAINED}").inner_text()
    page.context.close()


def test_a_slider_moved_by_keys_redraws_the_spectrum(
    browser: Browser, path: Path, traversal: Traversal, result: AnalysisResult
) -> None:
    page = visit(browser, path)
    middle, maps = N_STEPS // 2, list_maps(result)
    assert RV in maps
    for index, key, step in (
        (TEFF, "End", N_STEPS - 1), (TEFF, "ArrowLeft", N_STEPS - 2),
        (RV, "Home", 0), (RV, "ArrowRight", 1),
    ):  # fmt: skip
        page.locator(f"#slider-{index}").focus()
        page.keyboard.press(key)
        row = traversal.dimensions.tolist().index(index)
        wave, flux = curve(page, 1)
        np.testing.assert_allclose(wave, WAVE)
        np.testing.assert_allclose(flux, traversal.flux[row, step], atol=5e-5)
        expected = traversal.flux[row, step] - traversal.flux[row, middle]
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(curve(page, 2)[1], expected, atol=5e-5)
        np.testing.assert_allclose(
            curve(page, 0)[1], traversal.flux[row, middle], atol=5e-5
        )
        words = page.locator("#active-words").inner_text()
        z = traversal.positions[row, step]
        assert words.startswith(f"z{index} = {z:+.2f}")
        assert ("radial velocity here" in words) == (index == RV)
        if index in maps:
            meaning = maps[index].describe(float(z)).replace(" -", " \u2212")
            assert words.split(";")[0].endswith(f": {meaning}")
    # The one that moved before rests again at the median star.
    assert page.locator(f"#slider-{TEFF}").input_value() == str(middle)
    page.locator("#reset").click()
    assert page.locator(f"#slider-{RV}").input_value() == str(middle)
    assert not curve(page, 2)[1].any()
    page.context.close()


def test_play_moves_the_slider_until_it_is_stopped(
    browser: Browser, path: Path
) -> None:
    page = visit(browser, path)
    play = page.locator("#play")
    play.click()
    page.wait_for_function(
        "value => document.querySelector('.control.active input').value !== value",
        arg=str(N_STEPS // 2),
    )
    play.click()
    assert play.get_attribute("aria-pressed") == "false"
    page.context.close()


def test_windows_move_the_axes_to_where_it_changes(
    browser: Browser, path: Path, traversal: Traversal
) -> None:
    page = visit(browser, path)
    page.locator(f"#slider-{RV}").focus()
    row = traversal.dimensions.tolist().index(RV)
    _, windows = choose_pixels(traversal, row)
    buttons = page.locator("#windows button")
    assert buttons.count() == N_WINDOWS + 1
    for number, window in enumerate(windows):
        buttons.nth(number).click()
        low, high = page.evaluate(
            "document.getElementById('spectra').layout.xaxis.range"
        )
        np.testing.assert_allclose([low, high], WAVE[[window.start, window.stop - 1]])
        bottom, top = page.evaluate(
            "document.getElementById('spectra').layout.yaxis.range"
        )
        seen = traversal.flux[row][:, window]
        assert bottom < seen.min() < seen.max() < top
        assert buttons.nth(number).get_attribute("aria-pressed") == "true"
    page.context.close()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        *((390, "dark"), (1200, "light")),
        pytest.param(390, "light", marks=pytest.mark.slow),
        pytest.param(1200, "dark", marks=pytest.mark.slow),
    ],
)
def test_fits_its_screen_and_colours(
    browser: Browser, path: Path, width: int, scheme: str
) -> None:
    viewport = {"width": width, "height": 800}
    page = visit(browser, path, viewport=viewport, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 22, 26)")
    ink = page.evaluate("document.getElementById('spectra').layout.font.color")
    assert ink == ("#1a1c20" if scheme == "light" else "#e8eaee")
    last = page.locator(".control input").last
    last.focus()
    # The curve stays in sight while the last of the sliders moves.
    box = page.locator("#spectra").bounding_box()
    assert box is not None
    assert box["y"] >= 0.0
    assert box["y"] + box["height"] <= 800.0
    page.context.close()


def test_at_full_size_the_stretches_that_change_most_are_kept(
    result: AnalysisResult, tmp_path: Path
) -> None:
    wave = 3785.0 + 0.01 * np.arange(312_501)
    change = np.exp(-0.5 * ((wave - np.array([[4500.0], [6100.0]])) / 3.0) ** 2).sum(0)
    planted = travel(result, wave[:2])
    flux = 1.0 - planted.positions[..., np.newaxis] * change
    traversal = planted._replace(wave=wave, flux=flux.astype(np.float32))
    path = tmp_path / "page.html"
    write(result, traversal, path)
    assert path.stat().st_size < 12e6
    pixels, windows = choose_pixels(traversal, 0)
    assert np.count_nonzero(pixels == -1) == N_WINDOWS - 1
    assert all(set(range(w.start, w.stop)) <= set(pixels) for w in windows)
    middles = sorted(wave[(w.start + w.stop) // 2] for w in windows[:2])
    np.testing.assert_allclose(middles, [4500.0, 6100.0], atol=8.0)


def test_panel_is_plain_json(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    panels = re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)
    assert len(panels) == len(INFORMATIVE)
    for panel in panels:
        found = json.loads(panel, parse_constant=pytest.fail)
        assert len(found["positions"]) == len(found["words"]) == N_STEPS
