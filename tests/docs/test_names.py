"""Files, functions and tests that the pages name exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import stellar_tf as st
from tests.docs.pages import ROOT, Code, list_inline, list_links, list_pages

PAGES = list_pages()
MAP = "docs/paper_map.md"


def definitions(path: Path) -> set[str]:
    """Dotted names of what a module defines at its top, or in its classes."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
            inner = node.body if isinstance(node, ast.ClassDef) else []
            found |= {
                f"{node.name}.{part.name}"
                for part in inner
                if isinstance(part, ast.FunctionDef)
            }
    return found


def is_defined(dotted: str) -> bool:
    """Whether a name is a module, a package, or what one of them defines."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:n])
        module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if module.is_file():
            rest = ".".join(parts[n:])
            return not rest or rest in definitions(module)
    return False


def rows_of_map() -> list[tuple[str, str]]:
    """Function and test of each row."""
    text = (ROOT / MAP).read_text(encoding="utf-8")
    row = re.compile(r"\| `([\w.]+)` \| `(tests/[\w/]+\.py::\w+)` \|$", re.MULTILINE)
    return row.findall(text)


def test_every_row_of_the_map_is_understood() -> None:
    text = (ROOT / MAP).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    heads = [line for line in rows if line.startswith("|---")]
    assert len(rows_of_map()) == len(rows) - 2 * len(heads)
    assert len(heads) >= 5


@pytest.mark.parametrize(("function", "test"), rows_of_map())
def test_functions_and_tests_of_the_map_exist(function: str, test: str) -> None:
    assert is_defined(function), function
    file, name = test.split("::")
    assert (ROOT / file).is_file(), file
    assert name in definitions(ROOT / file), test


@pytest.mark.parametrize(
    "missing",
    [
        "stellar_tf.network.model.build_encoders",
        "stellar_tf.models",
        "stellar_tf.grid.Grid",
    ],
)
def test_a_name_that_is_gone_is_noticed(missing: str) -> None:
    assert not is_defined(missing)


def inline_of_all_pages() -> list[Code]:
    return [code for page in PAGES for code in list_inline(page)]


def test_names_of_our_code_are_defined() -> None:
    for code in inline_of_all_pages():
        if re.fullmatch(r"(stellar_tf|tfrecords_tools)(\.\w+)+", code.text):
            assert is_defined(code.text), code


def test_the_api_page_has_every_public_name() -> None:
    lines = (ROOT / "docs/api.md").read_text(encoding="utf-8").splitlines()
    assert {f"~stellar_tf.{name}" for name in st.__all__} <= set(map(str.strip, lines))


FOLDERS = "benchmarks|configs|docs|scripts|stellar_tf|tests|tfrecords_tools"


def test_files_of_ours_exist() -> None:
    path = re.compile(rf"(?:python )?((?:{FOLDERS})/[\w./]*)")
    for code in inline_of_all_pages():
        found = path.match(code.text)
        if found and not found[1].endswith(("build/html", "...")):
            assert (ROOT / found[1]).exists(), code


def test_options_of_the_benchmarks_exist() -> None:
    for code in inline_of_all_pages():
        script = re.match(r"python ((?:benchmarks|scripts)/\w+\.py)", code.text)
        if script:
            source = (ROOT / script[1]).read_text(encoding="utf-8")
            for option in re.findall(r"--[\w-]+", code.text):
                assert f'"{option}"' in source, code


def test_links_of_the_readme_lead_somewhere() -> None:
    """Those of docs/ are checked when they are built."""
    local = [link for link in list_links("README.md") if "://" not in link.text]
    assert local
    for link in local:
        assert (ROOT / link.text.partition("#")[0]).exists(), link
