"""Every formula of the pages becomes MathML, with nothing of LaTeX left over."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from tests.docs.pages import ROOT, list_pages

PARSER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)


def list_formulas() -> Iterator[str]:
    for page in list_pages():
        for token in PARSER.parse((ROOT / page).read_text(encoding="utf-8")):
            for part in (token, *(token.children or ())):
                if part.type.startswith("math_"):
                    yield part.content


FORMULAS = sorted(set(list_formulas()))


def texts(formula: str) -> list[str]:
    return list(ElementTree.fromstring(convert(formula)).itertext())


def test_there_are_formulas() -> None:
    assert len(FORMULAS) > 30


@pytest.mark.parametrize("formula", FORMULAS)
def test_formula_is_understood(formula: str) -> None:
    assert not [text for text in texts(formula) if {"\\", "$"} & set(text)]


def test_a_command_that_is_not_known_is_noticed() -> None:
    assert any("\\" in text for text in texts(r"\unheardof x"))
