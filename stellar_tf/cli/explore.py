"""``stellar-tf explore``: a page to look at what the encoder learnt."""

from __future__ import annotations

import argparse
import importlib.util

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import EXIT_OK, existing_path, port


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "--records",
        type=existing_path,
        metavar="RECORDS",
        help="records with the observed spectra; default: those the run was fitted "
        "to, where they still are",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; default: %(default)s, this machine alone",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=5006,
        help="port to listen at, 0 for any that is free; default: %(default)s",
    )
    parser.add_argument("--show", action="store_true", help="open a browser, too")


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.run import Run
    from tfrecords_tools.errors import UserError, ask_for_extra

    if importlib.util.find_spec("panel") is None:
        raise UserError(ask_for_extra("Panel", "explore"))
    from stellar_tf.explore.explorer import Explorer
    from stellar_tf.explore.serve import build_server, name_url, run_server

    explorer = Explorer(Run(args.run_folder), args.records)
    server = build_server(explorer, args.host, args.port, show=args.show)
    print(f"{name_url(args.host, server.port)} (Ctrl-C ends it)", flush=True)
    run_server(server)
    return EXIT_OK


COMMAND = Command(
    "explore",
    "serve a page to move the latent dimensions and to find what is alike",
    _add_options,
    _run,
    description="Serve a page on which the informative dimensions of a spectrum are "
    "moved by sliders, and its nearest neighbours found. The run must be analysed.",
    examples=("run --show",),
)
