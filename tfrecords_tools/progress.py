"""Progress on stderr, silent where that is no terminal."""

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
    description: str, total: int, show: bool
) -> Iterator[Callable[[int, int], None]]:
    """
    Show a bar with rate, rejects and time left while files are read.

    Parameters
    ----------
    description : str
        What is being done.
    total : int
        Number of files.
    show : bool
        Whether to show it; it never is where stderr is no terminal.

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
    disable = not (show and console.is_terminal)
    with Progress(*columns, console=console, disable=disable) as progress:
        task = progress.add_task(description, total=total, rejects=0)
        n_rejects = 0

        def advance(n_files: int, n_rejected: int) -> None:
            nonlocal n_rejects
            n_rejects += n_rejected
            progress.update(task, advance=n_files, rejects=n_rejects)

        yield advance
