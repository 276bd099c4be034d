"""``stellar-tf simulate``: spectra whose true parameters are known."""

from __future__ import annotations

import argparse

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_OK,
    add_config_options,
    add_overwrite_option,
    at_least,
    read_config,
    written_path,
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "out", type=written_path, metavar="OUT", help="folder for the files"
    )
    parser.add_argument("--n-stars", type=int, metavar="N", help="number of stars")
    parser.add_argument("--visits", type=int, metavar="V", help="exposures of each")
    parser.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="S",
        help="another seed, another survey; default: 0",
    )
    add_config_options(parser)
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.api.records import simulate

    assignments = []
    if args.n_stars is not None:
        assignments.append(f"simulate.n_stars={args.n_stars}")
    if args.visits is not None:
        assignments.append(f"simulate.n_visits={args.visits}")
    config = read_config(args, *assignments)
    summary = simulate(
        args.out,
        config=config,
        seed=args.seed,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    print(
        f"{summary.n_files} spectra of {config.simulate.n_stars} stars in {args.out} "
        f"({summary.n_written} new)"
    )
    print(f"true parameters: {summary.truth}")
    return EXIT_OK


COMMAND = Command(
    "simulate",
    "write FITS files of simulated stars and a table of the truth",
    _add_options,
    _run,
    after_interruption="the same command goes on",
    examples=("fits --n-stars 100 --visits 2",),
)
