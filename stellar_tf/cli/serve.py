"""``stellar-tf serve``: the exported model as a service."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import EXIT_OK, at_least, existing_path, port
from stellar_tf.serving.allocator import keep_freed_memory
from tfrecords_tools.errors import UserError, ask_for_extra


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=_existing_folder,
        metavar="MODELS/NAME",
        help="folder of numbered versions, as stellar-tf export writes it",
    )
    parser.add_argument(
        "--version",
        dest="versions",
        type=at_least(0),
        action="append",
        default=[],
        metavar="N",
        help="serve this version, not the highest (repeatable: all of them)",
    )
    _add_address(parser)
    for option, default, what in (
        ("--max-request-mib", 64, "largest request, and largest answer"),
        ("--request-seconds", 60, "longest time for a request to arrive"),
        ("--max-batch", 32, "most spectra in one call of the model"),
    ):
        parser.add_argument(
            option,
            type=at_least(1),
            default=default,
            metavar="N",
            help=f"{what}; default: %(default)s",
        )


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for every one of this machine; there is no "
        "authentication; default: %(default)s, which only this machine reaches",
    )
    parser.add_argument(
        "--allow-host",
        dest="allowed_hosts",
        action="append",
        default=[],
        metavar="NAME",
        help="answer requests by this name too, such as that of a proxy (repeatable); "
        "those by an address or a name of this machine always are",
    )
    for option, default, what in (
        ("--port", 8501, "port of REST, 0 for any that is free"),
        ("--grpc-port", 8500, "port of gRPC, 0 for any that is free"),
    ):
        parser.add_argument(
            option,
            type=port,
            default=default,
            metavar="PORT",
            help=f"{what}; default: %(default)s",
        )


def _run(args: argparse.Namespace) -> int:
    _import_kserve()
    from stellar_tf.serving.serve import ServerSettings, serve

    settings = ServerSettings(
        host=args.host,
        port=args.port,
        grpc_port=args.grpc_port,
        max_bytes=args.max_request_mib * 2**20,
        request_seconds=args.request_seconds,
        max_batch=args.max_batch,
        allowed_hosts=args.allowed_hosts,
    )
    keep_freed_memory()
    serve(args.folder, args.versions, settings, lambda line: print(line, flush=True))
    return EXIT_OK


def _import_kserve() -> None:
    # KServe reads the command line when it is imported.
    argv, sys.argv = sys.argv, sys.argv[:1]
    try:
        import kserve  # noqa: F401 (only to see whether it is there)
    except ImportError:
        raise UserError(ask_for_extra("KServe", "serve")) from None
    finally:
        sys.argv = argv


def _existing_folder(text: str) -> Path:
    path = existing_path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: is not a folder")
    return path


COMMAND = Command(
    "serve",
    "answer requests with an exported model (REST and gRPC)",
    _add_options,
    _run,
    description="Answer requests with an exported model: TensorFlow Serving's REST "
    "protocol and the Open Inference protocol (REST and gRPC), by KServe. SIGINT or "
    "SIGTERM ends it when the requests under way are answered.",
    examples=(
        "models/harps",
        "models/harps --host 0.0.0.0 --port 8501",
    ),
)
