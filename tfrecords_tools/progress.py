"""Progress on stderr, silent where that is neither a terminal nor a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def show_progress(
    description: str, total: int, progress: bool = True
) -> Iterator[Callable[[int, int], None]]:
    """
    Show a bar with rate, rejects and time left while files are worked on.

    Parameters
    ----------
    description : str
        What is being done.
    total : int
        Number of files.
    progress : bool, default True
        Whether to show it; it never is where stderr is no terminal and no notebook.

    Yields
    ------
    advance : callable
        To be called with the number of files done and, of them, rejected.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TextColumn("{task.fields[rejects]} rejected"),
        TimeRemainingColumn(),
    )
    is_seen = console.is_terminal or console.is_jupyter
    with Progress(
        *columns, console=console, disable=not (progress and is_seen)
    ) as shown:
        task = shown.add_task(description, total=total, rejects=0)
        n_rejects = 0

        def advance(n_files: int, n_rejected: int) -> None:
            nonlocal n_rejects
            n_rejects += n_rejected
            shown.update(task, advance=n_files, rejects=n_rejects)

        yield advance
