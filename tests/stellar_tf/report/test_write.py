from __future__ import annotations

import base64
import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.analysis.traversal import Traversal, traverse
from stellar_tf.config import AnalysisConfig
from stellar_tf.figures.dimensions import draw_importance
from stellar_tf.figures.spectra import Reconstructions
from stellar_tf.report.write import Provenance, write_report
from tests.stellar_tf.analysis.planted import plant_decoder, plant_latents

WAVE = 6200.0 + 0.04 * np.arange(8_192)
PROVENANCE = Provenance(
    version="0.1.0",
    run="runs/<demo>",
    manifest_sha256="ab" * 32,
    seed=0,
    splits=("train", "validation", "test"),
    created="2026-11-22T12:00:00+00:00",
    config="seed: 0  # a & b",
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
    return traversal, Reconstructions(wave, ("HD1", "HD2"), flux, model)


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
        provenance=PROVENANCE,
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
    }  # fmt: skip
    assert expected <= set(page.ids)
    assert len(page.figures) == 4 + 5 + 5 + 2
    assert len(page.ids) == len(set(page.ids))
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    assert links <= set(page.ids)


_PULLS = ("width_scale", "coverage_68", "coverage_95")


def test_numbers_are_those_of_the_tables(page: Page, result: AnalysisResult) -> None:
    cells = page.cells["table-verdict"]
    n_columns = len(cells) // result.n_latent
    rows = np.array(cells).reshape(result.n_latent, n_columns)
    table = result.verdict_table
    np.testing.assert_array_equal(rows[:, 0].astype(int), table["dimension"])
    np.testing.assert_array_equal(rows[:, 12].astype(float), table["information"])
    # Of the widths, with their intervals; error and width in the unit come last.
    pulls = [f"{n}{end}" for n in _PULLS for end in ("", "_low", "_high")]
    np.testing.assert_array_equal(
        rows[:, -len(pulls) - 2 : -2].astype(float),
        np.stack([table[name] for name in pulls], axis=1),
    )
    labels = page.cells["table-labels"]
    assert labels[3] == repr(float(result.label_table["mi"][0]))


def test_heat_map_holds_the_tables_values(page: Page, result: AnalysisResult) -> None:
    heat_map = next(f for f in page.figures if f["data"][0]["type"] == "heatmap")
    z = heat_map["data"][0]["z"]
    values = np.frombuffer(base64.b64decode(z["bdata"]), z["dtype"])
    assert sorted(values) == sorted(result.associations.mi.ravel())


def test_grounds_are_transparent_and_long_data_compact(page: Page) -> None:
    for figure in page.figures:
        assert figure["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
        for trace in figure["data"]:
            assert "bdata" in trace.get("y", {}) or len(trace.get("y", [])) < 200


def test_provenance_is_printed_and_escaped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for words in ("runs/&lt;demo&gt;", "ab" * 32, "seed: 0  # a &amp; b", "2026-11-22"):
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
