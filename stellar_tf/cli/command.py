"""What makes a command of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple


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
    takes_arguments_after_dashes: bool = False
    """Whether what follows ``--`` is passed on as ``args.after_dashes``."""
