"""``stellar-tf fit``: train the autoencoder on records."""

from __future__ import annotations

import argparse

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_OK,
    add_config_options,
    add_overwrite_option,
    add_run_option,
    at_least,
    existing_path,
    positive,
    read_config,
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "records", type=existing_path, metavar="RECORDS", help="folder of records"
    )
    add_run_option(parser, "folder of the run; an interrupted one continues")
    parser.add_argument(
        "--strategy",
        choices=("single", "mirrored", "multiworker"),
        default="single",
        help="one device, a replica on each of this machine, or of all machines in "
        "TF_CONFIG",
    )
    parser.add_argument(
        "--devices",
        type=at_least(1),
        metavar="N",
        help="replicas of the mirrored strategy: GPUs, or logical CPUs without any",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--steps",
        type=at_least(1),
        metavar="N",
        help="batches to train on; default: by the number of spectra",
    )
    length.add_argument(
        "--minutes",
        type=positive,
        metavar="M",
        help="train on as many as this time holds, counted when the run begins",
    )
    parser.add_argument(
        "--init-from",
        type=existing_path,
        metavar="RUN",
        help="begin with the best weights of another run, to go on from them",
    )
    parser.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="look for corrupt records first, list them and do without them",
    )
    add_config_options(parser)
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.api import fit

    steps = [] if args.steps is None else [f"training.n_steps={args.steps}"]

    run = fit(
        args.records,
        args.run_folder,
        config=read_config(args, *steps),
        strategy=args.strategy,
        devices=args.devices,
        minutes=args.minutes,
        init_from=args.init_from,
        skip_corrupt=args.skip_corrupt,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    print(f"best model: {run.model_path}")
    print(f"history: {run.history_path}")
    return EXIT_OK


COMMAND = Command(
    "fit",
    "train on records, without labels",
    _add_options,
    _run,
    after_interruption="the same command goes on",
    examples=(
        "records --run run",
        "records --run run --config demo --set training.n_steps=2000",
    ),
)
