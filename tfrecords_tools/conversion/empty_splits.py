"""Splits that got no spectrum, and the setting that mends it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.scan import PlannedSpectrum
from tfrecords_tools.records.manifest import SplitInfo
from tfrecords_tools.split import SPLITS, Split, split_of

_N_SALTS = 100
_FEW_STARS = 10


def warn_of_empty_splits(
    totals: Mapping[Split, SplitInfo],
    spectra: Iterable[PlannedSpectrum],
    config: ConvertConfig,
) -> tuple[str, ...]:
    """
    Tell of splits without a spectrum.

    Parameters
    ----------
    totals : mapping of str to SplitInfo
        What each split got.
    spectra : iterable of PlannedSpectrum
        Those that were taken; they are not looked at if no split is empty.
    config : ConvertConfig
        How they were split.

    Returns
    -------
    lines : tuple of str
        One, with a setting that is known to mend it if there is one; empty if every
        split that is to have a share has a spectrum.
    """
    wanted = [split for split in SPLITS if getattr(config.split, split) > 0.0]
    empty = [split for split in wanted if not totals[split].n_spectra]
    if not empty or len(empty) == len(wanted):
        return ()
    stars = {star for total in totals.values() for star in total.stars}
    dp_ids = {spectrum.dp_id for spectrum in spectra}
    what = f"{len(dp_ids)} spectra of {len(stars)} star{'s' * (len(stars) != 1)}"
    mend = _find_mend(stars, dp_ids, wanted, config)
    verb = "is" if len(empty) == 1 else "are"
    return (f"{' and '.join(empty)} {verb} empty: {what}; {mend}",)


def _find_mend(
    stars: Collection[str],
    dp_ids: Collection[str],
    wanted: Sequence[Split],
    config: ConvertConfig,
) -> str:
    """Return a setting that fills all splits, tried out."""
    by_star = config.split_by == "star"
    if by_star and len(stars) < _FEW_STARS and _fills(dp_ids, wanted, config):
        return "--set convert.split_by=visit splits exposures, not stars"
    keys = stars if by_star else dp_ids
    for number in range(1, _N_SALTS + 1):
        salt = f"{config.split_salt}-{number}"
        if _fills(keys, wanted, config.model_copy(update={"split_salt": salt})):
            return f"--set convert.split_salt={salt} draws splits that are not"
    if by_star and _fills(dp_ids, wanted, config):
        return "--set convert.split_by=visit splits exposures, not stars"
    return "convert more, or give that split more by convert.split"


def _fills(
    keys: Collection[str], wanted: Sequence[Split], config: ConvertConfig
) -> bool:
    found = {split_of(key, config.split, config.split_salt) for key in keys}
    return found >= set(wanted)
