"""What commands show besides their results: warnings, and TensorFlow's notices."""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
from typing import NoReturn

from absl import logging as absl_logging

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_NOTICE = re.compile(
    rb"I\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: I |"
    rb"WARNING: All log messages before absl::InitializeLog|"
    rb"To enable the following instructions: |"
    rb"E\d{4} .* cuda_platform\.cc:\d+\] failed call to cuInit: .* \(303\)$"
)
"""Lines that libraries in C++ log for information; 303: there is no driver here."""


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """
    Add ``-q`` and ``-v``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        A command's parser.
    """
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument(
        "-q", "--quiet", action="store_true", help="show errors, not progress"
    )
    how_much.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show all that is logged, TensorFlow's notices among it",
    )


def set_up_output(args: argparse.Namespace) -> None:
    """
    Show as much on stderr as was asked for.

    Parameters
    ----------
    args : argparse.Namespace
        With the options of `add_output_options`.
    """
    # As the only process of a container this one must wait for no other.
    if not args.verbose and os.getpid() != 1:
        leave_out_notices()
    level = absl_logging.INFO if args.verbose else absl_logging.WARNING
    absl_logging.set_verbosity(absl_logging.ERROR if args.quiet else level)
    handler = absl_logging.get_absl_handler()
    handler.python_handler.setStream(sys.stderr)
    # What is logged is a plain line: absl would put a head before it.
    handler.setFormatter(logging.Formatter("%(message)s"))


def leave_out_notices() -> None:
    """
    Leave out of stderr what libraries in C++ log for information.

    Notes
    -----
    TensorFlow has no setting for it: 2.21 logs of CUDA and oneDNN whatever
    TF_CPP_MIN_LOG_LEVEL says. All other lines come through, by a process of its own, so
    that those before a crash do, too. What Python writes goes its way directly.
    """
    reading, writing = os.pipe()
    shown = os.dup(_STDERR)
    if os.fork() == 0:
        os.close(writing)
        _pass_on(reading, shown)
    os.close(reading)
    os.dup2(writing, _STDERR)
    os.close(writing)
    sys.stderr = os.fdopen(shown, "w", 1, sys.stderr.encoding, "backslashreplace")


def _pass_on(reading: int, shown: int) -> NoReturn:
    """Write what comes, but for the notices, until the last writer has ended."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for descriptor in (_STDIN, _STDOUT, _STDERR):  # others wait for their ends
            os.close(descriptor)
        with os.fdopen(reading, "rb") as lines:
            for line in lines:
                if not _NOTICE.match(line):
                    os.write(shown, line)
    finally:
        os._exit(os.EX_OK)
