"""``stellar-tf encode``: latents of spectra."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stellar_tf.cli.command import Command
from stellar_tf.cli.engine import add_engine_options, choose_engine
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


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "%(prog)s [-h] [--out LATENTS] [--workers N | --engine beam] [--overwrite] "
        "(RUN | --server URL) INPUT ... [-- BEAM ...]"
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
        "RUN, or here if no run encodes; with --workers or --engine it is a folder of "
        "Parquet parts, NAME.parquet",
    )
    parser.add_argument(
        "--calibrated",
        action="store_true",
        help="multiply the posterior widths of stellar dimensions by what the run's "
        "analysis found from repeat visits",
    )
    add_engine_options(parser, "parts")
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.run import Run, is_run

    if args.server is None and len(args.paths) < 2:
        raise UserError(f"{args.paths[0]}: name the run and then what to encode")
    if args.calibrated and args.server is not None:
        raise UserError("--calibrated: needs the analysis of a run, not a server")
    is_of_run = args.server is None and is_run(args.paths[0])
    out = args.out or Run(args.paths[0] if is_of_run else Path()).latents_path
    if args.workers or args.engine or args.after_dashes:
        return _run_in_parts(args, out)
    keep_freed_memory()
    progress = not args.quiet
    if args.server is None:
        from stellar_tf.api.encoding import encode

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
    n_flagged = int((latents.flags != 0).sum())
    return _report(len(latents), n_flagged, latents.rejects, out)


def _run_in_parts(args: argparse.Namespace, out: Path) -> int:
    from stellar_tf.api.encoding import encode_parts
    from tfrecords_tools.conversion.engine import worker_engine

    if args.server is not None:
        raise UserError("--server: its spectra go into one table, without --workers")
    run, *inputs = args.paths
    summary = encode_parts(
        run,
        inputs,
        out,
        engine=choose_engine(args, out, worker_engine),
        calibrated=args.calibrated,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    rejects = [(reject.path, reject.reason) for reject in summary.rejects]
    return _report(summary.n_spectra, summary.n_flagged, rejects, out)


def _report(
    n_spectra: int, n_flagged: int, rejects: Sequence[tuple[Path, str]], out: Path
) -> int:
    for path, reason in rejects:
        print(f"{path}: {reason}", file=sys.stderr)
    if not n_spectra:
        print(f"no spectrum could be encoded; {len(rejects)} files rejected")
        return EXIT_FAILED
    print(f"{n_spectra} spectra in {out}; {len(rejects)} files rejected")
    if n_flagged:
        print(f"{n_flagged} spectra are flagged: see the column flags")
    return EXIT_REJECTS if rejects else EXIT_OK


COMMAND = Command(
    "encode",
    "write a table of latents",
    _add_options,
    _run,
    takes_arguments_after_dashes=True,
    after_interruption="the same command begins again, or with --workers goes on",
    examples=(
        "run records",
        "run ~/harps --out latents.parquet",
        "run records --workers 8",
        "run ~/harps --out latents.parquet --engine beam -- --runner=FnApiRunner",
    ),
)
