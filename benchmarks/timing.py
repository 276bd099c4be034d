"""Timing several ways of doing the same in turn, so that slow spells hit all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def time_in_turn(
    ways: Mapping[str, Callable[[], object]], n_rounds: int
) -> dict[str, list[float]]:
    """Time every way, round by round [s]."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(n_rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def print_rates(seconds: Mapping[str, list[float]], n_spectra: int) -> None:
    """Print the median and the extremes of each way's rates."""
    for name, times in seconds.items():
        rates = [n_spectra / t for t in times]
        print(
            f"{name:10} {statistics.median(rates):7.2f} spectra/s "
            f"({min(rates):.2f} to {max(rates):.2f})"
        )


def compare_with_torch(
    ways: Mapping[str, Callable[[], object]], n_spectra: int, n_rounds: int
) -> None:
    """Time "torch" and networks of ours; print rates and ratios."""
    for way in ways.values():
        way()  # traces, and allocates
    seconds = time_in_turn(ways, n_rounds)
    print_rates(seconds, n_spectra)
    for name in ways:
        if name != "torch":
            print(f"{name} over torch", ratio(seconds["torch"], seconds[name]))


def ratio(a: list[float], b: list[float]) -> str:
    """Format the median and the extremes of the rounds' ratios."""
    ratios = [x / y for x, y in zip(a, b, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
