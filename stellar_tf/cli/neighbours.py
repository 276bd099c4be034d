"""``stellar-tf neighbours``: the spectra most like a given one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import EXIT_OK, add_overwrite_option, existing_path
from stellar_tf.cli.printing import print_table

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import Table
    from numpy.typing import NDArray

    from stellar_tf.run import Run


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "spectrum",
        metavar="SPECTRUM",
        help="identifier (dp_id) of one in the table of latents, or a FITS file",
    )
    parser.add_argument(
        "--count", type=int, default=10, metavar="N", help="neighbours; default: 10"
    )
    parser.add_argument(
        "--latents",
        type=existing_path,
        metavar="LATENTS",
        help="table of stellar-tf encode; default: RUN/latents.parquet",
    )
    parser.add_argument(
        "--out", type=Path, metavar="TABLE", help="table to write beside printing it"
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.analysis.files import read_analysis
    from stellar_tf.analysis.neighbours.retrieval import find_similar
    from stellar_tf.run import Run
    from stellar_tf.tables import check_table_path, read_table, write_table
    from tfrecords_tools.errors import UserError

    if args.count < 1:
        raise UserError(f"--count: must be at least 1, got {args.count}")
    if args.out is not None:
        check_table_path(args.out, overwrite=args.overwrite)
    run = Run(args.run_folder)
    latents = read_table(args.latents or run.latents_path)
    verdict = read_analysis(run.analysis, run.read_config().model.n_latent).verdict
    z_mean, dp_id = _look_up(args.spectrum, latents, run)
    similar = find_similar(latents, verdict, z_mean, args.count, dp_id=dp_id)
    print(f"{args.spectrum}: outlier score {similar.outlier_score:.2f} (1: in a crowd)")
    print_table(similar.neighbours)
    if args.out is not None:
        write_table(similar.neighbours, args.out, overwrite=args.overwrite)
    return EXIT_OK


def _look_up(
    spectrum: str, latents: Table, run: Run
) -> tuple[NDArray[np.floating], str]:
    """Return the posterior means and the identifier of a spectrum."""
    import numpy as np

    from tfrecords_tools.errors import UserError

    rows = np.flatnonzero(latents["dp_id"] == spectrum)
    if not rows.size and not Path(spectrum).is_file():
        raise UserError(
            f"{spectrum}: is neither a dp_id in the table of latents nor a file"
        )
    row = latents[rows[0]] if rows.size else _encode(Path(spectrum), run)[0]
    return np.asarray(row["z_mean"]), str(row["dp_id"])


def _encode(path: Path, run: Run) -> Table:
    from stellar_tf.inference.encoding import encode_files
    from tfrecords_tools.errors import UserError

    encoded = encode_files(run, [path])
    for _, reason in encoded.rejects:
        raise UserError(f"{path}: {reason}")
    return encoded.latents


COMMAND = Command(
    "neighbours",
    "list the spectra most like a given one",
    _add_options,
    _run,
)
