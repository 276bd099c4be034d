"""The part of the page where a spectrum is chosen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

import numpy as np
import panel as pn

from stellar_tf.explore.controls import CHOOSE, build_button, build_upload, style
from stellar_tf.explore.explorer import Explorer, Subject
from tfrecords_tools.errors import UserError

N_FOUND = 50
"""Most spectra listed by a search."""


class Finder:
    """
    A search, two ways of being surprised, a way back and a field for files.

    Parameters
    ----------
    explorer : Explorer
        The run.
    start_from : callable
        Called with the spectrum that was chosen.
    """

    def __init__(
        self, explorer: Explorer, start_from: Callable[[Subject], None]
    ) -> None:
        self._explorer = explorer
        self._start_from = start_from
        self._rng = np.random.default_rng()
        self._n_unusual = 0
        self._past: list[Subject] = []
        self.text = pn.widgets.TextInput(
            label="Find a star or spectrum", placeholder="name or identifier", **style()
        )
        self.found = pn.widgets.Select(label="Found", **style())
        self.upload = build_upload(self.receive)
        self.back = build_button("Back", self.go_back, disabled=True)
        self.buttons = pn.FlexBox(
            build_button("Any star", self.pick_any),
            build_button("Next most unusual", self.pick_unusual),
            self.back,
        )
        """The buttons, side by side."""
        self.message = pn.pane.HTML("", **style())
        """Whether a file is taken, or what is wrong with it."""
        self.text.param.watch(lambda event: self.search(event.new), "value_input")
        self.found.param.watch(lambda event: self._choose(event.new), "value")
        self.search("")

    def search(self, text: str) -> None:
        """
        List the spectra that fit.

        Parameters
        ----------
        text : str
            A part of a name or identifier.
        """
        survey = self._explorer.survey
        rows = survey.find(text)
        names = {
            f"{survey.star[row]} · {survey.dp_id[row]}": int(row)
            for row in rows[:N_FOUND]
        }
        some = f", the first {N_FOUND}" if rows.size > N_FOUND else ""
        self.found.param.update(
            options={CHOOSE if names else "nothing found": -1, **names},
            value=-1,
            label=f"{rows.size:,} found{some}",
        )

    def take(self, subject: Subject, *, remember: bool = True) -> None:
        """
        Make a spectrum the start.

        Parameters
        ----------
        subject : Subject
            The spectrum.
        remember : bool, default True
            Whether the way back leads over it.
        """
        self.message.object = ""
        if remember:
            self._past.append(subject)
        self.back.disabled = len(self._past) < 2
        self._start_from(subject)

    def receive(self, name: str, content: bytes) -> None:
        """
        Make a file the start, or say why not.

        Parameters
        ----------
        name : str
            What the file is called.
        content : bytes
            FITS.
        """
        # Said before the file is read: what is scheduled waits until that is sent.
        self.message.object = f'<p role="status">Reading {escape(name)} …</p>'
        pn.state.execute(partial(self._read, name, content), schedule=True)

    def _read(self, name: str, content: bytes) -> None:
        try:
            subject = self._explorer.receive(name, content)
        except UserError as error:
            self.message.object = (
                f'<p role="alert" class="error">Not taken: {escape(str(error))}</p>'
            )
        else:
            self.take(subject)
            self.message.object = f'<p role="status">Taken: {escape(name)}</p>'

    def pick_any(self) -> None:
        """Make a spectrum drawn at random the start."""
        row = int(self._rng.integers(len(self._explorer.survey)))
        self.take(self._explorer.pick(row))

    def pick_unusual(self) -> None:
        """Make the most unusual spectrum the start; again: the next one."""
        order = self._explorer.survey.most_unusual
        row = int(order[self._n_unusual % order.size])
        self._n_unusual += 1
        self.take(self._explorer.pick(row))

    def go_back(self) -> None:
        """Make the spectrum before this one the start."""
        if len(self._past) > 1:
            self._past.pop()
            self.take(self._past[-1], remember=False)

    def _choose(self, row: int) -> None:
        if row >= 0:
            self.take(self._explorer.pick(row))
