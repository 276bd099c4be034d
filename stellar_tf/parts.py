"""Tables in parts: a folder of Parquet files, written and read a part at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table
from numpy.typing import NDArray
from pydantic import ValidationError

from tfrecords_tools.config import Section
from tfrecords_tools.durable import write_whole
from tfrecords_tools.errors import UserError

# Readers of folders of Parquet pass over names that begin so.
PARTS_NAME = "_parts.json"
REJECTS_NAME = "_rejects.csv"
_ROWS_PER_GROUP = 4096
"""So many rows, or a batch more, are held until they are written."""


class PartsError(UserError):
    """A table in parts cannot be written or read; the message names it."""


class PartInfo(Section):
    """One file of a table in parts."""

    file: str
    """Name in the folder."""
    n_rows: int
    n_bytes: int
    sha256: str


class PartList(Section):
    """What a folder of parts holds."""

    version: Literal[1] = 1
    """Raised whenever a reader of the older version would misread the parts."""
    parts: tuple[PartInfo, ...]
    """In the order of the rows."""
    n_rejected: int
    """Lines of `REJECTS_NAME`."""
    request: dict[str, Any]
    """From what the rows were made."""

    @property
    def n_rows(self) -> int:
        """Rows of all parts."""
        return sum(part.n_rows for part in self.parts)

    def write(self, folder: Path) -> None:
        """Write `PARTS_NAME`, by which the folder is known."""
        write_whole(folder / PARTS_NAME, self.model_dump_json(indent=1) + "\n")


class PartWriter:
    """
    Writes batches of rows as one Parquet file.

    Parameters
    ----------
    path : Path
        The file; it appears with the first row.

    Notes
    -----
    Equal batches give equal bytes. Pages have checksums, which `read_parts` checks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self.n_rows = 0
        """Rows so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def write(self, columns: Mapping[str, NDArray[np.generic]]) -> None:
        """
        Append rows.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,) or (n, m)
            The same names, kinds and m at every call.
        """
        rows = pa.table({name: _to_arrow(v) for name, v in columns.items()})
        self._waiting.append(rows)
        self.n_rows += rows.num_rows
        if sum(waiting.num_rows for waiting in self._waiting) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting)
        self._waiting = []
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path, rows.schema, write_page_checksum=True
            )
        self._writer.write_table(rows)


def add_checksums(path: Path) -> None:
    """Write a Parquet file again, with a checksum of each page."""
    rows = pq.read_table(path)
    pq.write_table(rows, path, write_page_checksum=True)


def check_pages(path: Path) -> None:
    """
    Read a Parquet file for its checksums alone, a batch at a time.

    Parameters
    ----------
    path : Path
        The file; pages without a checksum are not checked.

    Raises
    ------
    OSError
        If a page is not what was written.
    """
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for _ in file.iter_batches():
            pass


def is_parts(path: Path) -> bool:
    """Tell a folder of parts from any other file or folder."""
    return (path / PARTS_NAME).is_file()


def read_part_list(folder: Path) -> PartList:
    """
    Read what a folder of parts holds.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    parts : PartList
        What its files should be.

    Raises
    ------
    PartsError
        If the folder is none of parts, or its list is damaged.
    """
    path = folder / PARTS_NAME
    if not path.is_file():
        raise PartsError(
            f"{folder}: is a folder, but no table in parts (no {PARTS_NAME})"
        )
    try:
        return PartList.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PartsError(
            f"{path}: is damaged or of another version ({first['msg']}); encode again"
        ) from None


def has_part(folder: Path, part: PartInfo) -> bool:
    """Tell whether a part is there with its size; one without rows has no file."""
    path = folder / part.file
    return not part.n_rows or (path.is_file() and path.stat().st_size == part.n_bytes)


def read_parts(folder: Path, leave_out: Collection[str] = ()) -> Table:
    """
    Read a folder of parts as one table.

    Parameters
    ----------
    folder : Path
        The folder.
    leave_out : collection of str
        Columns that are not read.

    Returns
    -------
    table : Table
        The rows of all parts.

    Raises
    ------
    PartsError
        If the folder is none of parts, or a part is missing, damaged or not the one
        that was written.
    """
    parts = read_part_list(folder).parts
    read = [_read_part(folder, part, leave_out) for part in parts]
    if len({tuple(columns) for columns in read}) > 1:
        raise PartsError(f"{folder}: its parts have different columns; encode again")
    table = Table()
    for name in list(read[0]) if read else []:
        # Taken out of the parts, so that no more than a column is there twice.
        table[name] = np.concatenate([columns.pop(name) for columns in read])
    return table


def _read_part(
    folder: Path, part: PartInfo, leave_out: Collection[str]
) -> dict[str, NDArray[np.generic]]:
    path = folder / part.file
    if not has_part(folder, part):
        raise PartsError(
            f"{path}: is missing or has another size than it was written with; take it "
            f"from a copy, or encode again"
        )
    try:
        wanted = [f for f in pq.read_schema(path) if f.name not in leave_out]
        rows = pq.read_table(
            path,
            columns=[f.name for f in wanted],
            # Few words are written again and again.
            read_dictionary=[f.name for f in wanted if pa.types.is_string(f.type)],
            page_checksum_verification=True,
        )
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise PartsError(f"{path}: cannot be read ({reason}); encode again") from None
    return {name: _to_numpy(rows[name]) for name in rows.column_names}


def _to_arrow(values: NDArray[np.generic]) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    flat = pa.array(values.ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _to_numpy(column: pa.ChunkedArray) -> NDArray[np.generic]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return np.concatenate([_read_texts(chunk) for chunk in column.chunks])
    if pa.types.is_fixed_size_list(kind):
        values: NDArray[np.generic] = column.combine_chunks().flatten().to_numpy()
        return values.reshape(-1, kind.list_size)
    plain: NDArray[np.generic] = column.to_numpy()
    return plain


def _read_texts(chunk: pa.DictionaryArray) -> NDArray[np.str_]:
    texts = np.array(chunk.dictionary.to_pylist(), np.str_)
    rows: NDArray[np.str_] = texts[chunk.indices.to_numpy()]
    return rows
