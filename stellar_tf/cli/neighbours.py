"""``stellar-tf neighbours``: the spectra most like a given one."""

from __future__ import annotations

import argparse

from stellar_tf.cli.command import Command, print_table
from stellar_tf.cli.options import (
    EXIT_OK,
    add_overwrite_option,
    at_least,
    existing_path,
    new_path,
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "spectrum",
        metavar="SPECTRUM",
        help="identifier (dp_id) of one in the table of latents, a FITS file, or a "
        "star, of whose spectra the one with the largest S/N is taken",
    )
    parser.add_argument(
        "--count",
        type=at_least(1),
        default=10,
        metavar="N",
        help="neighbours; default: 10",
    )
    parser.add_argument(
        "--latents",
        type=existing_path,
        metavar="LATENTS",
        help="table of stellar-tf encode; default: RUN/latents.parquet",
    )
    parser.add_argument(
        "--out",
        type=new_path,
        metavar="TABLE",
        help="table to write beside printing it",
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.api.analysis import neighbours

    similar = neighbours(
        args.run_folder,
        args.spectrum,
        count=args.count,
        latents=args.latents,
        out=args.out,
        overwrite=args.overwrite,
    )
    print(f"{args.spectrum}: outlier score {similar.outlier_score:.2f} (1: in a crowd)")
    print_table(similar.neighbours)
    return EXIT_OK


COMMAND = Command(
    "neighbours",
    "list the spectra most like a given one",
    _add_options,
    _run,
    examples=("run HD128621 --count 5",),
)
