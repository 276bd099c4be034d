"""``stellar-tf convert``: from files of spectra to TFRecords."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.cli.command import Command
from stellar_tf.cli.engine import add_engine_options, choose_engine
from stellar_tf.cli.options import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_REJECTS,
    add_config_options,
    add_overwrite_option,
    existing_path,
    new_path,
    read_config,
)

if TYPE_CHECKING:
    from tfrecords_tools.conversion.summary import ConversionSummary

_COUNTS = {
    "air assumed": "{n} files: air assumed (set convert.medium if not), see {table}",
    "kept topocentric": "{n} files kept topocentric (header without BERV), see {table}",
    "frame unknown": "{n} files: frame of the wavelengths unknown, see {table}",
    "not all read": "{n} files: what else may be a spectrum in them is not read, "
    "see {table}",
    "with spikes": "{n} files: pixels far beyond all others are bad now "
    "(convert.max_flux_ratio)",
}
"""What the counts of a conversion mean; rejects have a line of their own."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        type=existing_path,
        metavar="INPUT",
        help="files of spectra, and folders that are searched for FITS, HDF5, Parquet, "
        "npz and text",
    )
    parser.add_argument(
        "--out",
        type=new_path,
        required=True,
        metavar="RECORDS",
        help="folder to create",
    )
    parser.add_argument(
        "--labels",
        type=existing_path,
        metavar="TABLE",
        help="table of known parameters, with a column dp_id, target or source_id, or "
        "with ra and dec",
    )
    add_engine_options(parser, "records")
    add_config_options(parser)
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.api.records import convert
    from tfrecords_tools.conversion.engine import local_engine
    from tfrecords_tools.records.layout import REJECTS_NAME

    summary = convert(
        args.inputs,
        args.out,
        labels=args.labels,
        config=read_config(args),
        engine=choose_engine(args, args.out, local_engine),
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    counts = ", ".join(f"{n} {split}" for split, n in summary.n_spectra.items())
    print(f"{summary.n_taken} spectra in {args.out} ({counts})")
    for line in (*summary.label_notes, *_describe(summary, args.out)):
        print(line)
    print(
        f"{summary.n_rejected} of {summary.n_taken + summary.n_rejected} files rejected"
        + (f", see {args.out / REJECTS_NAME}" if summary.n_rejected else "")
    )
    if summary.n_taken == 0:
        return EXIT_FAILED
    return EXIT_REJECTS if summary.n_rejected else EXIT_OK


def _describe(summary: ConversionSummary, out: Path) -> Iterator[str]:
    """Say what was taken for granted, left out, or is to be mended."""
    for name, n in summary.counts.items():
        if name in _COUNTS:
            yield _COUNTS[name].format(n=n, table=out / "assumptions.csv")
    if summary.passed_over:
        n = sum(summary.passed_over.values())
        endings = (
            f"{ending or 'none'}: {count}"
            for ending, count in summary.passed_over.items()
        )
        yield f"{n} files with other endings passed over ({', '.join(endings)})"
    yield from summary.warnings


COMMAND = Command(
    "convert",
    "put spectra on one grid and write them as TFRecords",
    _add_options,
    _run,
    description="Exit status: 0 if every file was taken, 3 if some were rejected, "
    "1 if all were.",
    takes_arguments_after_dashes=True,
    after_interruption="the same command goes on",
    examples=(
        "~/harps --out records",
        "fits --out records --labels fits/truth.ecsv --workers 2",
        "~/uves --out records --config uves",
    ),
)
