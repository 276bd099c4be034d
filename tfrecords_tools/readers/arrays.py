"""Spectra in files of named arrays: HDF5, Parquet and numpy's npz."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.errors import ask_for_extra
from tfrecords_tools.readers.header import Cards, PlainCards
from tfrecords_tools.readers.layout import (
    VARYING,
    Field,
    Group,
    check_size,
    name_fields,
)
from tfrecords_tools.readers.recent import Recent, Version, version_of
from tfrecords_tools.spectrum import SpectrumError

Opened = tuple[list[Group], tuple[Cards, ...]]
"""Groups of fields, and what the file says of itself."""
_IDS = (
    *("object_id", "source_id", "targetid", "target_id", "sobject_id", "specobjid"),
    *("apogee_id", "obsid", "spectrum_id", "id"),
)
"""Columns that name the rows of a catalogue."""
_ids: Recent[list[str]] = Recent(4)
_NPZ_ERRORS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
_MAX_UNPACKED = 2**27
"""Bytes of an npz file in memory, if it is packed more than so many times:"""
_MAX_RATIO = 20
_AHEAD = 64
"""Rows of a Parquet file that are read at once."""


class _Array(NamedTuple):
    """An array that is read in part."""

    shape: tuple[int, ...]
    read: Callable[[Any], Any]
    """From the number of a row, or a slice of rows, to an array."""
    unit: str = ""


@contextmanager
def _open_hdf5(path: Path) -> Iterator[Opened]:
    """Yield a group for each folder or table with arrays, and the file's attributes."""
    try:
        import h5py
    except ImportError:
        raise SpectrumError(f"HDF5 {ask_for_extra('h5py', 'hdf5')}") from None
    folders: dict[str, dict[str, _Array]] = {}

    def sort_in(name: str, item: Any) -> None:
        folder, _, own = name.rpartition("/")
        if not isinstance(item, h5py.Dataset) or item.shape in (None, ()):
            return
        if item.dtype.names is None:
            folders.setdefault(folder, {})[own] = _of_dataset(item)
        else:  # a table
            folders[name] = {n: _of_column(item, n) for n in item.dtype.names}

    try:
        with h5py.File(path, "r") as file:
            file.visititems(sort_in)
            version = version_of(path)
            groups = [
                replace(
                    _group(name, "HDF5", version, arrays),
                    cards=(_attributes(file[name or "/"]),),
                )
                for name, arrays in folders.items()
            ]
            yield groups, (_attributes(file),)
    except SpectrumError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise SpectrumError(f"cannot be read as HDF5: {_one_line(error)}") from None


@contextmanager
def _open_npz(path: Path) -> Iterator[Opened]:
    """Yield one group of all arrays; those of one value are the file's attributes."""
    version = version_of(path)
    arrays = _load_npz(version)
    values = {name.upper(): _plain(a[()]) for name, a in arrays.items() if a.ndim == 0}
    large = {
        name: _Array(a.shape, a.__getitem__) for name, a in arrays.items() if a.ndim > 0
    }
    yield [_group("", "npz", version, large)], (PlainCards(values),)


@contextmanager
def _open_parquet(path: Path) -> Iterator[Opened]:
    """Yield one group: the columns, those of structures as ``structure.column``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    version = version_of(path)
    try:
        with pq.ParquetFile(path) as file:
            n_rows = file.metadata.num_rows
            arrays = {
                name: _of_parquet(name, kind, version, n_rows)
                for name, kind in _flatten(file.schema_arrow)
            }
        yield [_group("", "Parquet", version, arrays)], ()
    except (pa.ArrowException, OSError) as error:
        raise SpectrumError(f"cannot be read as Parquet: {_one_line(error)}") from None


OPENERS = {"HDF5": _open_hdf5, "Parquet": _open_parquet, "npz": _open_npz}


def _group(
    name: str, kind: str, version: Version, arrays: Mapping[str, _Array]
) -> Group:
    """Tell arrays with a row for each spectrum from those of one."""
    rows = {n: a for n, a in arrays.items() if len(a.shape) == 2}
    named = name_fields(_to_field(n, a) for n, a in rows.items())
    flux = next((one.field for one in named if one.role == "flux"), None)
    names = frozenset(n.lower() for n in arrays)
    if flux is None:
        lists = [_to_field(n, a) for n, a in arrays.items() if len(a.shape) == 1]
        return Group(name, f"{kind} file", tuple(lists), names=names, version=version)
    n_rows, n_pixels = flux.shape
    singles = {n: a for n, a in arrays.items() if len(a.shape) == 1}
    of_all = {
        one.field.label
        for one in name_fields(_to_field(n, a) for n, a in singles.items())
        if one.field.shape == (n_pixels,) and (one.role == "wave" or n_rows != n_pixels)
    }
    fields = [
        *(_to_field(n, a) for n, a in rows.items() if a.shape[0] == n_rows),
        *(_to_field(n, singles[n]) for n in of_all),
    ]
    scalars = {
        n: a for n, a in singles.items() if a.shape == (n_rows,) and n not in of_all
    }
    return Group(
        name,
        f"row of {kind}",
        tuple(fields),
        scalars=lambda some: {n: np.asarray(a.read(some)) for n, a in scalars.items()},
        names=names,
        is_catalogue=True,
        ids=_find_ids(scalars, (version, name)),
        version=version,
    )


def _to_field(name: str, array: _Array) -> Field:
    def read(row: int) -> NDArray[np.generic]:
        return np.asarray(array.read(row if len(array.shape) > 1 else slice(None)))

    return Field(name.lower(), array.shape, read, array.unit, label=name)


def _find_ids(
    scalars: Mapping[str, _Array], key: object
) -> Callable[[], list[str]] | None:
    by_lower = {name.lower(): array for name, array in scalars.items()}
    found = next((by_lower[name] for name in _IDS if name in by_lower), None)
    if found is None:
        return None
    array = found
    return lambda: _ids.get(key, lambda: _make_unique(array.read(slice(None))))


def _make_unique(values: Any) -> list[str]:
    """Add a number to each identifier that is there several times."""
    names = [str(_plain(value)) for value in values]
    n_times, seen = Counter(names), Counter[str]()
    unique = []
    for name in names:
        unique.append(name if n_times[name] == 1 else f"{name}#{seen[name]}")
        seen[name] += 1
    return unique


def _attributes(item: Any) -> Cards:
    return PlainCards({str(k).upper(): _plain(v) for k, v in item.attrs.items()})


def _of_dataset(dataset: Any) -> _Array:
    shape = dataset.shape
    if dataset.dtype.kind == "O" and len(shape) == 1 and shape[0]:
        first = dataset[0]
        shape = (*shape, VARYING) if isinstance(first, np.ndarray) else shape
    units = (dataset.attrs.get(key) for key in ("unit", "units"))
    unit = next((_plain(unit) for unit in units if unit is not None), "")
    return _Array(shape, dataset.__getitem__, unit if isinstance(unit, str) else "")


def _of_column(table: Any, name: str) -> _Array:
    column = table.fields(name)
    return _Array((*table.shape, *table.dtype[name].shape), column.__getitem__)


@lru_cache(maxsize=1)
def _load_npz(version: Version) -> dict[str, NDArray[np.generic]]:
    try:
        with Path(version[0]).open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            _check_unpacked(file.zip, version)
            return {name: file[name] for name in file.files}
    except SpectrumError:
        raise
    except (*_NPZ_ERRORS, MemoryError) as error:
        raise SpectrumError(f"cannot be read as npz: {_one_line(error)}") from None


def _check_unpacked(file: zipfile.ZipFile, version: Version) -> None:
    """Refuse what packs far better than any measured flux does."""
    n_bytes = sum(item.file_size for item in file.infolist())
    n_packed = Path(version[0]).stat().st_size
    if n_bytes > max(_MAX_UNPACKED, _MAX_RATIO * n_packed):
        raise SpectrumError(f"unpacks {n_packed} bytes to {n_bytes}: no spectra")


def _flatten(schema: Any) -> Iterator[tuple[str, Any]]:
    """List the columns, those of structures too."""
    import pyarrow as pa

    for field in schema:
        kind = field.type
        if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
            for inner in kind.value_type:
                yield f"{field.name}.{inner.name}", pa.list_(inner.type)
        elif pa.types.is_struct(kind):
            for inner in kind:
                yield f"{field.name}.{inner.name}", inner.type
        else:
            yield field.name, kind


def _of_parquet(name: str, kind: Any, version: Version, n_rows: int) -> _Array:
    import pyarrow as pa

    is_list = any(
        test(kind)
        for test in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
        )
    )
    if not is_list:
        return _Array((n_rows,), lambda some: _read_column(version, name)[some])

    return _Array((n_rows, VARYING), lambda row: _open_lists(version, name).row(row))


class _Lists:
    """A column of lists, of which a few rows at a time are in memory."""

    def __init__(self, version: Version, name: str) -> None:
        self._path, self._name = version[0], name
        self._lock = Lock()
        self._batches: Iterator[Any] | None = None
        self._batch: Any = ()
        self._first = 0

    def row(self, row: int) -> Any:
        """Return the values of a row; the next rows are then the quickest to read."""
        with self._lock:
            batches, behind = self._batches, self._first + len(self._batch)
            if batches is None or not self._first <= row < behind + _AHEAD:
                batches = self._batches = self._start_at(row)
            while row >= self._first + len(self._batch):
                self._first += len(self._batch)
                self._batch = _pick(next(batches), self._name)
            values = self._batch[row - self._first].values
        if values is None:
            raise SpectrumError(f"column {self._name!r} is empty in this row")
        if hasattr(values, "field"):  # a list of structures
            values = values.field(self._name.rpartition(".")[2])
        return values.to_numpy(zero_copy_only=False)

    def _start_at(self, row: int) -> Iterator[Any]:
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self._path)
        name, whole = self._name, self._name.partition(".")[0]
        if name not in file.schema_arrow.names and _is_list(file.schema_arrow, whole):
            name = whole  # of structures, which are read as they are
        sizes = [
            file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)
        ]
        ends = np.cumsum(sizes)
        group = int(np.searchsorted(ends, row, side="right"))
        self._first, self._batch = int(ends[group]) - sizes[group], ()
        for i in range(group, len(sizes)):
            check_size((_mean_length(file.metadata.row_group(i), whole),))
        batches: Iterator[Any] = file.iter_batches(
            _AHEAD, row_groups=range(group, len(sizes)), columns=[name]
        )
        return batches


def _mean_length(group: Any, name: str) -> int:
    """Return the mean length of the lists of a column: equal values take no bytes."""
    columns = (group.column(i) for i in range(group.num_columns))
    sizes = [c.num_values for c in columns if c.path_in_schema.startswith(name)]
    return max(sizes, default=0) // max(1, int(group.num_rows))


def _is_list(schema: Any, name: str) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(schema.field(name).type))


@lru_cache(maxsize=8)
def _open_lists(version: Version, name: str) -> _Lists:
    return _Lists(version, name)


@lru_cache(maxsize=64)
def _read_column(version: Version, name: str) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(version[0]) as file:
        column = _pick(file.read(columns=[name]), name)
    if column.null_count and pa.types.is_integer(column.type):  # which may be long
        values = [np.nan if value is None else value for value in column.to_pylist()]
        return np.array(values, object)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _pick(table: Any, name: str) -> Any:
    """Return a column of a table or a part of one, or one of a structure in it."""
    if name in table.schema.names:
        return table.column(name)
    import pyarrow as pa
    import pyarrow.compute as pc

    column, _, inner = name.partition(".")
    whole = table.column(column)
    return pc.struct_field(whole, inner) if pa.types.is_struct(whole.type) else whole


def _plain(value: Any) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    return value.decode(errors="replace").strip() if isinstance(value, bytes) else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
