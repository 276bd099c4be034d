"""``stellar-tf verify``: whether records are whole and right."""

from __future__ import annotations

import argparse
from pathlib import Path

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_FAILED,
    EXIT_OK,
    at_least,
    existing_path,
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "records", type=existing_path, metavar="RECORDS", help="folder of records"
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help="also compare flux, errors and header values with the source, read again",
    )
    parser.add_argument(
        "--workers",
        type=at_least(1),
        default=1,
        metavar="N",
        help="processes; default: 1",
    )


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.api.records import verify
    from tfrecords_tools.conversion.verify import SAME_POSITION

    records: Path = args.records
    found = verify(
        records, deep=args.deep, workers=args.workers, progress=not args.quiet
    )
    for first, second, distance in found.neighbours:
        print(
            f"note: {first} and {second} are {distance:.1f} arcsec apart: if they are "
            f"one star, give convert.aliases (looked within {SAME_POSITION:g} arcsec)"
        )
    for problem in found.problems:
        print(f"{records / problem.file}: {problem.what}")
    n_problems = len(found.problems)
    print(f"{found.n_spectra} spectra are right; {n_problems} problems")
    return EXIT_FAILED if n_problems else EXIT_OK


COMMAND = Command(
    "verify",
    "check every byte of a folder of records",
    _add_options,
    _run,
    description="Exit status: 0 if all is right, 1 if there are problems.",
    examples=("records",),
)
