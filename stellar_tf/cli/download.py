"""``stellar-tf download``: spectra of the ESO archive."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_REJECTS,
    add_overwrite_option,
    at_least,
    written_path,
)
from tfrecords_tools.errors import UserError, ask_for_extra

if TYPE_CHECKING:
    from stellar_tf.archive.journal import Entry
    from stellar_tf.archive.query import Cone, Criteria

MOST_WORKERS = 8
_DEFAULT_RADIUS = 30.0
_ARCSEC_PER_DEGREE = 3600.0
_SHOWN = ("dp_id", "target", "ra", "dec", "snr", "program", "size", "state")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "out", type=written_path, metavar="OUT", help="folder for the files"
    )
    _add_criteria(parser)
    parser.add_argument(
        "--limit", type=at_least(1), metavar="N", help="take N spectra at most"
    )
    parser.add_argument(
        "--workers",
        type=at_least(1),
        default=2,
        metavar="N",
        help=f"files that come at the same time, {MOST_WORKERS} at most; default: 2",
    )
    parser.add_argument(
        "--tap", metavar="URL", help="TAP service to ask; default: ESO's"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be downloaded, and its size",
    )
    add_overwrite_option(parser)


def _add_criteria(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which spectra (all that is given must fit)")
    group.add_argument(
        "--instrument", default="HARPS", metavar="NAME", help="default: HARPS"
    )
    group.add_argument(
        "--target",
        dest="targets",
        action="append",
        default=[],
        metavar="NAME",
        help="as the archive writes it (repeatable: any of them)",
    )
    group.add_argument(
        "--ra", type=float, metavar="DEG", help="centre of a circle on the sky, ICRS"
    )
    group.add_argument("--dec", type=float, metavar="DEG")
    group.add_argument(
        "--radius",
        type=float,
        metavar="ARCSEC",
        help=f"its radius; default: {_DEFAULT_RADIUS:.0f}",
    )
    group.add_argument(
        "--program", metavar="ID", help="with the run, such as '072.C-0488(E)'"
    )
    group.add_argument(
        "--min-snr", type=float, metavar="X", help="least signal-to-noise ratio"
    )
    group.add_argument(
        "--since", metavar="DATE", help="earliest beginning, such as 2010-01-31"
    )
    group.add_argument("--until", metavar="DATE", help="latest beginning")


def _run(args: argparse.Namespace) -> int:
    if args.workers > MOST_WORKERS:
        raise UserError(
            f"--workers must be at most {MOST_WORKERS}, for the archive is everybody's"
        )
    criteria = _read_criteria(args)
    try:
        import pyvo  # noqa: F401 (only to see whether it is there)
    except ImportError:
        raise UserError(ask_for_extra("pyvo", "archive")) from None
    from stellar_tf.archive.download import Access, download, plan_download
    from stellar_tf.archive.products import ESO_TAP

    access = Access(args.tap or ESO_TAP, args.workers)
    if args.dry_run:
        entries = plan_download(args.out, criteria, access, limit=args.limit)
        _print_plan(entries)
        return EXIT_OK if entries else EXIT_FAILED
    entries = download(
        args.out,
        criteria,
        access,
        limit=args.limit,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    return _report(entries, args.out)


def _read_criteria(args: argparse.Namespace) -> Criteria:
    from stellar_tf.archive.query import Criteria

    return Criteria(
        instrument=args.instrument,
        targets=tuple(args.targets),
        program=args.program,
        cone=_read_cone(args),
        min_snr=args.min_snr,
        since=_read_date("--since", args.since),
        until=_read_date("--until", args.until),
    )


def _read_cone(args: argparse.Namespace) -> Cone | None:
    from stellar_tf.archive.query import Cone

    if args.ra is None and args.dec is None:
        if args.radius is not None:
            raise UserError("--radius needs --ra and --dec")
        return None
    if args.ra is None or args.dec is None:
        raise UserError("--ra and --dec go together")
    radius = _DEFAULT_RADIUS if args.radius is None else args.radius
    return Cone(args.ra, args.dec, radius / _ARCSEC_PER_DEGREE)


def _read_date(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    from astropy.time import Time

    try:
        return float(Time(text, scale="utc").mjd)
    except ValueError:
        raise UserError(
            f"{option} must be a date such as 2010-01-31, got {text}"
        ) from None


def _print_plan(entries: list[Entry]) -> None:
    from stellar_tf.archive.journal import tabulate
    from stellar_tf.cli.command import print_table

    if not entries:
        print("no spectrum fits")
        return
    print_table(tabulate(entries)[list(_SHOWN)])
    for state, word in (
        ("waiting", "to download"),
        ("private", "not public yet"),
        ("done", "there already"),
    ):
        sizes = [entry.size for entry in entries if entry.state == state]
        print(f"{len(sizes)} spectra {word}, {sum(sizes) / 1e6:.1f} MB")


def _report(entries: list[Entry], out: Path) -> int:
    from stellar_tf.archive.journal import TABLE_NAME

    if not entries:
        print("no spectrum fits")
        return EXIT_FAILED
    for entry in entries:
        if entry.state == "private":
            print(f"{entry.dp_id}: not public before {entry.released}")
        elif entry.state == "failed":
            print(f"{entry.dp_id}: {entry.reason}", file=sys.stderr)
    n = Counter(entry.state for entry in entries)
    print(
        f"{n['done']} spectra in {out}, {n['failed']} failed, {n['private']} not "
        f"public yet; see {out / TABLE_NAME}"
    )
    if n["failed"]:
        return EXIT_REJECTS if n["done"] else EXIT_FAILED
    return EXIT_OK


COMMAND = Command(
    "download",
    "bring spectra of the ESO archive",
    _add_options,
    _run,
    description="Exit status: 0 if every public spectrum is there, 3 if some failed, "
    "1 if all did or none fits.",
    after_interruption="the same command goes on",
    examples=('harps --target "HD 128621" --limit 10',),
)
