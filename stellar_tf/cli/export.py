"""``stellar-tf export``: the model as a SavedModel."""

from __future__ import annotations

import argparse
from pathlib import Path

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import EXIT_OK, existing_path


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="MODELS/NAME",
        help="folder of numbered versions",
    )


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.export import export
    from stellar_tf.run import Run

    version = export(Run(args.run_folder), args.out)
    print(f"SavedModel: {version}")
    return EXIT_OK


COMMAND = Command(
    "export",
    "write the model as the next version of a SavedModel",
    _add_options,
    _run,
)
