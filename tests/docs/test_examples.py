"""The examples in docstrings do what they say, in a folder with what they name."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

import stellar_tf as st
from stellar_tf.config import load_config, write_config
from tests.docs.pages import ROOT
from tests.stellar_tf.conftest import SMALL

SPLIT = "convert.split={train: 0.5, validation: 0.15, test: 0.35}"
"""With as many held-out stars as a probe needs."""
PACKAGES = ("stellar_tf", "tfrecords_tools")


def list_modules() -> Iterator[str]:
    """Those with a prompt in their text; to import all of them would take long."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(parts).removesuffix(".__init__")


def list_examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(name) for name in list_modules()]
    return [test for module in modules for test in finder.find(module) if test.examples]


EXAMPLES = list_examples()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated survey, its records, a run that was analysed, and an export."""
    folder = tmp_path_factory.mktemp("examples")
    config = load_config(None, [*SMALL, SPLIT])
    write_config(config, folder / "small.yaml")
    with chdir(folder):
        st.simulate("fits", config=config, seed=1)
        st.convert("fits", "records", labels="fits/truth.ecsv", config=config)
        st.fit("records", "run", config=config)
        st.encode("run", "records", out="run/latents.parquet")
        st.analyze("run", save=True)
        st.export("run", "models/small")
    return folder


@pytest.fixture(scope="module")
def names(workplace: Path) -> dict[str, object]:
    """What examples use without making it."""
    path = min((workplace / "fits").glob("*.fits"))
    spectrum = st.read_spectrum(path)
    return {
        "Path": Path,
        "np": np,
        "st": st,
        "wave": spectrum.wave,
        "flux": spectrum.flux,
    }


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 15
    assert {example.name.split(".")[0] for example in EXAMPLES} == set(PACKAGES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(
    example: doctest.DocTest, workplace: Path, names: dict[str, object]
) -> None:
    # What the module has imported for itself, a reader has not.
    example.globs = dict(names)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    with chdir(workplace):
        failed, _ = runner.run(example, out=said.append)
    assert not failed, "".join(said)
