"""How the pages are filled in."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def build_environment() -> Environment:
    """
    Open the folder of the pages' templates.

    Returns
    -------
    environment : jinja2.Environment
        Escapes for HTML; a name that is not given is an error.
    """
    return Environment(
        loader=PackageLoader("stellar_tf.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embed_json(text: str) -> Markup:
    """Make JSON safe inside a script element."""
    return Markup(text.replace("<", "\\u003c"))
