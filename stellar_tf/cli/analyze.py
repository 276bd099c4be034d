"""``stellar-tf analyze``: which dimensions carry information, and about what."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import EXIT_OK, add_overwrite_option, existing_path

if TYPE_CHECKING:
    from astropy.table import Table

    from stellar_tf.analysis.analyze import AnalysisResult
    from stellar_tf.report.contents import Provenance, Reconstructions
    from stellar_tf.run import Run

N_EXAMPLES = 3
"""Reconstructions in the report."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "--latents",
        type=existing_path,
        metavar="LATENTS",
        help="table of stellar-tf encode; default: RUN/latents.parquet",
    )
    parser.add_argument(
        "--labels",
        type=existing_path,
        metavar="TABLE",
        help="table of known parameters, with a column dp_id or target; without it "
        "the labels of the records are used",
    )
    parser.add_argument(
        "--truth",
        type=existing_path,
        metavar="TABLE",
        help="truth.ecsv of simulated spectra: scores the verdict against it",
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.analysis.analyze import analyze
    from stellar_tf.analysis.traversal import traverse
    from stellar_tf.analysis.writing import write_tables
    from stellar_tf.decoding import build_decode
    from stellar_tf.report.write import write_report
    from stellar_tf.run import Run
    from stellar_tf.tables import join_labels, read_table

    run = Run(args.run_folder)
    config = run.read_config()
    report = run.analysis / "report.html"
    _refuse_existing(report, overwrite=args.overwrite)
    latents = read_table(args.latents or run.latents_path)
    aliases = config.convert.aliases
    for table in (args.labels, args.truth):
        if table is not None:
            join_labels(latents, table, aliases)
    factors = _factors(args.truth, latents)
    result = analyze(latents, config.analysis, factors=factors)
    traversal = traverse(
        build_decode(run),
        config.grid.wave,
        result.stars["z_mean"],
        result.verdict.dimensions,
        n=config.analysis.n_traversal,
    )
    write_tables(result, run.analysis, traversal=traversal, overwrite=args.overwrite)
    write_report(
        result,
        report,
        traversals=traversal,
        reconstructions=_reconstruct(run),
        provenance=_provenance(run),
    )
    _print_verdict(result)
    print(f"report: {report}")
    return EXIT_OK


def _refuse_existing(report: Path, *, overwrite: bool) -> None:
    from tfrecords_tools.errors import UserError

    if report.exists() and not overwrite:
        raise UserError(f"{report}: exists; pass --overwrite to replace it")


def _factors(truth: Path | None, latents: Table) -> list[str]:
    from stellar_tf.simulator.config import Factors

    if truth is None:
        return []
    # The level of the noise changes no spectrum's expectation: there is nothing in
    # it that a reconstruction could follow.
    names = set(Factors.model_fields) - {"log_snr"}
    return [name for name in latents.colnames if name in names]


def _reconstruct(run: Run) -> Reconstructions:
    import numpy as np

    from stellar_tf.decoding import reconstruct_examples
    from stellar_tf.report.contents import Reconstructions
    from tfrecords_tools.manifest import ManifestError, read_manifest

    wave = run.read_config().grid.wave
    try:
        manifest = read_manifest(Path(run.read_records()["folder"]))
    except ManifestError:  # the records have been moved since: a report without them
        nothing = np.empty((0, wave.size), np.float32)
        return Reconstructions(wave, (), nothing, nothing)
    return Reconstructions(wave, *reconstruct_examples(run, manifest, N_EXAMPLES))


def _provenance(run: Run) -> Provenance:
    from stellar_tf import __version__
    from stellar_tf.report.contents import Provenance

    config = run.read_config()
    return Provenance(
        version=__version__,
        run=str(run.folder),
        manifest_sha256=run.read_records()["manifest_sha256"],
        seed=config.analysis.seed,
        splits=config.analysis.splits,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=run.config_path.read_text(encoding="utf-8"),
    )


def _print_verdict(result: AnalysisResult) -> None:
    verdict = result.verdict
    print(
        f"{verdict.n_informative} of {result.n_latent} dimensions are informative "
        f"({verdict.n_low} to {verdict.n_high})"
        + (f"; {result.n_factors} true factors" if result.n_factors else "")
    )
    informative = result.verdict_table[result.verdict_table["informative"]]
    columns = ["dimension", "kind", "information", "information_low", "tracks"]
    _print_table(informative[[*columns, "tracks_mi"]])
    print("each label and the dimension that follows it best, on held-out stars:")
    columns = ["label", "spearman_dimension", "spearman_held_out", "mi_held_out"]
    _print_table(result.label_table[columns])


def _print_table(table: Table) -> None:
    shown = table.copy()
    for column in shown.itercols():
        if column.dtype.kind == "f":
            column.format = ".3f"
    shown.pprint(max_lines=-1, max_width=-1)


COMMAND = Command(
    "analyze",
    "write the verdict on the dimensions, tables and a report",
    _add_options,
    _run,
)
