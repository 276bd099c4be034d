"""The files of a data set beside its shards: their names, the plan and the indexes."""

from __future__ import annotations

import csv
import io
import tokenize
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.durable import write_whole
from tfrecords_tools.records.manifest import ShardInfo
from tfrecords_tools.records.tfrecord import RecordError

DATASET_NAME = "spec"
"""By which TensorFlow Datasets knows it, and the files of its records begin."""
PLAN_NAME = "plan.csv"
"""What the header scan found, and the shard of each spectrum."""
REJECTS_NAME = "rejects.csv"
ASSUMPTIONS_NAME = "assumptions.csv"
UNLABELLED_NAME = "unlabelled.csv"


def read_plan(folder: Path) -> list[dict[str, str]]:
    """
    Read plan.csv.

    Parameters
    ----------
    folder : Path
        The data set.

    Returns
    -------
    rows : list of dict
        By the names of the columns; empty if there is no such file.
    """
    path = folder / PLAN_NAME
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as stream:
        return list(csv.DictReader(stream))


def index_name(shard: str) -> str:
    """
    Name the file of where the records of a shard begin.

    Parameters
    ----------
    shard : str
        Name of the shard.

    Returns
    -------
    name : str
        Path in the data set's folder.
    """
    return f"index/{shard}.npy"


def write_index(offsets: list[int], folder: Path, shard: str) -> None:
    """
    Write where the records of a shard begin, flushed but for a name that is new.

    Parameters
    ----------
    offsets : list of int
        Byte of each record's frame, and the size of the shard.
    folder : Path
        The data set.
    shard : str
        Name of the shard.
    """
    path = folder / index_name(shard)
    path.parent.mkdir(exist_ok=True)
    content = io.BytesIO()
    np.save(content, np.array(offsets, dtype=np.uint64))
    write_whole(path, content.getvalue(), for_good=path.exists())


# A damaged header is Python that NumPy stumbles over, or an array beyond all memory.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, TypeError, MemoryError),
    *(SyntaxError, tokenize.TokenError),
)


def read_index(folder: Path, shard: ShardInfo) -> NDArray[np.uint64]:
    """
    Read where the records of a shard begin, and check the size of the shard.

    Parameters
    ----------
    folder : Path
        The data set.
    shard : ShardInfo
        What the manifest says of the shard.

    Returns
    -------
    offsets : ndarray of uint64, shape (count + 1,)
        Byte of each record's frame, and the size of the shard.

    Raises
    ------
    RecordError
        If the shard or its index is missing or does not fit the manifest.
    """
    path = folder / index_name(shard.file)
    try:
        with path.open("rb") as file:
            offsets: NDArray[np.uint64] = np.lib.format.read_array(file)
    except _UNREADABLE:
        raise RecordError(f"{path}: cannot be read (try stellar-tf verify)") from None
    # A damaged header may call them floats, or give them another order of bytes.
    is_whole = offsets.shape == (shard.count + 1,) and offsets.dtype == np.uint64
    if not is_whole or offsets[-1] != shard.n_bytes:
        raise RecordError(f"{path}: does not fit its shard (try stellar-tf verify)")
    path = folder / shard.file
    n_bytes = path.stat().st_size if path.is_file() else 0
    if n_bytes != shard.n_bytes:
        raise RecordError(
            f"{path}: has {n_bytes:,} bytes, its manifest says {shard.n_bytes:,} "
            f"(try stellar-tf verify)"
        )
    return offsets
