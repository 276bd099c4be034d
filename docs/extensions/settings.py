"""``settings``: every key of a settings file, with its default, as it is now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from stellar_tf.config import Config

WIDTHS = (28, 22, 50)
"""Shares of the table's columns."""


class Settings(Directive):
    """A section for each section of the settings, with a table of its keys."""

    def run(self) -> list[nodes.Node]:
        """
        Write the sections.

        Returns
        -------
        sections : list of nodes.Node
            One a section of `Config`, in its order.
        """
        return [
            self._section(name, type(getattr(Config(), name)))
            for name in Config.model_fields
        ]

    def _section(self, name: str, model: type[BaseModel]) -> nodes.section:
        section = nodes.section(ids=[nodes.make_id(name)])
        section += nodes.title("", "", nodes.literal(text=name))
        section += nodes.paragraph(text=(model.__doc__ or "").strip().split("\n")[0])
        section += _table([_row(*key) for key in _keys(name, model)])
        return section


def _keys(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Key, default and meaning of every field, those of inner sections too."""
    comments = ModuleAnalyzer.for_module(model.__module__).find_attr_docs()
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel) and not _is_value(default):
            yield from _keys(f"{prefix}.{name}", type(default))
        else:
            lines = comments.get((model.__name__, name), [])
            key, shown = f"{prefix}.{name}", _show(default, field)
            yield key, shown, " ".join(lines).replace("``", "").replace("`", "").strip()


def _is_value(default: BaseModel) -> bool:
    # What cannot be left out in part, such as a distribution, is given as a whole.
    return any(field.is_required() for field in type(default).model_fields.values())


def _show(default: Any, field: FieldInfo) -> str:
    if isinstance(default, BaseModel):
        inner = default.model_dump().items()
        return "{" + ", ".join(f"{key}: {value}" for key, value in inner) + "}"
    shown = json.dumps(default)
    choices = getattr(field.annotation, "__args__", ())
    if isinstance(default, str) and all(isinstance(c, str) for c in choices):
        others = [json.dumps(choice) for choice in choices if choice != default]
        shown = " or ".join([shown, *others])
    return shown


def _row(key: str, default: str, meaning: str) -> nodes.row:
    cells = (
        nodes.paragraph("", "", nodes.literal(text=key)),
        nodes.paragraph("", "", nodes.literal(text=default)),
        nodes.paragraph(text=meaning),
    )
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def _table(rows: list[nodes.row]) -> nodes.table:
    head = nodes.row(
        "",
        *(
            nodes.entry("", nodes.paragraph(text=title))
            for title in ("key", "default", "what")
        ),
    )
    group = nodes.tgroup("", cols=len(WIDTHS))
    group += [nodes.colspec(colwidth=width) for width in WIDTHS]
    group += [nodes.thead("", head), nodes.tbody("", *rows)]
    return nodes.table("", group, classes=["settings"])


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
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
