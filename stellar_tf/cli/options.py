"""Options that several commands share."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stellar_tf.config import Config

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USER_ERROR = 2
"""A mistake in the command line, a setting or an input; nothing was written."""
EXIT_REJECTS = 3
"""The command finished, but some inputs were not taken."""
EXIT_INTERRUPTED = 130
"""As shells report SIGINT."""
EXIT_UNREAD = 141
"""As they report SIGPIPE: whoever read the results wants no more."""
EXIT_TERMINATED = 143
"""As they report SIGTERM."""
_LAST_PORT = 65_535
_LONGEST_NAME = 200
"""Of the 255 bytes of file systems; ``.`` and ``.partial`` and the like need some."""


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--config`` and ``--set``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        A command's parser.
    """
    parser.add_argument(
        "--config",
        metavar="YAML",
        help="settings: a file, or the name of one that comes with stellar-tf "
        "(paper, default, demo); default: default",
    )
    parser.add_argument(
        "--set",
        dest="assignments",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change one setting, such as training.batch_size=8 (repeatable)",
    )


def read_config(args: argparse.Namespace, *assignments: str) -> Config:
    """Read the settings that the options ask for."""
    from stellar_tf.config import load_config

    return load_config(args.config or "default", [*args.assignments, *assignments])


def add_overwrite_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite``."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what exists already"
    )


def add_run_option(parser: argparse.ArgumentParser, purpose: str) -> None:
    """
    Add ``--run``, for commands that make a run.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        A command's parser.
    purpose : str
        What the help says.
    """
    parser.add_argument(
        "--run",
        dest="run_folder",
        type=new_path,
        required=True,
        metavar="RUN",
        help=purpose,
    )


def existing_path(text: str) -> Path:
    """
    Convert an argument to a path that exists.

    Parameters
    ----------
    text : str
        The argument.

    Returns
    -------
    path : Path
        The path.

    Raises
    ------
    argparse.ArgumentTypeError
        If there is nothing there, or as of `written_path` for UTF-8.
    """
    path = _as_path(text)
    if not os.path.exists(path):  # noqa: PTH110 (Path.exists fails at long names)
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return path


def new_path(text: str) -> Path:
    """
    Convert an argument to a path at which something is made.

    Parameters
    ----------
    text : str
        The argument.

    Returns
    -------
    path : Path
        The path.

    Raises
    ------
    argparse.ArgumentTypeError
        If it ends in no name, or as of `written_path`.
    """
    path = written_path(text)
    if path.name in ("", ".."):
        raise argparse.ArgumentTypeError(f"{text}: must end in a name of its own")
    return path


def written_path(text: str) -> Path:
    """
    Convert an argument to a path in or beside which something is written.

    Parameters
    ----------
    text : str
        The argument.

    Returns
    -------
    path : Path
        The path.

    Raises
    ------
    argparse.ArgumentTypeError
        If its name leaves no room for what is put beside it until it is complete,
        is not in UTF-8, which formats need, or a file stands where a folder must.
    """
    path = _as_path(text)
    n_bytes = len(os.fsencode(path.name))
    if n_bytes > _LONGEST_NAME:
        raise argparse.ArgumentTypeError(
            f"{path.name[:20]}...: a name of {n_bytes} bytes, of {_LONGEST_NAME} at "
            f"most"
        )
    above = next((p for p in path.absolute().parents if os.path.lexists(p)), path)
    if not above.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: {above} is not a folder")
    return path


def _as_path(text: str) -> Path:
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(text).decode(errors="backslashreplace")
        raise argparse.ArgumentTypeError(
            f"{shown}: is not in UTF-8; rename it"
        ) from None
    return Path(text)


def at_least(minimum: int) -> Callable[[str], int]:
    """
    Make the converter of an argument that counts.

    Parameters
    ----------
    minimum : int
        The smallest number allowed, 0 or more.

    Returns
    -------
    convert : callable
        From str to int; raises `argparse.ArgumentTypeError` for anything else.
    """

    def convert(text: str) -> int:
        if not text.isdecimal() or int(text) < minimum:
            raise argparse.ArgumentTypeError(
                f"must be {minimum}, {minimum + 1}, {minimum + 2}, ..., got {text}"
            )
        return int(text)

    return convert


def positive(text: str) -> float:
    """
    Convert an argument to a positive number.

    Parameters
    ----------
    text : str
        The argument.

    Returns
    -------
    number : float
        Above zero, finite.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text}")
    return number


def port(text: str) -> int:
    """Convert an argument to the number of a port, 0 for any that is free."""
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be 0 to {_LAST_PORT}, got {text}")
    return int(text)
