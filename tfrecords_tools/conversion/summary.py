"""What became of the inputs of a conversion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from tfrecords_tools.conversion.plan import ShardPlan
from tfrecords_tools.conversion.prepare import TOO_MANY_BAD, TOO_MANY_SPIKES
from tfrecords_tools.conversion.scan import PlannedSpectrum, Reject, Scan
from tfrecords_tools.conversion.shards import WrittenShard
from tfrecords_tools.labels.lookup import Labels
from tfrecords_tools.labels.sentinels import describe_sentinels
from tfrecords_tools.records.manifest import SplitInfo
from tfrecords_tools.split import SPLITS, Split

_N_LOOKED_INTO = 10_000
"""Spectra whose labels are in memory at once; what means unknown is frequent."""


class ConversionSummary(NamedTuple):
    """What became of the inputs."""

    n_taken: int
    n_rejected: int
    n_spectra: dict[Split, int]
    """Records by split."""
    n_stars: dict[Split, int]
    """Stars by split."""
    n_labelled: int
    """Records with a row in the label table."""
    n_ambiguous: int
    """Records whose rows in the label table differ, so that none was used."""
    label_notes: tuple[str, ...]
    """What the user should know of the labels, a line each; empty without any."""
    counts: Mapping[str, int]
    """Of the manifest: spectra of which something is taken for granted, by what."""
    passed_over: Mapping[str, int]
    """Files in the folders that are not read, by their ending."""
    warnings: tuple[str, ...]
    """What is to be mended, a line each."""


class Outcome(NamedTuple):
    """All spectra with what became of them; they are read whenever asked for."""

    scan: Scan
    plans: Sequence[ShardPlan]
    shards: Sequence[WrittenShard]
    """Of each plan."""

    def taken(self) -> Iterator[PlannedSpectrum]:
        """List the spectra that are in a shard, in the order of the records."""
        for plan, shard in zip(self.plans, self.shards, strict=True):
            dp_ids = set(shard.info.dp_ids)
            yield from (s for s in plan.spectra if s.dp_id in dp_ids)

    @property
    def rejects(self) -> list[Reject]:
        """What is in no shard."""
        return [
            *self.scan.rejects,
            *(r for shard in self.shards for r in shard.rejects),
        ]

    def totals(self) -> dict[Split, SplitInfo]:
        """
        Count spectra and list stars.

        Returns
        -------
        totals : dict of str to SplitInfo
            Of each split.
        """
        n_spectra: Counter[Split] = Counter()
        stars: dict[Split, set[str]] = {split: set() for split in SPLITS}
        for spectrum in self.taken():
            n_spectra[spectrum.split] += 1
            stars[spectrum.split].add(spectrum.star)
        return {
            s: SplitInfo(n_spectra=n_spectra[s], stars=tuple(sorted(stars[s])))
            for s in SPLITS
        }

    def counts(self) -> dict[str, int]:
        """
        Count spectra by what is taken for granted, bad or stored beside the flux.

        Returns
        -------
        counts : dict of str to int
            Those that are not zero.
        """
        counts = Counter(a.assumption for s in self.shards for a in s.assumptions)
        counts["with errors"] = sum(shard.n_with_errors for shard in self.shards)
        counts["with spikes"] = sum(shard.n_with_spikes for shard in self.shards)
        for reject in self.rejects:
            for reason in (TOO_MANY_SPIKES, TOO_MANY_BAD):
                counts[f"refused: {reason}"] += reject.reason.startswith(reason)
        return {name: n for name, n in sorted(counts.items()) if n}


def summarize(
    outcome: Outcome,
    totals: Mapping[Split, SplitInfo],
    labels: Labels | None,
    passed_over: Mapping[str, int],
    warnings: Iterable[str],
) -> ConversionSummary:
    """
    Sum up a conversion.

    Parameters
    ----------
    outcome : Outcome
        All spectra.
    totals : mapping of str to SplitInfo
        Its own.
    labels : Labels or None
        What is known beside.
    passed_over : mapping of str to int
        Files that are not read, by ending.
    warnings : iterable of str
        What is to be mended, a line each.

    Returns
    -------
    summary : ConversionSummary
        Numbers and lines for the user.
    """
    matches = (labels.match(s.dp_id) for s in outcome.taken()) if labels else ()
    n_matches = Counter(matches)
    return ConversionSummary(
        n_taken=sum(total.n_spectra for total in totals.values()),
        n_rejected=len(outcome.rejects),
        n_spectra={split: total.n_spectra for split, total in totals.items()},
        n_stars={split: len(total.stars) for split, total in totals.items()},
        n_labelled=n_matches["matched"],
        n_ambiguous=n_matches["ambiguous"],
        label_notes=(
            *(_describe_labels(outcome, labels) if labels else ()),
            *_describe_own_labels(outcome.scan),
        ),
        counts=outcome.counts(),
        passed_over=passed_over,
        warnings=tuple(warnings),
    )


def _describe_labels(outcome: Outcome, labels: Labels) -> tuple[str, ...]:
    lines = labels.describe({s.dp_id: s.star for s in outcome.taken()})
    lacking = (s for s in outcome.taken() if not s.has_position)
    n_filled = sum(spectrum.placed(labels).has_position for spectrum in lacking)
    if not n_filled:
        return lines
    given = f"gives ra and dec of {n_filled:,} spectra whose headers have none"
    return (*lines, f"{labels.path.name}: {given}")


def _describe_own_labels(scan: Scan) -> Iterator[str]:
    """Warn of numbers in catalogues of spectra that probably mean unknown."""
    columns: dict[str, list[float]] = {}
    for spectrum in islice(scan.spectra, _N_LOOKED_INTO):
        for name, value in spectrum.labels.items():
            if isinstance(value, float):
                columns.setdefault(name, []).append(value)
    line = describe_sentinels({n: np.array(v) for n, v in columns.items()})
    if line:
        yield f"labels of the files themselves: {line}"
