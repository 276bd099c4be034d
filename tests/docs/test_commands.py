"""Every command of README.md and docs/ is run, in order, on a small survey."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.cli.main import run_command
from stellar_tf.config import load_config
from tests.docs.pages import Code, list_blocks, list_pages, split_commands
from tests.docs.running import Runner
from tfrecords_tools.conversion.prepare import prepare_spectrum
from tfrecords_tools.readers import read_spectrum

PAGES = list_pages()

REPLACED = {
    # What is too long for a test.
    "--n-stars 2400": "--n-stars 40",
    "--workers 8": "--workers 1",
    '"training.n_steps": 600': '"training.n_steps": 2',
    # What the page does not write out.
    "[1034.5, 1031.0, null, ...]": json.dumps([None, *[1.0] * 999]),
    "[[0.0, 0.0, ...]]": "[[0.0, 0.0, 0.0, 0.0]]",
    '"shape": [1, 32], "data": [0.0, ...]': '"shape": [1, 4], "data": [0, 0, 0, 0]',
}
"""What a page has, and what stands in its place here."""

NOT_RUN = {
    "python3 -m venv": "installs",
    ". .venv/bin/activate": "installs",
    "stellar-tf download": "asks the live archive; its own tests ask one of theirs",
    "stellar-tf probe run": "needs more held-out stars than a survey of seconds has; "
    "tests/stellar_tf/report/test_probes.py runs it",
    "probes = st.probe(": "as above",
    "export TF_CONFIG=": "several machines; test_multiworker.py runs two processes",
    "stellar-tf fit /share/records": "as above",
    "#!/bin/bash\n#SBATCH": "a script for Slurm",
    "python scripts/build_emulator.py": "its input, a grid of spectra, is not shipped",
    "import tensorflow_datasets": "is no dependency; test_tfds.py reads its files",
    "docker run": "needs Docker and an image",
    "import lsdb": "is no dependency",
    "import pyvo": "asks Gaia and SIMBAD",
    "import astropy.units as u": "needs their answers; archive/test_how_to.py has some",
}
"""Beginnings of what cannot run here, with the reason."""


def code_of(page: str) -> list[Code]:
    """Commands, programs and files of settings of a page, in order."""
    found: list[Code] = []
    for block in list_blocks(page):
        if block.language == "sh":
            found += split_commands(block)
        elif block.language in ("python", "yaml"):
            found.append(block)
    return found


@pytest.fixture
def workplace(
    tmp_path: Path, small_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty folder to work in, but for what a reader brings, and a home."""
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("stellar_tf.config.files.SHIPPED", small_settings)
    monkeypatch.chdir(folder)
    assert run_command(["simulate", str(home / "harps")]) == 0
    truth = Table.read(home / "harps" / "truth.ecsv")
    truth["target", "teff", "mh"][::2].write(folder / "catalogue.csv")
    shutil.copy(min((home / "harps").glob("*.fits")), folder / "mine.fits")
    (folder / "fits").symlink_to(home / "harps")
    request = {"signature_name": "decode", "instances": [[0.0] * 4]}
    (folder / "request.json").write_text(json.dumps(request))
    # KServe reads the command line when it is imported.
    monkeypatch.setattr("sys.argv", ["reader"])
    return folder


def names_of_pages() -> dict[str, dict[str, object]]:
    """Spectra that pages speak of without reading them."""
    config = load_config("default")
    path = Path("mine.fits")
    read = read_spectrum(path)
    prepared = prepare_spectrum(path, config.grid, config.convert)
    other = {"other_wave": read.wave, "other_flux": read.flux}
    mine = {"wave": read.wave, "flux": read.flux}
    return {
        "docs/python.md": {**mine, "vacuum_wave": 1.0003 * read.wave},
        "docs/saved_model.md": mine,
        "docs/serving.md": {"flux": prepared.flux[np.newaxis], **other},
    }


@pytest.mark.usefixtures("workplace")
def test_every_command_runs() -> None:
    runner = Runner(REPLACED, names_of_pages())
    try:
        for page in PAGES:
            for code in code_of(page):
                if not why_not(code):
                    runner.run(code)
    finally:
        runner.stop()


def why_not(code: Code) -> str | None:
    if code.text.startswith("curl") and not shutil.which("curl"):
        return "there is no curl"
    reasons = (why for start, why in NOT_RUN.items() if code.text.startswith(start))
    return next(reasons, None)


@pytest.mark.parametrize("beginning", NOT_RUN)
def test_no_exception_is_stale(beginning: str) -> None:
    texts = [code.text for page in PAGES for code in code_of(page)]
    assert any(text.startswith(beginning) for text in texts)


@pytest.mark.parametrize("documented", REPLACED)
def test_nothing_is_replaced_that_is_not_there(documented: str) -> None:
    assert any(documented in code.text for page in PAGES for code in code_of(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_that_is_run(page: str) -> None:
    for block in list_blocks(page):
        directive = block.language.startswith("{")
        known = ("sh", "python", "yaml", "text", "json")
        assert directive or block.language in known, block
