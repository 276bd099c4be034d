"""Which split a star goes to, and the order of records: stable hashes of names."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

from tfrecords_tools.config import SplitFractions

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


def split_of(star: str, fractions: SplitFractions, salt: str) -> Split:
    """
    Assign a star to a split.

    Parameters
    ----------
    star : str
        From `star_of`.
    fractions : SplitFractions
        Shares of the stars.
    salt : str
        Another salt draws other splits.

    Returns
    -------
    split : {"train", "validation", "test"}
        The same on every machine and whatever other stars there are.
    """
    digest = hashlib.blake2b(f"{salt}\0{star}".encode(), digest_size=8).digest()
    draw = int.from_bytes(digest) / 2**64
    upper = 0.0
    chosen: Split = "train"
    for split in SPLITS:
        share: float = getattr(fractions, split)
        upper += share
        if share > 0.0:
            chosen = split  # also where rounding leaves the sum just below 1
            if draw < upper:
                break
    return chosen


def order_key(dp_id: str) -> bytes:
    """Give the key by which records are ordered."""
    return hashlib.blake2b(dp_id.encode()).digest()
