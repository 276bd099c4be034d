"""``stellar-tf demo``: the whole chain on simulated stars."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from stellar_tf.cli import analyze, convert, encode, export, fit, simulate
from stellar_tf.cli.command import Command, add_commands
from stellar_tf.cli.options import (
    EXIT_OK,
    add_config_options,
    add_overwrite_option,
    read_config,
    written_path,
)
from tfrecords_tools.errors import UserError

STEPS = tuple(
    module.COMMAND for module in (simulate, convert, fit, encode, analyze, export)
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "out", type=written_path, metavar="OUT", help="folder for everything"
    )
    add_config_options(parser)
    add_overwrite_option(parser)
    parser.set_defaults(config="demo")


def _run(args: argparse.Namespace) -> int:
    _claim(args)
    commands = _list_commands(args)
    left = [
        (argv, product)
        for argv, product in commands
        if args.overwrite or not product.exists()
    ]
    if not left:
        print(f"{args.out}: is done already, with these settings; --overwrite repeats")
        return EXIT_OK
    # The chain is the very command lines that a user would type.
    parser = argparse.ArgumentParser(prog="stellar-tf")
    add_commands(parser, STEPS)
    started = time.monotonic()
    for argv, product in left:
        if product.exists() and not args.overwrite:  # by an earlier one of them
            continue
        print(f"$ stellar-tf {shlex.join(argv)}", file=sys.stderr)
        before = time.monotonic()
        step = parser.parse_args(argv)
        step.after_dashes = []
        status: int = step.definition.run(step)
        print(f"({time.monotonic() - before:.0f} s)\n", file=sys.stderr)
        if status != EXIT_OK:
            return status
    what = "the whole chain" if len(left) == len(commands) else "the rest of it"
    print(f"{what} took {(time.monotonic() - started) / 60.0:.1f} minutes")
    return EXIT_OK


def _claim(args: argparse.Namespace) -> None:
    """Note the settings, and refuse a folder of other ones."""
    from stellar_tf.config import load_config, write_config

    config = read_config(args)
    noted = args.out / "settings.yaml"
    if noted.is_file() and not args.overwrite:
        known = load_config(noted)
        if known != config:
            differ = [
                f"{name}.{key}"
                for name, section in config
                for key, value in section
                if getattr(getattr(known, name), key) != value
            ]
            raise UserError(
                f"{args.out}: holds a demonstration with other settings "
                f"({', '.join(differ)}); choose another folder or pass overwrite=True"
            )
    if noted.is_file() and args.overwrite:
        # Cut short, what is left of the old settings would be taken for done.
        for name in ("models", "run", "records", "fits"):
            shutil.rmtree(args.out / name, ignore_errors=True)
    args.out.mkdir(parents=True, exist_ok=True)
    write_config(config, noted)


def _list_commands(args: argparse.Namespace) -> list[tuple[list[str], Path]]:
    """List name and arguments of each command, and what is there when it has run."""
    from stellar_tf.run import Run
    from stellar_tf.simulator.simulate import TRUTH_FILE

    out = args.out
    fits, records, folder = (out / name for name in ("fits", "records", "run"))
    run, truth, models = Run(folder), fits / TRUTH_FILE, out / "models" / "demo"
    encoded = run.latents_path
    settings = ["--config", args.config]
    for assignment in args.assignments:
        settings += ["--set", assignment]
    overwrite = ["--overwrite"] if args.overwrite else []
    overwrite += ["-q"] * args.quiet + ["-v"] * args.verbose
    workers = str(len(os.sched_getaffinity(0)))
    convert = [str(fits), "--out", str(records), "--labels", str(truth)]
    convert += ["--workers", workers]
    return [
        (["simulate", str(fits), *settings, *overwrite], truth),
        (["convert", *convert, *settings, *overwrite], records),
        # A run that was cut short has no latents yet: fit continues it.
        (["fit", str(records), "--run", str(folder), *settings, *overwrite], encoded),
        (["encode", str(folder), str(records), *overwrite], encoded),
        (["analyze", str(folder), "--truth", str(truth), *overwrite], run.report_path),
        (["export", str(folder), "--out", str(models)], models / "1"),
    ]


COMMAND = Command(
    "demo",
    "simulate, convert, fit, encode, analyze and export, in minutes",
    _add_options,
    _run,
    after_interruption="the same command goes on",
    examples=(
        "demo",
        "demo --set training.n_steps=2000",
    ),
)
