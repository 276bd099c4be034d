"""Joint maps as a file of arrays: written, and read back."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.labels.joint_maps import (
    Basis,
    Frame,
    JointMap,
    Neighbourhood,
)
from tfrecords_tools.durable import replacing
from tfrecords_tools.errors import UserError

VERSION = 1
"""Of the file."""
_PARTS: dict[str, Any] = {
    "frame": Frame,
    "basis": Basis,
    "of_errors": Neighbourhood,
    "of_visits": Neighbourhood,
}
_ALONE = ("label", "weights", "unit", "root")


class JointMapError(UserError):
    """A file of joint maps cannot be read; the message names it."""


def save_joint_maps(maps: Sequence[JointMap], path: Path) -> None:
    """
    Write maps as arrays of numpy.

    Parameters
    ----------
    maps : sequence of JointMap
        None are written, too, so that no others are taken for them.
    path : Path
        The file, whose name ends in .npz; replaced if it exists.
    """
    arrays: dict[str, Any] = {"version": VERSION, "n_maps": len(maps)}
    for number, found in enumerate(maps):
        arrays |= {f"{number}.{name}": getattr(found, name) for name in _ALONE}
        for part in _PARTS:
            values = getattr(found, part)._asdict()
            arrays |= {f"{number}.{part}.{name}": v for name, v in values.items()}
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def load_joint_maps(path: Path) -> list[JointMap]:
    """
    Read maps that `save_joint_maps` wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    maps : list of JointMap
        The same, to the last bit.

    Raises
    ------
    JointMapError
        If the file is damaged or of another version.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as named:
            arrays: dict[str, NDArray[Any]] = dict(named)
        version = int(arrays["version"])
        maps = [_take(arrays, n) for n in range(int(arrays["n_maps"]))]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        raise JointMapError(
            f"{path}: cannot be read; run stellar-tf analyze --overwrite"
        ) from None
    if version != VERSION:
        raise JointMapError(
            f"{path}: is of another version of stellar-tf; run stellar-tf analyze "
            "--overwrite"
        )
    return maps


def _take(arrays: Mapping[str, NDArray[Any]], number: int) -> JointMap:
    parts = {
        part: kind(
            *(_unwrap(arrays[f"{number}.{part}.{name}"]) for name in kind._fields)
        )
        for part, kind in _PARTS.items()
    }
    alone = {name: _unwrap(arrays[f"{number}.{name}"]) for name in _ALONE}
    return JointMap(**parts, **alone)


def _unwrap(array: NDArray[Any]) -> Any:
    """Turn an array of one number or word into it."""
    return array if array.ndim else array.item()
