"""``stellar-tf probe``: what frozen latents predict from few labels."""

from __future__ import annotations

import argparse

from stellar_tf.cli.command import Command, print_table
from stellar_tf.cli.options import (
    EXIT_OK,
    add_overwrite_option,
    at_least,
    existing_path,
)
from stellar_tf.config import LABEL_SETTINGS


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=existing_path, metavar="RUN")
    parser.add_argument(
        "--labels",
        type=existing_path,
        metavar="TABLE",
        help="table of known parameters, as for analyze; without it the labels of the "
        "records are used",
    )
    parser.add_argument(
        "--names",
        type=_words,
        default=(),
        metavar="LABEL,...",
        help="labels to predict; default: all with numbers, but for the exposure's",
    )
    parser.add_argument(
        "--sizes",
        type=_numbers,
        default=(10, 30, 100, 300, 1_000),
        metavar="N,...",
        help="numbers of labelled stars; default: 10,30,100,300,1000",
    )
    parser.add_argument(
        "--network-sizes",
        type=_numbers,
        metavar="N,...|none",
        help="those for which a network is trained with the labels, too, which takes "
        "most of the time; default: all",
    )
    parser.add_argument(
        "--draws",
        type=at_least(1),
        default=10,
        metavar="N",
        help="draws of labelled stars; default: 10",
    )
    _add_reading(parser)
    add_overwrite_option(parser)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--latents",
        type=existing_path,
        metavar="LATENTS",
        help="table of stellar-tf encode; default: RUN/latents.parquet",
    )
    parser.add_argument(
        "--set",
        dest="assignments",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change how the table is read and looked up, such as "
        "convert.missing_values=[-9999] (repeatable); "
        f"one of {', '.join(LABEL_SETTINGS)}",
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[int, ...]:
    if text == "none":
        return ()
    return tuple(at_least(5)(word) for word in _words(text))


def _run(args: argparse.Namespace) -> int:
    from stellar_tf.api.analysis import probe

    probes = probe(
        args.run_folder,
        labels=args.labels,
        names=args.names,
        sizes=args.sizes,
        network_sizes=args.network_sizes,
        n_draws=args.draws,
        latents=args.latents,
        settings=args.assignments,
        save=True,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    print("MAD on held-out stars, by the number of labelled stars:")
    print_table(probes.summary)
    for line in (*probes.sentences, *probes.notes):
        print(line)
    print(f"table: {probes.path}")
    print(f"curves: in the report that stellar-tf analyze {args.run_folder} writes")
    return EXIT_OK


COMMAND = Command(
    "probe",
    "say how well frozen latents predict labels, from few labelled stars",
    _add_options,
    _run,
    examples=(
        "run --labels labels.csv",
        "run --labels labels.csv --names teff,mh --sizes 30,300 --network-sizes 300",
        "run --labels labels.csv --network-sizes none --overwrite",
    ),
)
