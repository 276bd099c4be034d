"""What a data set holds: manifest.json, read by every later command."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from tfrecords_tools.config import ConvertConfig, Section
from tfrecords_tools.errors import UserError
from tfrecords_tools.grid import Grid
from tfrecords_tools.records.schema import RecordSchema
from tfrecords_tools.split import Split

MANIFEST_NAME = "manifest.json"
CHECKSUM_NAME = "manifest.sha256"
"""Checksum of the manifest, as ``sha256sum --check`` reads it."""
SCHEMA_VERSION: Final = 1
"""Raised whenever a reader of the older version would misread the records."""


class ManifestError(UserError):
    """A folder is not a data set this version can read; the message names it."""


class ShardInfo(Section):
    """One file of records."""

    file: str
    """Name in the data set's folder."""
    split: Split
    count: int
    """Number of records."""
    n_bytes: int
    sha256: str
    dp_ids: tuple[str, ...]
    """In the order of the records."""


class SplitInfo(Section):
    """Totals of one split."""

    n_spectra: int
    stars: tuple[str, ...]
    """Normalised names, sorted."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Manifest:
    """The content of a data set."""

    folder: Path
    """Where the data set is; not part of the file."""
    schema_version: Literal[1]
    grid: Grid
    config: ConvertConfig
    record_schema: RecordSchema
    labels_file: str
    """The label table the records were joined with; "" if there was none."""
    n_rejected: int
    splits: dict[Split, SplitInfo]
    shards: tuple[ShardInfo, ...]
    files: dict[str, str]
    """SHA-256, in hexadecimal, of every other file, by its path in the folder."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Spectra by what is taken for granted of them, is bad, or is stored: errors."""

    def n_spectra(self, split: Split) -> int:
        """
        Count the spectra of a split.

        Parameters
        ----------
        split : {"train", "validation", "test"}
            The split.

        Returns
        -------
        n_spectra : int
            Number of records.
        """
        return self.splits[split].n_spectra

    def shard_paths(self, split: Split) -> list[Path]:
        """
        List the files of a split.

        Parameters
        ----------
        split : {"train", "validation", "test"}
            The split.

        Returns
        -------
        paths : list of Path
            In order; files without records are left out.
        """
        shards = [s for s in self.shards if s.split == split and s.count > 0]
        return [self.folder / shard.file for shard in shards]

    @property
    def sha256(self) -> str:
        """SHA-256 of manifest.json, in hexadecimal: it identifies the data set."""
        return hashlib.sha256(self._to_json()).hexdigest()

    def write(self) -> None:
        """Write manifest.json and its checksum into the folder; neither is flushed."""
        content = self._to_json()
        (self.folder / CHECKSUM_NAME).write_bytes(_sum_line(content))
        (self.folder / MANIFEST_NAME).write_bytes(content)

    def _to_json(self) -> bytes:
        return _ADAPTER.dump_json(self, indent=1, exclude={"folder"}) + b"\n"


_ADAPTER = TypeAdapter(Manifest)


def read_manifest(records: Path) -> Manifest:
    """
    Read what a data set holds.

    Parameters
    ----------
    records : Path
        Folder that `convert` wrote.

    Returns
    -------
    manifest : Manifest
        Its content.

    Raises
    ------
    ManifestError
        If the folder is no data set or one of another version, or its manifest is not
        as it was written.

    Examples
    --------
    >>> from tfrecords_tools.records.manifest import read_manifest
    >>> manifest = read_manifest(Path("records"))
    >>> sum(manifest.n_spectra(split) for split in ("train", "validation", "test"))
    80
    >>> manifest.grid.n_pixels
    1000
    """
    path = records / MANIFEST_NAME
    try:
        content = path.read_bytes()
        tree = json.loads(content.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ManifestError(f"{records}: is no data set (no {MANIFEST_NAME})") from None
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise ManifestError(f"{path}: is not valid JSON") from None
    version = tree.get("schema_version") if isinstance(tree, dict) else None
    if version != SCHEMA_VERSION:
        raise ManifestError(
            f"{path}: has schema version {version}, but this version of stellar-tf "
            f"reads {SCHEMA_VERSION}; convert the spectra again"
        )
    try:
        manifest = _ADAPTER.validate_python({**tree, "folder": records})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"{path}: {key}: {first['msg']}") from None
    _check_sum(path, content)
    return manifest


def _check_sum(path: Path, content: bytes) -> None:
    """Refuse a manifest that is legible, but not as it was written."""
    checksum = path.with_name(CHECKSUM_NAME)
    if checksum.is_file() and checksum.read_bytes() != _sum_line(content):
        raise ManifestError(
            f"{path}: does not fit {CHECKSUM_NAME}; take both from a copy, or convert "
            f"the spectra again"
        )


def _sum_line(content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST_NAME}\n".encode()


def is_records(path: Path) -> bool:
    """
    Tell a folder of records from files and folders of them.

    Parameters
    ----------
    path : Path
        A file or folder.

    Returns
    -------
    answer : bool
        Whether it holds a manifest.
    """
    return (path / MANIFEST_NAME).is_file()


def hash_file(path: Path) -> str:
    """
    Compute the SHA-256 of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    sha256 : str
        In hexadecimal.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
