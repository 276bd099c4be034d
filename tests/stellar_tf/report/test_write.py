from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Page as Tab
from plotly.offline import get_plotlyjs

from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.analysis.traversal import Traversal, traverse
from stellar_tf.config import AnalysisConfig
from stellar_tf.figures.dimensions import draw_importance
from stellar_tf.figures.labels import MAX_POINTS
from stellar_tf.figures.spectra import Reconstructions
from stellar_tf.report.write import Provenance, write_report
from tests.stellar_tf.analysis.planted import plant_decoder, plant_latents
from tests.stellar_tf.report.test_precision import PRECISION

WAVE = 6200.0 + 0.04 * np.arange(8_192)
PROVENANCE = Provenance(
    version="0.1.0",
    commit="c0" * 20,
    run="runs/<demo>",
    manifest_sha256="ab" * 32,
    seed=0,
    splits=("train", "validation", "test"),
    created="2026-11-22T12:00:00+00:00",
    config="seed: 0  # a & b",
)
PROBES = Table(
    {
        "label": ["teff", "teff", "rv", "rv"],
        "unit": ["K", "K", "km/s", "km/s"],
        "features": ["latents", "network"] * 2,
        "method": ["ridge", "network"] * 2,
        "n_labelled": [100] * 4,
        "n_draws": [10, 3] * 2,
        "n_held_out": [50] * 4,
        "spread": [500.0, 500.0, 20.0, 20.0],
        "mad": [100.0, 120.5, 0.25, 2.0],
        "mad_low": [90.0, 110.0, 0.2, 1.0],
        "mad_high": [110.0, 130.0, 0.3, 3.0],
        "r2": [0.95, 0.93, 0.99, 0.5],
        "r2_low": [0.94, 0.92, 0.98, 0.4],
        "r2_high": [0.96, 0.94, 0.995, 0.6],
    }
)
HISTORY = Table(
    {
        "step": [10, 20, 30],
        "flux_mae": [0.3, 0.2, 0.1],
        "kl": [1.0, 2.0, 3.0],
        "val_flux_mae": [0.3, 0.25, 0.2],
        "val_kl": [1.0, 1.5, 2.0],
        "val_loss": [3.0, 1.0, 2.0],
    }
)


def make_spectra(
    result: AnalysisResult, wave: np.ndarray
) -> tuple[Traversal, Reconstructions]:
    z_mean = np.asarray(result.stars["z_mean"])
    decode = plant_decoder(wave)
    traversal = traverse(decode, wave, z_mean, result.verdict.dimensions, n=7)
    model = decode(z_mean[:2]).astype(np.float32)
    flux = model + 0.01
    flux[:, 100:200] = np.nan
    rv = np.array([100.0, np.nan], np.float32)
    return traversal, Reconstructions(wave, ("HD1", "HD2"), flux, model, rv)


class Page(HTMLParser):
    """Identifiers, addresses, cells and figures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.cells: dict[str, list[str]] = {}
        self.figures: list[dict[str, Any]] = []
        self._table = ""
        self._is_json = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [found[key] for key in ("src", "href") if key in found]
        if tag == "table":
            self._table = found["id"]
            self.cells[self._table] = []
        if tag == "td":
            self.cells[self._table].append(found["data-value"])
        self._is_json = tag == "script" and found.get("type") == "application/json"

    def handle_data(self, data: str) -> None:
        if self._is_json:
            self.figures.append(json.loads(data))
            self._is_json = False


@pytest.fixture(scope="module")
def path(result: AnalysisResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    traversals, reconstructions = make_spectra(result, WAVE)
    write_report(
        result, path, traversals=traversals, reconstructions=reconstructions,
        provenance=PROVENANCE, history=HISTORY, probes=PROBES, precision=PRECISION,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_needs_no_network(path: Path, page: Page) -> None:
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    ours = path.read_text(encoding="utf-8").replace(get_plotlyjs(), "")
    assert not re.search(r"https?://|@import|url\(", ours)
    assert path.stat().st_size < 12e6


def test_has_every_figure_and_links_lead_somewhere(page: Page) -> None:
    expected = {
        "dimensions", "associations", "leakage", "importance", "pair-0-rv",
        "pair-3-teff", "traversal-0", "traversal-9", "reconstruction-0",
        "reconstruction-1", "pair-3-spectral_type", "unexplained", "unusual",
        "corner", "training", "fit", "probes", "probes-curves",
        "precision-rv", "precision-mh",
    }  # fmt: skip
    assert expected <= set(page.ids)
    assert len(page.figures) == 7 + 5 + 5 + 2 + 2
    assert len(page.ids) == len(set(page.ids))
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    assert links <= set(page.ids)


def test_probes_are_shown_where_there_are_some(path: Path, page: Page) -> None:
    text = path.read_text(encoding="utf-8")
    assert (
        "teff: 100 labelled stars with frozen latents (ridge, MAD 100 K) do as well as "
        "100 with a network trained on them (MAD 120 K)."
    ) in text
    cells = page.cells["table-probes"]
    n_columns = len(cells) // len(PROBES)
    found = np.array(cells).reshape(len(PROBES), n_columns)[:, 5:11].astype(float)
    columns = [
        f"{name}{end}" for name in ("mad", "r2") for end in ("", "_low", "_high")
    ]
    np.testing.assert_array_equal(found, np.stack([PROBES[n] for n in columns], axis=1))


_PULLS = ("width_scale", "coverage_68", "coverage_95")


def test_numbers_are_those_of_the_tables(page: Page, result: AnalysisResult) -> None:
    cells = page.cells["table-verdict"]
    n_columns = len(cells) // result.n_latent
    rows = np.array(cells).reshape(result.n_latent, n_columns)
    table = result.verdict_table
    np.testing.assert_array_equal(rows[:, 0].astype(int), table["dimension"])
    np.testing.assert_array_equal(rows[:, 12].astype(float), table["information"])
    # Of the widths, after the label, with intervals; error and width in the unit last.
    pulls = [f"{n}{end}" for n in _PULLS for end in ("", "_low", "_high")]
    widths = np.array(page.cells["table-widths"]).reshape(result.n_latent, -1)
    np.testing.assert_array_equal(
        widths[:, 2:-2].astype(float),
        np.stack([table[name] for name in pulls], axis=1),
    )
    labels = page.cells["table-labels"]
    assert labels[3] == repr(float(result.label_table["mi"][0]))


def test_heat_map_holds_the_tables_values(page: Page, result: AnalysisResult) -> None:
    heat_map = next(f for f in page.figures if f["data"][0]["type"] == "heatmap")
    shown = [float(text) for row in heat_map["data"][0]["hovertext"] for text in row]
    values = np.sort(result.associations.mi.ravel())
    np.testing.assert_allclose(np.sort(shown), values, atol=5e-5)
    z = heat_map["data"][0]["z"]
    painted = np.frombuffer(base64.b64decode(z["bdata"]), z["dtype"])
    table = result.association_table
    significant = table["mi"][table["significant"]]
    assert sorted(painted[painted > 0.0]) == sorted(significant)


def test_dimensions_have_one_order_everywhere(
    page: Page, result: AnalysisResult
) -> None:
    order = [int(d) for d in result.verdict_table["dimension"]]
    order = [d for d in order if d in result.verdict.dimensions]
    assert order != sorted(order)
    widths = [name for name in page.ids if name.startswith("precision-")]
    assert widths == ["precision-rv", "precision-mh"]  # no dimension tracks mh
    drawn = [name for name in page.ids if name.startswith("traversal-")]
    assert drawn == [f"traversal-{d}" for d in order]
    moving = [int(cell) for cell in page.cells["table-moving_wavelengths"][::5]]
    assert list(dict.fromkeys(moving)) == order
    for figure in page.figures:
        if figure["data"][0]["type"] == "heatmap":
            assert figure["data"][0]["y"] == [f"z{d}" for d in order]


def test_held_out_stars_hide_none_and_are_named(page: Page) -> None:
    scatters = [f for f in page.figures if f["data"][-1].get("name") == "held out"]
    assert scatters
    for figure in scatters:
        # No more than the text says, of a few at once.
        assert len(figure["data"][0]["text"]) <= MAX_POINTS["analysed"]
        assert len(figure["data"][-1]["text"]) <= MAX_POINTS["held out"]
        analysed, held_out = figure["data"]
        assert analysed["marker"]["symbol"] == "circle"
        assert held_out["marker"]["symbol"] == "diamond-open"
        assert held_out["text"][0].startswith("HD")
        label = figure["layout"]["xaxis"]["title"]["text"].split()[0]
        dimension = figure["layout"]["yaxis"]["title"]["text"]
        for name in ("%{text}", label, dimension):
            assert name in held_out["hovertemplate"]


def test_grounds_are_transparent_and_long_data_compact(page: Page) -> None:
    for figure in page.figures:
        assert figure["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
        for trace in figure["data"]:
            assert "bdata" in trace.get("y", {}) or len(trace.get("y", [])) < 200


def test_provenance_is_printed_and_escaped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for words in (
        "runs/&lt;demo&gt;",
        "ab" * 32,
        "c0" * 20,
        "seed: 0  # a &amp; b",
        "2026-11-22",
    ):
        assert words in text


def test_full_grid_stays_small(result: AnalysisResult, tmp_path: Path) -> None:
    wave = 3785.0 + 0.01 * np.arange(312_501)
    traversals, reconstructions = make_spectra(result, wave)
    path = tmp_path / "report.html"
    write_report(
        result, path, traversals=traversals, reconstructions=reconstructions,
        provenance=PROVENANCE,
    )  # fmt: skip
    assert path.stat().st_size < 12e6


def test_the_bound_is_explained_where_there_is_one(
    path: Path, result: AnalysisResult, tmp_path: Path
) -> None:
    def tell(path: Path) -> str:
        return " ".join(path.read_text(encoding="utf-8").split())

    assert "per held-out spectrum. Orange diamonds are the Cramér–Rao bound" in tell(
        path
    )
    assert "follows one label alone.) The widths are what visits" in tell(path)
    traversals, reconstructions = make_spectra(result, WAVE[:500])
    without = tmp_path / "report.html"
    write_report(
        result, without, traversals=traversals, reconstructions=reconstructions,
        provenance=PROVENANCE, precision=PRECISION[3:],
    )  # fmt: skip
    assert "per held-out spectrum. The widths are what visits" in tell(without)
    assert "Cramér–Rao" not in tell(without)


def test_nothing_informative_still_makes_a_page(tmp_path: Path) -> None:
    latents = plant_latents(n_stars=100)
    latents["z_mean"] = np.zeros(latents["z_mean"].shape)
    latents["z_log_var"] = np.zeros(latents["z_mean"].shape)
    config = AnalysisConfig(n_resamples=20, n_permutations=100)
    result = analyze(latents, config, labels=["rv"])
    traversals, reconstructions = make_spectra(result, WAVE[:500])
    path = tmp_path / "report.html"
    write_report(
        result, path, traversals=traversals, reconstructions=reconstructions,
        provenance=replace(PROVENANCE, manifest_sha256=""),
    )  # fmt: skip
    page = Page(path.read_text(encoding="utf-8"))
    assert "0 of 12 latent dimensions are independently informative" in path.read_text(
        "utf-8"
    )
    assert len(page.figures) == 3
    with pytest.raises(ValueError, match="must have disentanglement scores, got none"):
        draw_importance(result)


def test_a_browser_draws_every_figure(
    chromium: str, path: Path, page: Page, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-sync",
            f"--user-data-dir={tmp_path}", "--window-size=1280,20000",
            "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.count('class="plot js-plotly-plot"') == len(page.figures)
    assert "Uncaught" not in done.stderr


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


def visit(browser: Browser, path: Path, width: int) -> Tab:
    """Open the report in the dark, and wait until all of it is drawn."""
    tab = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark", offline=True
    )
    tab.on("pageerror", lambda error: pytest.fail(str(error)))
    tab.set_default_timeout(180_000)  # the machine may be busy with other tests
    tab.goto(path.as_uri())
    tab.wait_for_function(
        """() => [...document.querySelectorAll(".plot")].every(
            (plot) => plot.layout && plot.layout.font.color)"""
    )
    return tab


def list_wide(tab: Tab) -> list[str]:
    """Return what stands out at the right of the page and of no box that scrolls."""
    return tab.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((e) =>
            !e.closest(".scroll > *") &&
            e.getBoundingClientRect().right > innerWidth + 1
        ).map((e) => e.outerHTML.slice(0, 80))"""
    )


@pytest.mark.parametrize("width", [1100, 390])
def test_what_is_cut_says_that_it_scrolls(
    browser: Browser, path: Path, width: int
) -> None:
    tab = visit(browser, path, width)
    assert list_wide(tab) == []
    boxes = tab.evaluate(
        """() => [...document.querySelectorAll(".scroll")].map((box) => [
            box.scrollWidth > box.clientWidth + 1,
            getComputedStyle(box, "::before").content.includes("scroll sideways"),
            box.tabIndex,
            (box.ariaLabel || box.firstElementChild.ariaLabel).length])"""
    )
    assert any(is_cut for is_cut, *_ in boxes)
    for is_cut, says_so, tab_index, length in boxes:
        assert says_so == is_cut, boxes
        # By keys, too, and by name.
        assert tab_index == 0
        assert length > 0
    tab.close()


def test_a_print_is_dark_on_white_and_whole(browser: Browser, path: Path) -> None:
    tab = visit(browser, path, 1100)
    tab.evaluate(
        """() => addEventListener("beforeprint", () => {
            window.printed = [...document.querySelectorAll(".plot")].map((plot) => [
                plot.layout.font.color,
                plot.querySelector(".main-svg").getBoundingClientRect().width]);
        })"""
    )
    ink = "getComputedStyle(document.body).getPropertyValue('--ink').trim()"
    dark = tab.evaluate(ink)
    assert tab.pdf(format="A4").startswith(b"%PDF")
    printed = tab.evaluate("window.printed")
    assert printed
    assert {colour for colour, _ in printed} == {"#1a1c20"} != {dark}
    assert max(width for _, width in printed) <= 660
    # Back on the screen as before.
    assert tab.evaluate(ink) == dark
    fonts = "[...document.querySelectorAll('.plot')].map((p) => p.layout.font.color)"
    assert set(tab.evaluate(fonts)) == {dark}
    # The same layout, where it can be measured.
    tab.set_viewport_size({"width": 680, "height": 900})
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 680
    cut = """() => [...document.querySelectorAll("td, th, .main-svg")].filter(
        (e) => e.getBoundingClientRect().right > 680).length"""
    assert tab.evaluate(cut) == 0
    breaks = "(e) => getComputedStyle(e).breakInside"
    for kept_whole in ("figure", "tr", "p", ".facts"):
        assert tab.locator(kept_whole).first.evaluate(breaks) == "avoid"
    assert tab.locator("table").first.evaluate(breaks) == "auto"
    after = "(e) => getComputedStyle(e).breakAfter"
    for with_the_next in ("#informative > p", "#labels > p", "#unusual > p", "h2"):
        assert tab.locator(with_the_next).first.evaluate(after) == "avoid"
    tab.close()


def test_a_print_has_what_is_folded_on_the_screen(browser: Browser, path: Path) -> None:
    tab = visit(browser, path, 680)
    is_open = "[...document.querySelectorAll('details')].map((box) => box.open)"
    before = tab.evaluate(is_open)
    assert not all(before)
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(tab.evaluate(is_open))
    # The longest table is not below 7 pt, and what a mouse does is not told.
    size = "(e) => parseFloat(getComputedStyle(e).fontSize)"
    assert tab.locator("#table-verdict td").first.evaluate(size) * 72 / 96 > 6.9
    for told in tab.get_by_text("Tap the title").or_(tab.get_by_text("Drag")).all():
        assert not told.is_visible()
    # Chromium leaves buttons out where it repeats the head of a table.
    shown = "(e) => getComputedStyle(e).display"
    assert tab.locator("th button").first.evaluate(shown) == "contents"
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate(is_open) == before
    tab.close()


def test_wide_figures_have_their_room_in_print(browser: Browser, path: Path) -> None:
    tab = visit(browser, path, 680)
    tab.evaluate(
        "document.querySelector('#associations .plot').style.minWidth = '1056px'"
    )
    heat_map = tab.locator("#associations .plot")
    size = "(e) => e.querySelector('.main-svg').getBoundingClientRect().height"
    on_screen = heat_map.evaluate(size)
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert heat_map.evaluate("(e) => e.layout.width") >= 1056
    assert heat_map.evaluate("(e) => e.getBoundingClientRect().width") <= 661
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    tab.emulate_media(media="screen")
    assert heat_map.evaluate(size) == on_screen
    tab.close()
