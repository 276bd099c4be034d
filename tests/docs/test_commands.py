"""Every command of README.md and docs/ is run, in order, on a small survey."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from astropy.table import Table

from stellar_tf.cli.main import run_command
from tests.docs.pages import Code, list_blocks, list_pages, split_commands
from tests.docs.running import Runner, options

PAGES = list_pages()

SHORTER = {"--n-stars 2400": "--n-stars 40", "--workers 8": "--workers 1"}
"""What is too long for a test, and what it is replaced by."""

NOT_RUN = {
    "python3 -m venv": "installs",
    ". .venv/bin/activate": "installs",
    "stellar-tf download": "asks the live archive; its own tests ask one of theirs",
    "export TF_CONFIG=": "several machines; test_multiworker.py runs two processes",
    "stellar-tf fit /share/records": "as above",
    "#!/bin/bash\n#SBATCH": "a script for Slurm",
    "python scripts/build_emulator.py": "its input, a grid of spectra, is not shipped",
    "import tensorflow_datasets": "is no dependency; test_tfds.py reads its files",
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
    monkeypatch.setattr("stellar_tf.config.SHIPPED", small_settings)
    monkeypatch.chdir(folder)
    assert run_command(["simulate", str(home / "harps")]) == 0
    truth = Table.read(home / "harps" / "truth.ecsv")
    truth["target", "teff", "mh"][::2].write(folder / "catalogue.csv")
    shutil.copy(min((home / "harps").glob("*.fits")), folder / "mine.fits")
    (folder / "fits").symlink_to(home / "harps")
    return folder


@pytest.mark.usefixtures("workplace")
def test_every_command_runs() -> None:
    runner = Runner(SHORTER)
    try:
        for page in PAGES:
            for code in code_of(page):
                if not why_not(code) and not is_awaited(code):
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


@pytest.mark.parametrize("long", SHORTER)
def test_nothing_is_shortened_that_is_not_there(long: str) -> None:
    assert any(long in code.text for page in PAGES for code in code_of(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_that_is_run(page: str) -> None:
    for block in list_blocks(page):
        directive = block.language.startswith("{")
        known = ("sh", "python", "yaml", "text", "json")
        assert directive or block.language in known, block


AWAITED = {"explore"}
"""Commands that are on their way: they are run once they are there."""


def is_awaited(code: Code) -> bool:
    return bool(set(code.text.split()) & AWAITED - set(options()))
