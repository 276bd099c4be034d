"""The files to convert."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfrecords_tools.errors import UserError
from tfrecords_tools.readers.metadata import FITS_ENDINGS


class InputError(UserError):
    """An input is missing; the message names it."""


def discover(inputs: Sequence[Path]) -> list[Path]:
    """
    List the files to convert.

    Parameters
    ----------
    inputs : sequence of Path
        Folders, searched with all below them for ``*.fits`` and ``*.fits.gz``, and
        files, taken whatever their name.

    Returns
    -------
    files : list of Path
        Sorted, each once.

    Raises
    ------
    InputError
        If an input does not exist, or there is no file at all.
    """
    files: set[Path] = set()
    for path in inputs:
        if path.is_dir():
            files.update(_walk(path))
        elif path.exists():
            files.add(path)
        else:
            raise InputError(f"{path}: does not exist")
    if not files:
        listed = ", ".join(str(path) for path in inputs)
        raise InputError(f"no FITS files (*.fits, *.fits.gz) in: {listed}")
    return sorted(files)


def _walk(folder: Path) -> Iterator[Path]:
    # os.walk does not follow links to folders, so it ends.
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith(FITS_ENDINGS):
                yield Path(parent, name)
