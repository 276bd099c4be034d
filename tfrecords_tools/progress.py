"""Progress on stderr, silent where that is neither a terminal nor a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:.1f}/s")


def open_console() -> Console:
    """Open stderr, a terminal, a notebook or a file, for a bar."""
    # rich draws in notebooks with ipywidgets, and warns in each cell without it.
    has_widgets = find_spec("ipywidgets") is not None
    return Console(stderr=True, force_jupyter=None if has_widgets else False)


@contextmanager
def show_progress(
    description: str, total: int, progress: bool = True
) -> Iterator[Callable[..., None]]:
    """
    Show a bar with rate, rejects and time left while files are worked on.

    Parameters
    ----------
    description : str
        What is being done.
    total : int
        How many there are.
    progress : bool, default True
        Whether to show it; it never is where stderr is no terminal and no notebook
        that has ipywidgets.

    Yields
    ------
    advance : callable
        To be called with the number done and, of them, rejected.
    """
    console = open_console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TextColumn("{task.fields[rejects]}"),
        TimeRemainingColumn(),
    )
    is_seen = console.is_terminal or console.is_jupyter
    with Progress(
        *columns, console=console, disable=not (progress and is_seen)
    ) as shown:
        task = shown.add_task(description, total=total, rejects="")
        n_rejects = 0

        def advance(n_done: int, n_rejected: int = 0) -> None:
            nonlocal n_rejects
            n_rejects += n_rejected
            rejects = f"{n_rejects} rejected" if n_rejects else ""
            shown.update(task, advance=n_done, rejects=rejects)

        yield advance
