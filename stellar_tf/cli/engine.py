"""Options of commands whose work several processes or machines share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.cli.options import at_least
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    from tfrecords_tools.conversion.engine import Engine


def add_engine_options(parser: argparse.ArgumentParser, result: str) -> None:
    """
    Add ``--engine`` and ``--workers``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        A command's parser.
    result : str
        What does not depend on them.
    """
    parser.add_argument(
        "--engine",
        choices=["local", "beam"],
        help="processes here, or Apache Beam, which takes the arguments after -- ; the "
        f"{result} do not depend on it; default: local",
    )
    parser.add_argument(
        "--workers",
        type=at_least(1),
        metavar="N",
        help="processes of the local engine; default: 1",
    )


def choose_engine(
    args: argparse.Namespace,
    out: Path,
    local: Callable[[int], AbstractContextManager[Engine]],
) -> AbstractContextManager[Engine]:
    """
    Make the engine that the options ask for.

    Parameters
    ----------
    args : argparse.Namespace
        With these options, and ``after_dashes``.
    out : Path
        What is written; Beam's tasks go beside it.
    local : callable
        Makes the engine of this machine, from the number of its processes.

    Returns
    -------
    engine : context manager of Engine
        To be entered where the work begins.

    Raises
    ------
    UserError
        If the options do not fit each other.
    """
    if args.engine != "beam":
        if args.after_dashes:
            raise UserError("arguments after -- go to Beam: give --engine beam, too")
        return local(args.workers or 1)
    if args.workers is not None:
        raise UserError("--workers is for --engine local; Beam has options after --")
    from tfrecords_tools.conversion.beam_engine import beam_engine

    return beam_engine(args.after_dashes, out.with_name(f".{out.name}.beam"))
