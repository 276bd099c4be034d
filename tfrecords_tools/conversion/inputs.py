"""The files to convert."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tfrecords_tools.errors import UserError
from tfrecords_tools.readers.metadata import (
    ARRAY_ENDINGS,
    FITS_ENDINGS,
    TEXT_ENDINGS,
)
from tfrecords_tools.readers.text import looks_like_spectrum

_PREVIEWS = ("data_thumbnail.parquet",)
"""Files in the folder of a HATS catalogue with rows that are in others, too."""


class InputError(UserError):
    """An input is missing; the message names it."""


class Inputs(NamedTuple):
    """What files there are."""

    files: list[str]
    """Paths of those to convert: sorted, each once. A `Path` is four times as large."""
    passed_over: dict[str, int]
    """How many others the folders hold, by their ending in lower case; "" for none."""


def discover(inputs: Sequence[Path]) -> list[Path]:
    """
    List the files to convert.

    Parameters
    ----------
    inputs : sequence of Path
        As for `search`.

    Returns
    -------
    files : list of Path
        Sorted, each once.

    Raises
    ------
    InputError
        If an input does not exist, or there is no file at all.
    """
    return [Path(file) for file in search(inputs).files]


def search(inputs: Sequence[Path]) -> Inputs:
    """
    List the files to convert, and count those that are not.

    Parameters
    ----------
    inputs : sequence of Path
        Folders, searched with all below them for FITS, HDF5, Parquet and npz by the
        names' endings and for text files that look like a spectrum, and files, taken
        whatever their name.

    Returns
    -------
    found : Inputs
        The files, and what was passed over.

    Raises
    ------
    InputError
        If an input does not exist, or there is no file at all.
    """
    files: set[str] = set()
    others: set[str] = set()
    for path in inputs:
        if path.is_dir():
            for file in _walk(path):
                (files if _is_taken(file) else others).add(str(file))
        elif path.exists():
            files.add(str(path))
        else:
            raise InputError(f"{path}: does not exist")
    endings = Counter(Path(file).suffix.lower() for file in others - files)
    if not files:
        listed = ", ".join(str(path) for path in inputs)
        known = ", ".join(f"*{end}" for end in (".fits", ".fits.gz", *ARRAY_ENDINGS))
        raise InputError(f"no files of spectra ({known}, ...) in: {listed}")
    # As paths, folder by folder.
    in_order = sorted(files, key=lambda file: file.replace(os.sep, "\0"))
    return Inputs(in_order, dict(sorted(endings.items())))


def _is_taken(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(TEXT_ENDINGS):
        return looks_like_spectrum(path)
    return name.endswith((*FITS_ENDINGS, *ARRAY_ENDINGS)) and name not in _PREVIEWS


def _walk(folder: Path) -> Iterator[Path]:
    # os.walk does not follow links to folders, so it ends.
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)
