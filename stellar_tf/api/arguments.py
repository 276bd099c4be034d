"""Arguments in the forms that the public functions take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stellar_tf.run import Run

StrPath = str | Path
Settings = Mapping[str, Any] | Iterable[str]
"""Dotted keys and values, such as ``{"training.batch_size": 8}``."""


def as_run(run: StrPath | Run) -> Run:
    """Take a run, or the run of a folder."""
    return run if isinstance(run, Run) else Run(Path(run))


def as_path(path: StrPath | None) -> Path | None:
    """Take a path as a Path."""
    return None if path is None else Path(path)


def as_paths(paths: StrPath | Sequence[StrPath]) -> list[Path]:
    """Take one path or several."""
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(p) for p in paths]
