from __future__ import annotations

import numpy as np

from stellar_tf.simulator.checksum import ones_complement_sum


def test_sum_of_words_carries_round() -> None:
    words = np.array([0xFFFFFFFF, 0x00000002, 0x80000000, 0x80000001], ">u4")
    total = int(words.astype(np.uint64).sum())
    assert ones_complement_sum(words.tobytes()) == (total & 0xFFFFFFFF) + (total >> 32)
