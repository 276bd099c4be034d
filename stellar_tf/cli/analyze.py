"""``stellar-tf analyze``: which dimensions carry information, and about what."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from stellar_tf.cli.command import Command, print_table
from stellar_tf.cli.options import (
    EXIT_OK,
    add_overwrite_option,
    existing_path,
    new_path,
)
from stellar_tf.config import LABEL_SETTINGS
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    from astropy.table import Table

    from stellar_tf.analysis.analyze import AnalysisResult
    from stellar_tf.analysis.codes_alone import CodesResult


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
        help="table of known parameters, with a column dp_id, target or source_id, or "
        "with ra and dec; without it the labels of the records are used; for CODES.npy "
        "a row per code, in order",
    )
    parser.add_argument(
        "--truth",
        type=existing_path,
        metavar="TABLE",
        help="truth.ecsv of simulated spectra: scores the verdict against it",
    )
    parser.add_argument(
        "--out",
        type=new_path,
        metavar="FOLDER",
        help="for CODES.npy: folder of the tables; default: CODES_analysis",
    )
    parser.add_argument(
        "--set",
        dest="assignments",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change how tables are read and looked up, such as "
        "convert.missing_values=[-9999] (repeatable); "
        f"one of {', '.join(LABEL_SETTINGS)}",
    )
    add_overwrite_option(parser)


def _run(args: argparse.Namespace) -> int:
    run = _run_codes if args.source.suffix == ".npy" else _run_run
    return run(args)


def _run_run(args: argparse.Namespace) -> int:
    from stellar_tf.api.analysis import analyze

    if args.out is not None:
        raise UserError("--out: is for CODES.npy; that of a run is RUN/analysis")
    analysis = analyze(
        args.source,
        latents=args.latents,
        labels=args.labels,
        truth=args.truth,
        settings=args.assignments,
        save=True,
        overwrite=args.overwrite,
    )
    _print_verdict(analysis.result)
    _print_baselines(analysis.baselines)
    for note in analysis.notes:
        print(note)
    print(f"report: {analysis.report_path}")
    return EXIT_OK


def _run_codes(args: argparse.Namespace) -> int:
    from stellar_tf.api.analysis import analyze_codes

    for name in ("latents", "truth"):
        if getattr(args, name) is not None:
            raise UserError(f"--{name}: is for a run, not for codes alone")
    out = args.out or args.source.with_name(f"{args.source.stem}_analysis")
    result = analyze_codes(
        args.source,
        labels=args.labels,
        settings=args.assignments,
        out=out,
        overwrite=args.overwrite,
    )
    _print_dispersion(result)
    print(f"tables: {out}")
    return EXIT_OK


def _print_verdict(result: AnalysisResult) -> None:
    verdict, found = result.verdict, result.independence
    print(
        f"{found.n_independent} of {result.n_latent} dimensions are independently "
        f"informative ({found.n_low} to {found.n_high}); {verdict.n_informative} are "
        f"informative ({verdict.n_low} to {verdict.n_high})"
        + (f"; {result.n_factors} true factors" if result.n_factors else "")
    )
    informative = result.verdict_table[result.verdict_table["informative"]]
    columns = ["dimension", "kind", "information", "information_low", "added"]
    columns += ["independent", "repeats", "tracks", "tracks_mi"]
    if result.blocks:
        columns.insert(2, "block")
    print_table(informative[columns])
    print("each label and the dimension that follows it best, on held-out stars:")
    columns = ["label", "spearman_dimension", "spearman_held_out", "mi_held_out"]
    print_table(result.label_table[columns])


def _print_baselines(baselines: Table) -> None:
    if not len(baselines):
        return
    print("beside linear methods on the same spectra, |Spearman| on held-out stars:")
    print_table(baselines[["label", "single", "pca", "ica", "ridge", "ridge_pca"]])
    # Not imported for --help.
    from stellar_tf.report.captions import describe_baselines

    for sentence in describe_baselines(baselines):
        print(sentence)


def _print_dispersion(result: CodesResult) -> None:
    dispersed = result.dispersion_table[result.dispersion_table["mad_informative"]]
    print(
        f"{len(dispersed)} of {len(result.dispersion_table)} dimensions have a MAD "
        f"above the paper's threshold ({result.n_spectra} codes of {result.n_stars} "
        "stars); without posteriors no number of informative dimensions is claimed"
    )
    columns = ["dimension", "mad", "mad_low", "mad_high", "tracks", "tracks_mi"]
    print_table(dispersed[columns])
    for note in result.notes:
        print(note)
    for name, reason in result.unusable_labels.items():
        print(f"label left out: {name}: {reason}")


COMMAND = Command(
    "analyze",
    "write the verdict on the dimensions, tables and a report",
    _add_options,
    _run,
    examples=(
        "run",
        "run --labels labels.csv --overwrite",
        "run --truth fits/truth.ecsv",
    ),
)
