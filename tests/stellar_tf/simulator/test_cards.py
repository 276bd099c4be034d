from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from stellar_tf.simulator.cards import (
    Card,
    HeaderTemplate,
    Value,
    format_card,
    group,
    ones_complement_sum,
)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("EXTEND", True),
        ("NAXIS", 0),
        ("SNR", 23.35),
        ("TINY", -4.1e-17),
        ("OBJECT", "it's a star"),
        ("REFERENC", ""),
        ("ESO DRS BERV", -8.6859110031507),
        ("ESO TEL TARG NAME", "HD 1"),
        ("ESO DET WIN1 ST", False),
        ("ESO DRS CAL TH COEFF LL2", -4.1e-07),
    ],
)
def test_astropy_reads_what_is_written(keyword: str, value: Value) -> None:
    text = format_card(Card(keyword, value, "a comment"))
    card = fits.Card.fromstring(text)
    card.verify("exception")
    assert (card.keyword, card.value, card.comment) == (keyword, value, "a comment")


def test_long_comments_are_cut_and_commentary_has_no_value() -> None:
    assert len(format_card(Card("A", 1, "x" * 200))) == 80
    assert format_card(Card("COMMENT", "  words")).rstrip() == b"COMMENT   words"


def test_a_value_too_long_is_an_error() -> None:
    with pytest.raises(ValueError, match="OBJECT must fit into a card"):
        format_card(Card("OBJECT", "x" * 80))


def test_group_prefixes_the_keywords() -> None:
    assert group("ESO TEL", ("ID", 1, "c")) == [Card("ESO TEL ID", 1, "c")]


def test_fill_replaces_only_what_is_named() -> None:
    template = HeaderTemplate([Card("A", 1, "first"), Card("B", 2, "second")])
    header = fits.Header.fromstring(bytes(template.fill({"B": 5, "UNKNOWN": 1})))
    assert list(header.items()) == [("A", 1), ("B", 5)]
    assert header.comments["B"] == "second"
    assert len(template.fill({})) == 2880


def test_sum_of_words_carries_round() -> None:
    words = np.array([0xFFFFFFFF, 0x00000002, 0x80000000, 0x80000001], ">u4")
    total = int(words.astype(np.uint64).sum())
    assert ones_complement_sum(words.tobytes()) == (total & 0xFFFFFFFF) + (total >> 32)
