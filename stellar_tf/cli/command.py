"""What makes a command of the command line, and how one prints a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from stellar_tf.cli.output import add_output_options
from stellar_tf.config.files import suggest

if TYPE_CHECKING:
    from astropy.table import Table

_EXAMPLES = "examples:"


class Command(NamedTuple):
    """
    One command; each module of this package but the shared ones defines one.

    Notes
    -----
    The modules import TensorFlow, and all else that is slow, in their functions, so
    that ``--help`` answers at once.
    """

    name: str
    """As typed after ``stellar-tf``."""
    help: str
    """One line for the list of commands."""
    add_options: Callable[[argparse.ArgumentParser], None]
    """Adds the command's arguments to its parser."""
    run: Callable[[argparse.Namespace], int]
    """Runs it with the parsed arguments and returns the exit status."""
    description: str = ""
    """What its own help says on top; by default the one line."""
    after_interruption: str = "the same command begins again"
    """What is to be said when it was interrupted."""
    examples: tuple[str, ...] = ()
    """Command lines that its own help shows, without ``stellar-tf`` and the name."""
    takes_arguments_after_dashes: bool = False
    """Whether what follows ``--`` is passed on as ``args.after_dashes``."""


class Help(argparse.HelpFormatter):
    """Keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(_EXAMPLES):
            return text
        return super()._fill_text(text, width, indent)


class _CommandParser(argparse.ArgumentParser):
    """Takes options before, between and after the names of files."""

    _is_intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._is_intermixed:  # argparse comes back here for its two passes
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True
        try:
            found, others = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixed = False
        for option in (o.partition("=")[0] for o in others if o.startswith("--")):
            known = suggest(option, self._option_string_actions)
            self.error(f"no option {option}{known}")
        return found, others


def add_commands(parser: argparse.ArgumentParser, commands: Iterable[Command]) -> None:
    """
    Give a parser a subparser for each command.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        The command line's.
    commands : iterable of Command
        Each becomes ``definition`` of the arguments that name it.
    """
    # absl's own flags stay out of the commands' parsers.
    subparsers = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="COMMAND",
        parser_class=_CommandParser,
    )
    for command in commands:
        subparser = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.description or command.help,
            epilog=_list_examples(command),
            formatter_class=Help,
        )
        command.add_options(subparser)
        add_output_options(subparser)
        subparser.set_defaults(definition=command)


def _list_examples(command: Command) -> str:
    lines = (f"  stellar-tf {command.name} {example}" for example in command.examples)
    return "\n".join([_EXAMPLES, *lines])


def print_table(table: Table) -> None:
    """
    Print every row and column, numbers with three decimals.

    Parameters
    ----------
    table : astropy.table.Table
        What to print.
    """
    shown = table.copy()
    for column in shown.itercols():
        if column.dtype.kind == "f":
            column.format = ".3f"
    shown.pprint(max_lines=-1, max_width=-1)
