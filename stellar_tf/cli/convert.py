"""``stellar-tf convert``: from FITS files to TFRecords."""

from __future__ import annotations

import argparse
from pathlib import Path

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_REJECTS,
    add_config_options,
    add_overwrite_option,
    at_least,
    existing_path,
    read_config,
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        type=existing_path,
        metavar="INPUT",
        help="FITS files, and folders that are searched for *.fits and *.fits.gz",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RECORDS", help="folder to create"
    )
    parser.add_argument(
        "--labels",
        type=existing_path,
        metavar="TABLE",
        help="table of known parameters, with a column dp_id or target",
    )
    parser.add_argument(
        "--workers",
        type=at_least(1),
        default=1,
        metavar="N",
        help="processes; the records do not depend on it; default: 1",
    )
    add_config_options(parser)
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from tfrecords_tools.convert import convert

    config = read_config(args)
    summary = convert(
        args.inputs,
        args.out,
        config.grid,
        config.convert,
        labels=args.labels,
        n_workers=args.workers,
        overwrite=args.overwrite,
    )
    counts = ", ".join(f"{n} {split}" for split, n in summary.n_spectra.items())
    print(f"{summary.n_taken} spectra in {args.out} ({counts})")
    if args.labels:
        print(f"{summary.n_labelled} spectra with labels of {args.labels}")
    if summary.labels_left_out:
        print(
            "labels left out, for every record holds them from its header: "
            + ", ".join(summary.labels_left_out)
        )
    if summary.n_ambiguous:
        print(f"{summary.n_ambiguous} spectra match rows that differ: no labels")
    print(
        f"{summary.n_rejected} of {summary.n_taken + summary.n_rejected} files rejected"
        + (f", see {args.out / 'rejects.csv'}" if summary.n_rejected else "")
    )
    if summary.n_taken == 0:
        return EXIT_FAILED
    return EXIT_REJECTS if summary.n_rejected else EXIT_OK


COMMAND = Command(
    "convert",
    "put FITS spectra on one grid and write them as TFRecords",
    _add_options,
    _run,
    description="Exit status: 0 if every file was taken, 3 if some were rejected, "
    "1 if all were.",
)
