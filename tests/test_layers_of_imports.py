"""Imports go one way: each package uses only what stands before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A package may import from earlier rows and from itself; a row's packages stand side
# by side. The modules of a top folder that are no package are its ground floor.
LAYERS = (
    ("tfrecords_tools",),
    ("tfrecords_tools.readers", "tfrecords_tools.records"),
    ("tfrecords_tools.labels",),
    ("tfrecords_tools.conversion",),
    ("stellar_tf",),
    ("stellar_tf.config", "stellar_tf.parts"),
    (
        *("stellar_tf.run", "stellar_tf.tables", "stellar_tf.history"),
        *("stellar_tf.flags", "stellar_tf.addresses", "stellar_tf.compilation"),
    ),
    ("stellar_tf.simulator", "stellar_tf.archive"),
    ("stellar_tf.analysis",),
    ("stellar_tf.figures",),
    ("stellar_tf.batches", "stellar_tf.network"),
    ("stellar_tf.training",),
    ("stellar_tf.inference",),
    ("stellar_tf.report", "stellar_tf.saved_model"),
    ("stellar_tf.serving", "stellar_tf.explore"),
    ("stellar_tf.api",),
    ("stellar_tf.cli",),
)
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}


def layer_of(module: str) -> str:
    """Longest name in LAYERS that the module is or lies in."""
    parts = module.split(".")
    for n in range(len(parts), 0, -1):
        name = ".".join(parts[:n])
        if name in RANK and (n == len(parts) or name != "stellar_tf"):
            return name
    raise AssertionError(f"{module} stands in no layer: add it to LAYERS")


def sources() -> Iterator[tuple[str, Path]]:
    for package in ("tfrecords_tools", "stellar_tf"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_module(inner) else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


SOURCES = list(sources())


@pytest.mark.parametrize(("name", "path"), SOURCES, ids=str)
def test_imports_only_from_earlier_layers(name: str, path: Path) -> None:
    own = layer_of(name)
    for imported in imports(path):
        if imported.split(".")[0] not in ("stellar_tf", "tfrecords_tools"):
            continue
        other = layer_of(imported)
        assert other == own or RANK[other] < RANK[own], f"{name} imports {imported}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    modules = {name for name, _ in SOURCES}
    graph = {name: set(imports(path)) & modules for name, path in SOURCES}
    for name, path in SOURCES:
        if path.name == "__init__.py":  # it hands out the names of its own modules
            graph[name] = {m for m in graph[name] if not m.startswith(f"{name}.")}
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)


SLOW = ("tensorflow", "tensorflow_probability", "keras")


FAST = (
    "tfrecords_tools",
    "stellar_tf.simulator",
    "stellar_tf.archive",
    "stellar_tf.analysis",
    "stellar_tf.figures",
    "stellar_tf.inference.latents",
    "stellar_tf.inference.parts.encode",
    "stellar_tf.serving.client",
)


@pytest.mark.parametrize("path", [p for n, p in SOURCES if n.startswith(FAST)], ids=str)
def test_what_must_start_fast_leaves_tensorflow_alone(path: Path) -> None:
    assert not {module.split(".")[0] for module in imports(path)} & set(SLOW)
