"""``stellar-tf encode``: latents of spectra."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_REJECTS,
    add_overwrite_option,
    existing_path,
)

if TYPE_CHECKING:
    from stellar_tf.encoding import EncodedFiles


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "inputs",
        nargs="+",
        type=existing_path,
        metavar="INPUT",
        help="one folder of records, or FITS files and folders of them",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="LATENTS",
        help="table to write: .parquet, .fits or .ecsv; default: RUN/latents.parquet",
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf import encoding
    from stellar_tf.run import Run
    from stellar_tf.tables import check_table_path, write_table
    from tfrecords_tools.inputs import discover

    run = Run(args.run_folder)
    out = args.out or run.latents_path
    check_table_path(out, overwrite=args.overwrite)
    run.read_config()
    if len(args.inputs) == 1 and encoding.is_records(args.inputs[0]):
        encoded = encoding.EncodedFiles(
            encoding.encode_records(run, args.inputs[0]), []
        )
    else:
        encoded = encoding.encode_files(run, discover(args.inputs))
    if len(encoded.latents):
        write_table(encoded.latents, out, overwrite=args.overwrite)
    return _report(encoded, out)


def _report(encoded: EncodedFiles, out: Path) -> int:
    for path, reason in encoded.rejects:
        print(f"{path}: {reason}", file=sys.stderr)
    n_rejected = len(encoded.rejects)
    if not len(encoded.latents):
        print(f"no spectrum could be encoded; {n_rejected} files rejected")
        return EXIT_FAILED
    print(f"{len(encoded.latents)} spectra in {out}; {n_rejected} files rejected")
    return EXIT_REJECTS if n_rejected else EXIT_OK


COMMAND = Command(
    "encode",
    "write a table of latents",
    _add_options,
    _run,
)
