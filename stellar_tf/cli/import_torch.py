"""``stellar-tf import-torch``: the paper's published checkpoint as a run."""

from __future__ import annotations

import argparse

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_OK,
    add_config_options,
    add_overwrite_option,
    add_run_option,
    existing_path,
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        type=existing_path,
        metavar="CHECKPOINT",
        help="PyTorch file of the network's state dict",
    )
    add_run_option(parser, "folder of the run to make")
    add_config_options(parser)
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.config import load_config
    from stellar_tf.network.torch_import import import_torch

    config = load_config(args.config or "paper", args.assignments)
    run = import_torch(
        args.checkpoint, args.run_folder, config, overwrite=args.overwrite
    )
    print(f"model: {run.model_path}")
    return EXIT_OK


COMMAND = Command(
    "import-torch",
    "make a run of the paper's PyTorch checkpoint",
    _add_options,
    _run,
    description="The settings are those of --config paper unless told otherwise.",
    examples=("checkpoint.pt --run run",),
)
