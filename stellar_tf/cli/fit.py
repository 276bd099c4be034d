"""``stellar-tf fit``: train the autoencoder on records."""

from __future__ import annotations

import argparse

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_OK,
    add_config_options,
    add_overwrite_option,
    at_least,
    existing_path,
    new_path,
    positive,
    read_config,
)
from stellar_tf.serving.allocator import keep_freed_memory
from tfrecords_tools.errors import UserError


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "%(prog)s [-h] [options] (RECORDS --run RUN | --refine RUN [RECORDS])"
    )
    parser.add_argument(
        "records",
        nargs="?",
        type=existing_path,
        metavar="RECORDS",
        help="folder of records; with --refine by default those of the run",
    )
    parser.add_argument(
        "--run",
        dest="run_folder",
        type=new_path,
        metavar="RUN",
        help="folder of the run; an interrupted one continues",
    )
    parser.add_argument(
        "--refine",
        type=existing_path,
        metavar="RUN",
        help="measure: go on from an analysed run by a likelihood, in its independent "
        "dimensions alone; the new run is RUN/refined unless --run says otherwise",
    )
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
    _add_length(parser)
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


def _add_length(parser: argparse.ArgumentParser) -> None:
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


def _run(args: argparse.Namespace) -> int:
    _check(args)
    keep_freed_memory()
    steps = [] if args.steps is None else [f"training.n_steps={args.steps}"]
    options = {
        "strategy": args.strategy,
        "devices": args.devices,
        "skip_corrupt": args.skip_corrupt,
        "overwrite": args.overwrite,
        "progress": not args.quiet,
    }
    if args.refine is not None:
        from stellar_tf.api.training import refine

        run = refine(
            args.refine,
            args.run_folder,
            records=args.records,
            config=args.config,
            settings=[*args.assignments, *steps],
            **options,
        )
    else:
        from stellar_tf.api.training import fit

        run = fit(
            args.records,
            args.run_folder,
            config=read_config(args, *steps),
            minutes=args.minutes,
            init_from=args.init_from,
            **options,
        )
    print(f"best model: {run.model_path}")
    print(f"history: {run.history_path}")
    return EXIT_OK


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if args.refine is None:
        if args.records is None or args.run_folder is None:
            raise UserError("name the records and --run, or a run by --refine")
        return
    for name in ("init_from", "minutes"):
        if getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise UserError(f"--{option}: does not go with --refine; use --steps")


COMMAND = Command(
    "fit",
    "train on records, without labels",
    _add_options,
    _run,
    after_interruption="the same command goes on",
    examples=(
        "records --run run",
        "records --run run --config demo --set training.n_steps=2000",
        "--refine run",
    ),
)
