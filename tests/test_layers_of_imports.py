"""Imports go one way: each module uses only what stands before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A module may import from earlier rows, and from its own row if it is a package.
LAYERS = (
    ("tfrecords_tools.config", "tfrecords_tools.errors", "tfrecords_tools.durable"),
    ("tfrecords_tools.spectrum", "tfrecords_tools.inputs", "tfrecords_tools.labels"),
    ("tfrecords_tools.grid",),
    ("tfrecords_tools.readers", "tfrecords_tools.star", "tfrecords_tools.progress"),
    ("tfrecords_tools.catalog", "tfrecords_tools.prepare"),
    ("tfrecords_tools.example",),
    ("tfrecords_tools.schema",),
    ("tfrecords_tools.tfrecord", "tfrecords_tools.split"),
    ("tfrecords_tools.manifest", "tfrecords_tools.plan"),
    ("tfrecords_tools.tfds",),
    ("tfrecords_tools.shards", "tfrecords_tools.engine"),
    ("tfrecords_tools.journal", "tfrecords_tools.beam_engine"),
    ("tfrecords_tools.convert", "tfrecords_tools.verify", "tfrecords_tools.salvage"),
    ("tfrecords_tools.record_table",),
    ("stellar_tf",),
    ("stellar_tf.simulator.config", "stellar_tf.allocator"),
    ("stellar_tf.config", "stellar_tf.tables", "stellar_tf.prepared_files"),
    ("stellar_tf.simulator", "stellar_tf.archive"),
    ("stellar_tf.normalisation", "stellar_tf.sampling", "stellar_tf.augmentation"),
    ("stellar_tf.dataset", "stellar_tf.displacement"),
    ("stellar_tf.layers", "stellar_tf.folded_conv", "stellar_tf.bottleneck"),
    ("stellar_tf.losses", "stellar_tf.optimizer"),
    ("stellar_tf.model",),
    ("stellar_tf.run", "stellar_tf.strategy", "stellar_tf.pictures"),
    ("stellar_tf.tensorboard", "stellar_tf.trainer", "stellar_tf.checkpoints"),
    ("stellar_tf.callbacks",),
    ("stellar_tf.training", "stellar_tf.torch_import"),
    ("stellar_tf.encoding", "stellar_tf.decoding", "stellar_tf.client"),
    ("stellar_tf.analysis",),
    ("stellar_tf.report", "stellar_tf.saved_model"),
    ("stellar_tf.export", "stellar_tf.serving", "stellar_tf.explore"),
    ("stellar_tf.cli",),
)
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}


def layer_of(module: str) -> str:
    """Longest name in LAYERS that the module is or lies in."""
    parts = module.split(".")
    for n in range(len(parts), 0, -1):
        name = ".".join(parts[:n])
        if name in RANK and (n > 1 or n == len(parts)):
            return name
    raise AssertionError(f"{module} stands in no layer: add it to LAYERS")


def sources() -> Iterator[tuple[str, Path]]:
    for package in ("tfrecords_tools", "stellar_tf"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            if name != "tfrecords_tools":
                yield name, path


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
        if imported == "tfrecords_tools":
            continue
        other = layer_of(imported)
        assert other == own or RANK[other] < RANK[own], f"{name} imports {imported}"


SLOW = ("tensorflow", "tensorflow_probability", "keras")


FAST = (
    "tfrecords_tools",
    "stellar_tf.simulator",
    "stellar_tf.archive",
    "stellar_tf.analysis",
    "stellar_tf.prepared_files",
    "stellar_tf.client",
)


@pytest.mark.parametrize("path", [p for n, p in SOURCES if n.startswith(FAST)], ids=str)
def test_what_must_start_fast_leaves_tensorflow_alone(path: Path) -> None:
    assert not {module.split(".")[0] for module in imports(path)} & set(SLOW)
