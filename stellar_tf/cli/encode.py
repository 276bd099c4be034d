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
    new_path,
)
from stellar_tf.serving.allocator import keep_freed_memory
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    from stellar_tf.inference.latents import Latents


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "%(prog)s [-h] [--out LATENTS] [--overwrite] (RUN | --server URL) INPUT ..."
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=existing_path,
        metavar="RUN INPUT",
        help="the run or exported model that encodes, unless a server does; then "
        "one folder of records, or FITS files and folders of them",
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help="encode FITS files by stellar-tf serve at this address, such as "
        "http://127.0.0.1:8501, instead of by a run",
    )
    parser.add_argument(
        "--out",
        type=new_path,
        metavar="LATENTS",
        help="table to write: .parquet, .fits or .ecsv; default: latents.parquet in "
        "RUN, or here if no run encodes",
    )
    parser.add_argument(
        "--calibrated",
        action="store_true",
        help="multiply the posterior widths of stellar dimensions by what the run's "
        "analysis found from repeat visits",
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.run import Run, is_run

    if args.server is None and len(args.paths) < 2:
        raise UserError(f"{args.paths[0]}: name the run and then what to encode")
    if args.calibrated and args.server is not None:
        raise UserError("--calibrated: needs the analysis of a run, not a server")
    is_of_run = args.server is None and is_run(args.paths[0])
    out = args.out or Run(args.paths[0] if is_of_run else Path()).latents_path
    keep_freed_memory()
    progress = not args.quiet
    if args.server is None:
        from stellar_tf.api import encode

        run, *inputs = args.paths
        latents = encode(
            run,
            inputs,
            out=out,
            calibrated=args.calibrated,
            overwrite=args.overwrite,
            progress=progress,
        )
    else:
        from stellar_tf.serving.client import encode_remotely

        latents = encode_remotely(
            args.server,
            args.paths,
            out=out,
            overwrite=args.overwrite,
            progress=progress,
        )
    return _report(latents, out)


def _report(latents: Latents, out: Path) -> int:
    for path, reason in latents.rejects:
        print(f"{path}: {reason}", file=sys.stderr)
    n_rejected = len(latents.rejects)
    if not len(latents):
        print(f"no spectrum could be encoded; {n_rejected} files rejected")
        return EXIT_FAILED
    print(f"{len(latents)} spectra in {out}; {n_rejected} files rejected")
    n_flagged = int((latents.flags != 0).sum())
    if n_flagged:
        print(f"{n_flagged} spectra are flagged: see the column flags")
    return EXIT_REJECTS if n_rejected else EXIT_OK


COMMAND = Command(
    "encode",
    "write a table of latents",
    _add_options,
    _run,
    after_interruption="no table is written; the same command begins again",
    examples=(
        "run records",
        "run ~/harps --out latents.parquet",
    ),
)
