"""Progress on stderr: a bar on a terminal and in notebooks, else a line a minute."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from time import monotonic

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

SECONDS_PER_LINE = 60.0


class ProgressLines:
    """
    Tell progress where nothing can be drawn, such as in the log of a scheduler.

    Parameters
    ----------
    description : str
        What is being done.
    total : int
        How many there are.
    """

    def __init__(self, description: str, total: int) -> None:
        self._description, self._total = description, total
        self._last = monotonic()
        self._first: tuple[float, int] | None = None

    def update(self, n_done: int, remark: str = "") -> None:
        """
        Write a line, if the last one was a minute ago.

        Parameters
        ----------
        n_done : int
            How many are done.
        remark : str, optional
            What else there is to say.
        """
        now = monotonic()
        if self._first is None:  # what was done before, and what starts slowly
            self._first = (now, n_done)
        if now - self._last < SECONDS_PER_LINE:
            return
        self._last = now
        parts = [f"{self._description}: {n_done} of {self._total}"]
        seconds, n_new = now - self._first[0], n_done - self._first[1]
        if n_new > 0:
            left = round((self._total - n_done) * seconds / n_new)
            parts += [f"{n_new / seconds:.3g}/s", f"{timedelta(seconds=left)} left"]
        parts += [remark] if remark else []
        print(", ".join(parts), file=sys.stderr, flush=True)


def can_draw(console: Console) -> bool:
    """Tell whether a bar is seen."""
    return bool(console.is_terminal or console.is_jupyter)


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
        Whether to show it. Where stderr is no terminal and no notebook that has
        ipywidgets, it is a line a minute.

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
    is_drawn = progress and can_draw(console)
    lines = ProgressLines(description, total) if progress and not is_drawn else None
    with Progress(*columns, console=console, disable=not is_drawn) as shown:
        task = shown.add_task(description, total=total, rejects="")
        n_all = n_rejects = 0

        def advance(n_done: int, n_rejected: int = 0) -> None:
            nonlocal n_all, n_rejects
            n_all += n_done
            n_rejects += n_rejected
            rejects = f"{n_rejects} rejected" if n_rejects else ""
            shown.update(task, advance=n_done, rejects=rejects)
            if lines is not None:
                lines.update(n_all, rejects)

        yield advance
