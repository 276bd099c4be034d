"""``stellar-tf analyze``: which dimensions carry information, and about what."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.cli.command import Command
from stellar_tf.cli.options import EXIT_OK, add_overwrite_option, existing_path
from stellar_tf.cli.printing import print_table

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import Table
    from numpy.typing import NDArray

    from stellar_tf.analysis.analyze import AnalysisResult
    from stellar_tf.report.contents import Provenance, Reconstructions
    from stellar_tf.run import Run

N_EXAMPLES = 3
"""Reconstructions in the report."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=existing_path,
        metavar="RUN|CODES.npy",
        help="run folder; or an array of latent means (n, n_latent) alone, of which "
        "less can be said",
    )
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
        "the labels of the records are used; for CODES.npy a row per code, in order",
    )
    parser.add_argument(
        "--truth",
        type=existing_path,
        metavar="TABLE",
        help="truth.ecsv of simulated spectra: scores the verdict against it",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="for CODES.npy: folder of the tables; default: CODES_analysis",
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    run = _run_codes if args.source.suffix == ".npy" else _run_run
    return run(args)


def _run_run(args: argparse.Namespace) -> int:
    from stellar_tf.analysis.analyze import analyze
    from stellar_tf.analysis.traversal import traverse
    from stellar_tf.analysis.writing import write_tables
    from stellar_tf.inference.decoding import build_decode
    from stellar_tf.report.write import write_report
    from stellar_tf.run import Run
    from stellar_tf.tables import join_labels, read_table
    from tfrecords_tools.errors import UserError

    if args.out is not None:
        raise UserError("--out: is for CODES.npy; that of a run is RUN/analysis")
    run = Run(args.source)
    config = run.read_config()
    report = run.report_path
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


def _run_codes(args: argparse.Namespace) -> int:
    from stellar_tf.analysis.codes_alone import analyze_codes
    from stellar_tf.analysis.writing import write_named
    from stellar_tf.config import AnalysisConfig
    from stellar_tf.tables import read_table
    from tfrecords_tools.errors import UserError

    for name in ("latents", "truth"):
        if getattr(args, name) is not None:
            raise UserError(f"--{name}: is for a run, not for codes alone")
    labels = None if args.labels is None else read_table(args.labels)
    result = analyze_codes(_load_codes(args.source), labels, AnalysisConfig())
    folder = args.out or args.source.with_name(f"{args.source.stem}_analysis")
    named = {
        "dispersion": result.dispersion_table,
        "associations": result.association_table,
    }
    write_named(named, folder, overwrite=args.overwrite)
    dispersed = result.dispersion_table[result.dispersion_table["mad_informative"]]
    print(
        f"{len(dispersed)} of {len(result.dispersion_table)} dimensions have a MAD "
        f"above the paper's threshold ({result.n_spectra} codes of {result.n_stars} "
        "stars); without posteriors no number of informative dimensions is claimed"
    )
    columns = ["dimension", "mad", "mad_low", "mad_high", "tracks", "tracks_mi"]
    print_table(dispersed[columns])
    for name, reason in result.unusable_labels.items():
        print(f"label left out: {name}: {reason}")
    print(f"tables: {folder}")
    return EXIT_OK


def _load_codes(path: Path) -> NDArray[np.floating]:
    import numpy as np

    from tfrecords_tools.errors import UserError

    try:
        codes: NDArray[np.floating] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise UserError(f"{path}: is no array of numbers saved by numpy") from None
    return codes


def _refuse_existing(report: Path, *, overwrite: bool) -> None:
    from tfrecords_tools.errors import UserError

    if report.exists() and not overwrite:
        raise UserError(f"{report}: exists; pass --overwrite to replace it")


def _factors(truth: Path | None, latents: Table) -> list[str]:
    from stellar_tf.config import Factors

    if truth is None:
        return []
    # The level of the noise changes no spectrum's expectation: there is nothing in
    # it that a reconstruction could follow.
    names = set(Factors.model_fields) - {"log_snr"}
    return [name for name in latents.colnames if name in names]


def _reconstruct(run: Run) -> Reconstructions:
    import numpy as np

    from stellar_tf.inference.decoding import reconstruct_examples
    from stellar_tf.report.contents import Reconstructions
    from tfrecords_tools.records.manifest import ManifestError, read_manifest

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
    print_table(informative[[*columns, "tracks_mi"]])
    print("each label and the dimension that follows it best, on held-out stars:")
    columns = ["label", "spearman_dimension", "spearman_held_out", "mi_held_out"]
    print_table(result.label_table[columns])


COMMAND = Command(
    "analyze",
    "write the verdict on the dimensions, tables and a report",
    _add_options,
    _run,
)
