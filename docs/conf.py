"""How sphinx builds these pages; the command is ``make docs``."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]
# TensorFlow reports on the machine's devices at every start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Figures of the notebooks come with plotly.js.
os.environ["PLOTLY_RENDERER"] = "notebook"

project = "stellar-tf"
author = "the stellar-tf developers"
project_copyright = author
release = version = version_of("stellar-tf")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "command_line",
    "mathml",
    "settings",
]
templates_path = ["templates"]
exclude_patterns = ["build"]
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
# Bars, and what TensorFlow says of the machine.
nb_output_stderr = "remove"
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


def drop_mathjax(app: Sphinx, doctree: nodes.document) -> None:
    """
    Take MathJax, for which plotly's figures ask the network, out of a page.

    Parameters
    ----------
    app : Sphinx
        The build.
    doctree : nodes.document
        The page.
    """
    for node in doctree.findall(nodes.raw):
        html = re.sub(
            r'<script src="https://[^"]*/mathjax/[^>]*></script>', "", str(node[0])
        )
        node[0] = nodes.Text(html)


def setup(app: Sphinx) -> None:
    """
    Connect what is defined here.

    Parameters
    ----------
    app : Sphinx
        The build.
    """
    # Pages of what is no longer listed.
    shutil.rmtree(HERE / "api", ignore_errors=True)
    app.connect("doctree-read", drop_mathjax)
