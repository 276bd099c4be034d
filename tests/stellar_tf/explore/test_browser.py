"""The page in a real browser."""

from __future__ import annotations

import asyncio
import itertools
import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stellar_tf.explore.explorer import Explorer
from stellar_tf.explore.serve import build_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
]  # fmt: skip
MINUTE = 60_000.0
"""Longest wait for anything, for loaded machines [ms]."""
CURVES = """
() => {
  window.model = name => [...Bokeh.documents[0]._all_models.values()].find(
    model => model.name === name && model.data_source);
  window.curve = role => [...model(role).data_source.data.flux];
}
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def address(explorer: Explorer) -> Iterator[str]:
    """The server, on a thread of its own."""
    started: queue.Queue[Any] = queue.Queue()

    def serve() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        server = build_server(explorer, "127.0.0.1", 0)
        server.start()
        started.put(server)
        server.io_loop.start()
        server.stop()

    thread = threading.Thread(target=serve)
    thread.start()
    server = started.get(timeout=60.0)
    yield f"http://127.0.0.1:{server.port}/"
    server.io_loop.add_callback(server.io_loop.stop)
    thread.join(timeout=60.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(MINUTE)
    requested: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.locator(".noUi-handle").first.wait_for()
    page.wait_for_function("() => Bokeh.documents.length && Bokeh.documents[0].is_idle")
    page.evaluate(CURVES)
    yield page
    page.close()
    assert errors == []
    assert requested
    # A worker of the page's own script is a blob of this address.
    own = (address, f"blob:{address}", "data:")
    assert [url for url in requested if not url.startswith(own)] == []


def test_a_slider_moved_by_the_keyboard_changes_the_curve(page: Page) -> None:
    before = page.evaluate("curve('changed')")
    assert before == page.evaluate("curve('start')")
    handle = page.locator(".noUi-handle").first
    handle.focus()
    page.keyboard.press("End")
    page.wait_for_function("old => curve('changed').some((v, i) => v !== old[i])",
                           arg=before)  # fmt: skip
    difference = page.evaluate("curve('difference')")
    after = page.evaluate("curve('changed')")
    for a, b, c in zip(after, before, difference, strict=True):
        assert a - b == pytest.approx(c, abs=1e-5)
    page.get_by_role("button", name="Back to the start").press("Enter")
    page.wait_for_function("old => curve('changed').every((v, i) => v === old[i])",
                           arg=before)  # fmt: skip


def test_zoomed_in_the_page_has_every_pixel(page: Page, explorer: Explorer) -> None:
    page.get_by_role("button", name="Pixels").click()
    page.wait_for_function("() => curve('changed').length < 200")
    wave = page.evaluate("[...model('changed').data_source.data.wave]")
    step = explorer.config.grid.wave_step
    for left, right in itertools.pairwise(wave):
        assert right - left == pytest.approx(step, rel=1e-6)


def test_a_file_is_shown_and_compared_and_a_broken_one_told(
    page: Page, fits_folder: Path, tmp_path: Path
) -> None:
    page.get_by_text("What is like it?").click()
    page.wait_for_function("() => curve('neighbour 1').length > 0")
    path = sorted(fits_folder.glob("*.fits"))[7]
    old = page.evaluate("curve('neighbour 1')")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text(path.name.removesuffix(".fits")).first.wait_for()
    page.get_by_text("— your file").wait_for()
    page.wait_for_function("old => curve('neighbour 1').some((v, i) => v !== old[i])",
                           arg=old)  # fmt: skip
    assert page.evaluate("curve('residual')")
    broken = tmp_path / "broken.fits"
    broken.write_bytes(path.read_bytes()[:5000])
    page.locator("input[type=file]").set_input_files(broken)
    page.get_by_text("Not taken: broken.fits").wait_for()
    # The field does not say the contrary.
    page.locator('[data-filepond-item-state="processing-complete"]').wait_for()
    assert not page.get_by_text("Upload complete", exact=True).is_visible()
    assert page.get_by_text("— your file").is_visible()


def test_tabs_that_are_closed_during_an_upload_leave_the_others_alone(
    page: Page,
    browser: Browser,
    address: str,
    fits_folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    large = tmp_path / "large.fits"
    large.write_bytes(bytes(20_000_000))
    for _ in range(3):
        tab = browser.new_page()
        tab.set_default_timeout(MINUTE)
        with tab.expect_event("websocket") as opened:
            tab.goto(address)
        tab.locator(".noUi-handle").first.wait_for()
        with opened.value.expect_event(
            "framesent", lambda frame: len(frame) > 100_000, timeout=MINUTE
        ):
            tab.locator("input[type=file]").set_input_files(large)
        tab.close()
    page.locator("input[type=file]").set_input_files(
        sorted(fits_folder.glob("*.fits"))[6]
    )
    page.get_by_text("— your file").wait_for()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_click_in_the_plane_makes_another_start(page: Page) -> None:
    name = "strong"
    before = page.locator("#start").locator(name).inner_text()
    # The middle of the plane is where the crowd is, the corner where it is not.
    canvas = page.locator("#plane canvas").first.bounding_box()
    assert canvas is not None
    x, y = canvas["x"] + 0.6 * canvas["width"], canvas["y"] + 0.4 * canvas["height"]
    page.mouse.click(x, y)
    page.wait_for_function(
        "old => { const find = r => { for (const e of r.querySelectorAll('*')) {"
        " if (e.matches('strong')) return e;"
        " if (e.shadowRoot) { const f = find(e.shadowRoot); if (f) return f; } } };"
        " return find(document).innerText !== old; }",
        arg=before,
    )


def test_it_fits_a_phone(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.set_default_timeout(MINUTE)
    page.goto(address)
    page.locator(".noUi-handle").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for handle in page.locator(".noUi-handle").all():
        box = handle.bounding_box()
        assert box is not None
        assert 0.0 <= box["x"] <= box["x"] + box["width"] <= 390.0
    page.close()
