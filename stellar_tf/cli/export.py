"""``stellar-tf export``: the model as a SavedModel."""

from __future__ import annotations

import argparse
from pathlib import Path

from stellar_tf.cli.options import EXIT_OK, existing_path


def add_parser(subparsers: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    """
    Add the command's parser.

    Parameters
    ----------
    subparsers : argparse._SubParsersAction
        Of the main parser.
    """
    parser = subparsers.add_parser(
        "export", help="write the model as the next version of a SavedModel"
    )
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "out", type=Path, metavar="MODELS/NAME", help="folder of numbered versions"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    Run the command.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.

    Returns
    -------
    status : int
        Exit status.
    """
    from stellar_tf.export import export
    from stellar_tf.run import Run

    version = export(Run(args.run_folder), args.out)
    print(f"SavedModel: {version}")
    return EXIT_OK
