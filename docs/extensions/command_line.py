"""``command-line``: what ``--help`` of every command says, as it is now."""

from __future__ import annotations

import argparse

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from stellar_tf.cli.command import Help
from stellar_tf.cli.main import build_parser

WIDTH = 68
"""Columns of the help."""


class CommandLine(Directive):
    """A section for each command, with its help."""

    def run(self) -> list[nodes.Node]:
        """
        Write the sections.

        Returns
        -------
        sections : list of nodes.Node
            One a command, in the order of ``stellar-tf --help``.
        """
        parser = build_parser()
        (commands,) = (
            action.choices
            for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
        )
        return [self._section(name, command) for name, command in commands.items()]

    def _section(self, name: str, command: argparse.ArgumentParser) -> nodes.section:
        section = nodes.section(ids=[nodes.make_id(name)])
        command.formatter_class = _Formatter
        section += nodes.title("", "", nodes.literal(text=f"stellar-tf {name}"))
        section += nodes.literal_block(text=command.format_help(), language="none")
        return section


class _Formatter(Help):
    """Of one width, whatever the terminal's."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH)


def setup(app: Sphinx) -> dict[str, bool]:
    """
    Register the directive.

    Parameters
    ----------
    app : Sphinx
        The build.

    Returns
    -------
    metadata : dict
        That pages may be read in parallel.
    """
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
