"""Only short functions make do with a docstring of one line."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 3
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXCLUDED = re.compile("|".join(SETTINGS["tool"]["numpydoc_validation"]["exclude"]))
SOURCES = [
    path
    for package in ("tfrecords_tools", "stellar_tf")
    for path in sorted((ROOT / package).rglob("*.py"))
]


def functions(tree: ast.Module, module: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{module}.{node.name}" if isinstance(node, ast.ClassDef) else module
        for function in inner:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}.{function.name}", function


def has_sections_to_write(function: ast.FunctionDef) -> bool:
    given = [a for a in ast.walk(function.args) if isinstance(a, ast.arg)]
    takes = {a.arg for a in given} - {"self", "cls"}
    returns = ast.unparse(function.returns) if function.returns else "None"
    is_property = any("property" in ast.unparse(d) for d in function.decorator_list)
    return bool(takes) or (returns != "None" and not is_property)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_function_of_more_lines_has_a_full_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for name, function in functions(tree, module):
        docstring = ast.get_docstring(function)
        if docstring is None or "\n" in docstring or EXCLUDED.search(name):
            continue
        n_lines = int(function.end_lineno or 0) - int(function.body[0].end_lineno or 0)
        if has_sections_to_write(function):
            assert n_lines <= MAX_LINES, f"{name}: describe its parameters and returns"
