"""Entry point: parses the command line and runs one command."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import select
import sys
from collections.abc import Sequence

from absl import app
from absl.flags import argparse_flags

from stellar_tf import __version__
from stellar_tf.cli import (
    analyze,
    compare,
    convert,
    demo,
    download,
    encode,
    explore,
    export,
    fit,
    import_torch,
    neighbours,
    probe,
    serve,
    simulate,
    verify,
)
from stellar_tf.cli.command import add_commands
from stellar_tf.cli.options import (
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    EXIT_UNREAD,
    EXIT_USER_ERROR,
)
from stellar_tf.cli.output import set_up_output
from stellar_tf.config.files import suggest
from tfrecords_tools.errors import UserError
from tfrecords_tools.interruption import Terminated, raise_on_sigterm

COMMANDS = tuple(
    module.COMMAND
    for module in (
        *(simulate, download, convert, verify, fit, import_torch),
        *(encode, analyze, probe, compare, neighbours, export, serve, explore, demo),
    )
)


def build_parser() -> argparse.ArgumentParser:
    """
    Build the parser of the whole command line.

    Returns
    -------
    parser : argparse.ArgumentParser
        With a subparser a command.
    """
    parser: argparse.ArgumentParser = argparse_flags.ArgumentParser(
        prog="stellar-tf",
        description="Weakly disentangled variational autoencoders for stellar spectra.",
        # absl's flags would make "--run" an ambiguous abbreviation.
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    add_commands(parser, COMMANDS)
    return parser


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """
    Parse the command line.

    Parameters
    ----------
    argv : sequence of str
        The command's name and its arguments.

    Returns
    -------
    args : argparse.Namespace
        With the `Command` as ``definition``, and what follows ``--`` as
        ``after_dashes`` for a command that passes it on.
    """
    parser, argv = build_parser(), list(argv)
    names = [command.name for command in COMMANDS]
    if argv and not argv[0].startswith("-") and argv[0] not in names:
        question = suggest(argv[0], names)
        parser.error(f"no command {argv[0]!r}, only {', '.join(names)}{question}")
    end = argv.index("--") if "--" in argv else len(argv)
    args = parser.parse_args(argv[:end])
    args.after_dashes = argv[end + 1 :]
    if args.after_dashes and not args.definition.takes_arguments_after_dashes:
        parser.error(f"{args.command} takes no arguments after --")
    return args


def run_command(argv: Sequence[str]) -> int:
    """Run one command in this process."""
    return _run(parse_arguments(argv))


def run() -> None:
    """Run the command of ``sys.argv`` and exit with its status."""
    _complete()
    raise_on_sigterm()
    app.run(_start, flags_parser=lambda argv: parse_arguments(argv[1:]))


def _complete() -> None:
    """Answer a shell that completes a line, and end; else do nothing."""
    if "_ARGCOMPLETE" in os.environ:
        # Only the shell's own call of it sets this, so it is installed.
        import argcomplete

        argcomplete.autocomplete(build_parser())


def name_flags(error: UserError) -> str:
    """
    Put the flags of the command line for the arguments that an error names.

    Parameters
    ----------
    error : UserError
        Its message speaks of arguments as Python has them.

    Returns
    -------
    message : str
        With ``--overwrite`` for ``overwrite=True``, ``--set`` for ``settings``.

    Examples
    --------
    >>> from stellar_tf.cli.main import name_flags
    >>> from tfrecords_tools.errors import UserError
    >>> name_flags(UserError("run: exists; pass overwrite=True to replace it"))
    'run: exists; pass --overwrite to replace it'
    """

    def as_flag(match: re.Match[str]) -> str:
        return "--" + match[1].replace("_", "-")

    message = re.sub(r"\b(\w+)=True\b", as_flag, str(error))
    return re.sub(r"^settings: ", "--set ", message)


def _start(args: argparse.Namespace) -> int:
    set_up_output(args)
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        status: int = args.definition.run(args)
        sys.stdout.flush()  # at the exit it would be too late to tell
    except UserError as error:
        print(f"stellar-tf {args.command}: {name_flags(error)}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt as error:
        is_terminated = isinstance(error, Terminated)
        what = "terminated" if is_terminated else "interrupted"
        after = args.definition.after_interruption
        print(f"stellar-tf {args.command}: {what}; {after}", file=sys.stderr)
        return EXIT_TERMINATED if is_terminated else EXIT_INTERRUPTED
    except Exception as error:  # only what the machine lacks is told, not a defect
        reason = find_lack(error)
        if isinstance(error, BrokenPipeError) and is_unread(sys.stdout.fileno()):
            _forget_stdout()
            return EXIT_UNREAD
        if reason is None:
            raise
        _forget_stdout()
        print(f"stellar-tf {args.command}: {reason}", file=sys.stderr)
        return EXIT_USER_ERROR
    return status


def is_unread(descriptor: int) -> bool:
    """Tell a pipe whose reader has ended, as head does, from any other file."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _forget_stdout() -> None:
    """Let Python not try again at the exit to write what it could not."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LACKS = (
    *(*_FULL, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.ENAMETOOLONG),
)


def find_lack(error: Exception) -> str | None:
    """
    Say what an error tells of the disk and the names on it.

    Parameters
    ----------
    error : Exception
        Any.

    Returns
    -------
    reason : str or None
        One line with the path, where the error has it; None for a defect.

    Examples
    --------
    >>> from stellar_tf.cli.main import find_lack
    >>> find_lack(OSError(28, "No space left on device", "run/model.keras"))
    'run/model.keras: No space left on device; the same command goes on from there'
    """
    # TensorFlow and HDF5 tell it in words of their own around these.
    full = next((t for t in map(os.strerror, _FULL) if t in str(error)), None)
    is_lack = isinstance(error, OSError) and error.errno in _LACKS
    if not (full or is_lack):
        return None
    path = getattr(error, "filename", None)
    reason = full or getattr(error, "strerror", "")
    hint = "; the same command goes on from there" if full else ""
    return f"{path}: {reason}{hint}" if path else f"{reason}{hint}"
