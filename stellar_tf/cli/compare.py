"""``stellar-tf compare``: which dimension of one run is which of another."""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import EXIT_OK, existing_path
from stellar_tf.cli.printing import print_table

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import Table
    from numpy.typing import NDArray


class _Analysed(NamedTuple):
    """A run that was analysed."""

    folder: Path
    latents: Table
    dimensions: NDArray[np.intp]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        type=existing_path,
        nargs="+",
        metavar="RUN",
        help="two or more run folders, each encoded and analysed on the same spectra",
    )


def _run(args: argparse.Namespace) -> int:
    from tfrecords_tools.errors import UserError

    if len(args.runs) < 2:
        raise UserError("compare needs two or more run folders")
    runs = [_read(folder) for folder in args.runs]
    scores = []
    for first, second in combinations(runs, 2):
        scores.append(_compare(first, second))
    print(f"stability, mean over {len(scores)} pairs of runs: {_mean(scores):.3f}")
    return EXIT_OK


def _read(folder: Path) -> _Analysed:
    import numpy as np
    from astropy.table import Table

    from stellar_tf.analysis.reading import VERDICT_NAME
    from stellar_tf.run import Run
    from stellar_tf.tables import read_table
    from tfrecords_tools.errors import UserError

    run = Run(folder)
    path = run.analysis / VERDICT_NAME
    if not path.is_file():
        raise UserError(f"{path}: is not there; run stellar-tf analyze {folder} first")
    verdict = Table.read(path)
    informative = np.asarray(verdict["dimension"][verdict["informative"]], np.intp)
    return _Analysed(folder, read_table(run.latents_path), np.sort(informative))


def _compare(first: _Analysed, second: _Analysed) -> float:
    import numpy as np
    from astropy.table import Table

    from stellar_tf.analysis.matching import match_dimensions
    from stellar_tf.analysis.stars import one_per_star
    from tfrecords_tools.errors import UserError

    ids, *rows = np.intersect1d(
        first.latents["dp_id"], second.latents["dp_id"], return_indices=True
    )
    if not ids.size:
        raise UserError(
            f"{first.folder} and {second.folder} have no spectrum in common"
        )
    star = np.asarray(first.latents["star"][rows[0]]).astype(np.str_)
    chosen = one_per_star(np.asarray(ids).astype(np.str_), star, seed=0)
    first_z, second_z = (
        np.asarray(run.latents["z_mean"])[row[chosen]]
        for run, row in zip((first, second), rows, strict=True)
    )
    matching = match_dimensions(first_z, second_z, first.dimensions, second.dimensions)
    print(
        f"{first.folder} ({len(first.dimensions)} informative) and {second.folder} "
        f"({len(second.dimensions)}): stability {matching.stability:.3f} on "
        f"{chosen.size} stars"
    )
    names = ("first", "second", "spearman")
    print_table(
        Table([matching.first, matching.second, matching.correlation], names=names)
    )
    return matching.stability


def _mean(scores: list[float]) -> float:
    import numpy as np

    return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")


COMMAND = Command(
    "compare",
    "match the informative dimensions of runs and score their stability",
    _add_options,
    _run,
)
