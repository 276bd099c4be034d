"""How sphinx builds these pages; the command is ``make docs``."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from types import GenericAlias
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]
# TensorFlow reports on the machine's devices at every start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "stellar-tf"
author = "the stellar-tf developers"
project_copyright = author
release = version = version_of("stellar-tf")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "command_line",
    "mathml",
    "settings",
]
templates_path = ["templates"]
exclude_patterns = ["build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
default_role = "py:obj"

autosummary_generate = True
autodoc_member_order = "bysource"
# Keras writes its docstrings otherwise.
autodoc_inherit_docstrings = False
# The types are in the docstrings, with shapes and units.
autodoc_typehints = "none"
autodoc_default_options = {"exclude-members": "model_config"}
# The extras need not be installed to read about them.
autodoc_mock_imports = [
    name
    for name in ("apache_beam", "kserve", "panel", "pyvo", "specutils", "torch")
    if find_spec(name) is None
]
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "stellar-tf"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["pages.css"]
# Pages without others below them.
html_sidebars = {"contributing": [], "index": [], "tutorial": []}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "paper_map": [], "settings": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}


def skip_aliases(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: Any
) -> bool | None:
    """
    Leave out names of types, which autodoc takes for classes and cannot describe.

    Parameters
    ----------
    app : Sphinx
        The build.
    what : str
        Kind of what holds the member.
    name : str
        The member's name.
    member : object
        The member.
    skip : bool
        Whether it would be left out anyway.
    options : Any
        Those of the directive.

    Returns
    -------
    skip : bool or None
        True for such a name; else None, which leaves the decision to others.
    """
    return True if isinstance(member, GenericAlias) else None


def forget_modules() -> None:
    """Remove the pages of modules that are no longer there."""
    for page in (HERE / "api").glob("*.rst"):
        module = HERE.parent.joinpath(*page.stem.split("."))
        if not module.is_dir() and not module.with_suffix(".py").is_file():
            page.unlink()


def setup(app: Sphinx) -> None:
    """
    Connect what is defined here.

    Parameters
    ----------
    app : Sphinx
        The build.
    """
    forget_modules()
    app.connect("autodoc-skip-member", skip_aliases)
