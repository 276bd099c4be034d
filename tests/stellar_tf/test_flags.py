from __future__ import annotations

from stellar_tf.flags import MEANINGS, UNUSABLE, Flag, explain_flags


def test_bits_are_apart_and_explained() -> None:
    assert sum(Flag) == 2 ** len(Flag) - 1
    assert list(MEANINGS) == list(Flag)
    assert UNUSABLE in Flag(sum(Flag))


def test_words_for_each_bit() -> None:
    assert explain_flags(0) == []
    assert explain_flags(5) == [
        "no pixel of the grid has a finite flux",
        "fewer than 50 % of the grid's pixels are valid",
    ]
