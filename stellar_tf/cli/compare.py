"""``stellar-tf compare``: which dimension of one run is which of another."""

from __future__ import annotations

import argparse

from stellar_tf.cli.command import Command, print_table
from stellar_tf.cli.options import EXIT_OK, existing_path


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        type=existing_path,
        nargs="+",
        metavar="RUN",
        help="two or more run folders, each encoded and analysed on the same spectra",
    )


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.analysis.comparison import mean_stability
    from stellar_tf.api.analysis import compare

    comparisons = compare(*args.runs)
    for pair in comparisons:
        n_first, n_second = pair.n_informative
        print(
            f"{pair.first} ({n_first} informative) and {pair.second} ({n_second}): "
            f"stability {pair.matching.stability:.3f} on {pair.n_stars} stars, kernel "
            f"alignment {pair.alignment:.3f}, neighbours shared {pair.overlap:.3f}"
        )
        print_table(pair.table)
    mean = mean_stability(comparisons)
    print(f"stability, mean over {len(comparisons)} pairs of runs: {mean:.3f}")
    return EXIT_OK


COMMAND = Command(
    "compare",
    "match the informative dimensions of runs and score their stability",
    _add_options,
    _run,
    examples=("run1 run2 run3",),
)
