"""The widgets of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import panel as pn
from panel.models.file_dropper import DeleteEvent, UploadEvent

from stellar_tf.explore.dimensions import MovableDimension
from stellar_tf.explore.upload import MAX_UPLOAD_MB

CHUNK_BYTES = 4_000_000
"""Of a file, sent in one message."""
MAX_CHUNKS = -(-MAX_UPLOAD_MB * 1_000_000 // CHUNK_BYTES)
CHOOSE = "choose …"
"""What a list shows before anything is chosen."""
N_STEPS = 200
"""Steps of a slider from end to end."""

WIDE = {"sizing_mode": "stretch_width", "margin": 0}
"""Parameters of what only holds others."""


def style() -> dict[str, Any]:
    """Build the parameters every widget shares."""
    templates = resources.files("stellar_tf.explore").joinpath("templates")
    sheet = templates.joinpath("widgets.css").read_text(encoding="utf-8")
    return {"stylesheets": [sheet], "sizing_mode": "stretch_width", "margin": (2, 4)}


class LimitedFileDropper(pn.widgets.FileDropper):
    """
    A field for one file, with limits the server keeps as well as the page.

    Parameters
    ----------
    **parameters
        Of the widget.
    """

    def _process_event(self, event: DeleteEvent | UploadEvent) -> None:
        if event.event_name == "upload_event":
            if not self._is_next(event.data):  # no page sends it
                return
            name = event.data["name"]
            n_chunks = 0 if event.data["chunk"] == 1 else len(self._file_buffer[name])
            if n_chunks >= MAX_CHUNKS:
                self._file_buffer[name] = []
                return
        super()._process_event(event)

    def _is_next(self, data: Any) -> bool:
        """Tell whether it is a piece of a file, and those before it have come."""
        kinds = {"name": str, "type": str, "chunk": int, "total_chunks": int}
        return (
            isinstance(data, dict)
            and all(isinstance(data.get(key), kind) for key, kind in kinds.items())
            and isinstance(data.get("data"), bytes)
            and (data["chunk"] == 1 or data["name"] in self._file_buffer)
        )


def build_sliders(
    dimensions: Sequence[MovableDimension], on_move: Callable[[], None]
) -> dict[int, pn.widgets.FloatSlider]:
    """
    Build a slider for each dimension.

    Parameters
    ----------
    dimensions : sequence of MovableDimension
        Those that can be moved.
    on_move : callable
        Called after a slider has moved.

    Returns
    -------
    sliders : dict of int to panel.widgets.FloatSlider
        By index of the dimension, over the range of the survey's spectra.
    """
    sliders = {}
    for d in dimensions:
        span = d.high - d.low or 1.0
        slider = PromptSlider(
            label=d.title, start=d.low, end=d.low + span, value=d.low,
            step=span / N_STEPS, format="0.00", **style(),
        )  # fmt: skip
        slider.param.watch(lambda _: on_move(), "value")
        sliders[d.index] = slider
    return sliders


class PromptSlider(pn.widgets.FloatSlider):
    """
    A slider that is answered at once.

    Parameters
    ----------
    **parameters
        Of the widget.
    """

    # Panel waits 50 ms for more; the page gathers moves itself.
    _debounce = 5


def build_grid(*items: Any, width: str) -> pn.Column:
    """
    Put widgets side by side, as many as the page has room for.

    Parameters
    ----------
    *items
        Widgets.
    width : str
        Least width of each, CSS.

    Returns
    -------
    grid : panel.Column
        Laid out by the browser.
    """
    sheet = (
        ":host { display: grid !important; align-items: end; grid-template-columns: "
        f"repeat(auto-fit, minmax(min({width}, 100%), 1fr)); }}"
        # Panel's own child of every column, which would take a place.
        ".scroll-button { display: none !important; }"
    )
    return pn.Column(*items, stylesheets=[sheet], **WIDE)


def build_button(name: str, act: Callable[[], None], **parameters: Any) -> Any:
    """
    Build a button.

    Parameters
    ----------
    name : str
        What it says.
    act : callable
        What it does.
    **parameters
        Of the widget.

    Returns
    -------
    button : panel.widgets.Button
        The widget.
    """
    given = {**style(), "sizing_mode": None, **parameters}
    button = pn.widgets.Button(label=name, **given)
    button.on_click(lambda _: act())
    return button


def build_upload(receive: Callable[[str, bytes], None]) -> LimitedFileDropper:
    """
    Build the field that takes a file.

    Parameters
    ----------
    receive : callable
        Called with the file's name and content.

    Returns
    -------
    field : LimitedFileDropper
        The widget.
    """
    field = LimitedFileDropper(
        label=f"Or your own spectrum (FITS, up to {MAX_UPLOAD_MB} MB)",
        multiple=False,
        max_file_size=f"{MAX_UPLOAD_MB}MB",
        chunk_size=CHUNK_BYTES,
        previews=[],
        layout="compact",
        **style(),
    )

    def take(event: Any) -> None:
        for name, content in event.new.items():
            receive(
                name, content.encode() if isinstance(content, str) else bytes(content)
            )

    field.param.watch(take, "value", onlychanged=False)
    return field
