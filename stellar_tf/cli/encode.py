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
from stellar_tf.serving.allocator import keep_freed_memory
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    from stellar_tf.inference.prepared_files import EncodedFiles


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "%(prog)s [-h] [--out LATENTS] [--overwrite] (RUN | --server URL) INPUT ..."
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=existing_path,
        metavar="RUN INPUT",
        help="the run whose model encodes, unless there is a server; then one folder "
        "of records, or FITS files and folders of them",
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help="encode FITS files by stellar-tf serve at this address, such as "
        "http://127.0.0.1:8501, instead of by a run",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="LATENTS",
        help="table to write: .parquet, .fits or .ecsv; default: latents.parquet in "
        "RUN, or here if a server encodes",
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.run import Run
    from stellar_tf.tables import check_table_path, write_table

    if args.server is None and len(args.paths) < 2:
        raise UserError(f"{args.paths[0]}: name the run and then what to encode")
    by_default = Path() if args.server else args.paths[0]
    out = args.out or Run(by_default).latents_path
    check_table_path(out, overwrite=args.overwrite)
    if args.server is None:
        encoded = _encode_here(args.paths[0], args.paths[1:])
    else:
        encoded = _encode_there(args.server, args.paths)
    if len(encoded.latents):
        write_table(encoded.latents, out, overwrite=args.overwrite)
    return _report(encoded, out)


def _encode_here(folder: Path, inputs: list[Path]) -> EncodedFiles:
    from stellar_tf.inference.prepared_files import EncodedFiles
    from stellar_tf.run import Run
    from tfrecords_tools.conversion.inputs import discover

    run = Run(folder)
    run.read_config()
    # TensorFlow comes after what a mistake is seen without.
    from stellar_tf.inference import encoding

    keep_freed_memory()
    if len(inputs) == 1 and encoding.is_records(inputs[0]):
        return EncodedFiles(encoding.encode_records(run, inputs[0]), [])
    return encoding.encode_files(run, discover(inputs))


def _encode_there(url: str, inputs: list[Path]) -> EncodedFiles:
    from stellar_tf.serving.client import Client, encode_remotely
    from tfrecords_tools.conversion.inputs import discover
    from tfrecords_tools.records.manifest import MANIFEST_NAME

    for path in inputs:
        if (path / MANIFEST_NAME).is_file():
            raise UserError(
                f"{path}: is a folder of records, which only a run encodes; name the "
                f"FITS files to --server"
            )
    paths = discover(inputs)
    with Client(url) as client:
        return encode_remotely(client, paths)


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
