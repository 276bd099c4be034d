"""``stellar-tf export``: the model as a SavedModel, and as a page of sliders."""

from __future__ import annotations

import argparse

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import (
    EXIT_OK,
    add_overwrite_option,
    existing_path,
    new_path,
)
from tfrecords_tools.errors import UserError


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "--out",
        type=new_path,
        metavar="MODELS/NAME",
        help="write a SavedModel: the next of the numbered versions in this folder",
    )
    parser.add_argument(
        "--page",
        type=new_path,
        metavar="PAGE.html",
        help="write one HTML file that needs no network: a slider for each "
        "informative dimension, and what it does to a spectrum; after analyze",
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    if args.out is None and args.page is None:
        raise UserError("give --out MODELS/NAME, --page PAGE.html or both")
    from stellar_tf.api.exporting import export, export_page

    # The page first: it is refused where a SavedModel is not.
    if args.page is not None:
        page = export_page(args.run_folder, args.page, overwrite=args.overwrite)
        print(f"page: {page}")
    if args.out is not None:
        print(f"SavedModel: {export(args.run_folder, args.out)}")
    return EXIT_OK


COMMAND = Command(
    "export",
    "write the model as a SavedModel, or as a page of sliders",
    _add_options,
    _run,
    examples=(
        "run --out models/harps",
        "run --page sliders.html",
    ),
)
