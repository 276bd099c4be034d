"""Formulas as MathML, which browsers draw without a script or a network."""

from __future__ import annotations

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """
    Write a formula within a line.

    Parameters
    ----------
    translator : HTML5Translator
        Writer of the page.
    node : nodes.math
        The formula, in LaTeX.

    Raises
    ------
    nodes.SkipNode
        Always: nothing of it is left to write.
    """
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """
    Write a formula on a line of its own.

    Parameters
    ----------
    translator : HTML5Translator
        Writer of the page.
    node : nodes.math_block
        The formula, in LaTeX.

    Raises
    ------
    nodes.SkipNode
        Always: nothing of it is left to write.
    """
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """
    Register the renderer.

    Parameters
    ----------
    app : Sphinx
        The build.

    Returns
    -------
    metadata : dict
        That pages may be written in parallel.
    """
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
