"""
Speed of `stellar-tf convert`, as ratios measured in one run on the same files.

    python benchmarks/convert.py [--n-files 96] [--rounds 5] [--memory]

The files are simulated HARPS products of full size with all their header cards (each
under several names), read once before, so that the disk's cache is warm. Every round
times, one after the other,

- plain: what one would write without this project, a loop of astropy's open, the flux,
  twelve keywords and `tf.io.TFRecordWriter`;
- ceiling: reading the bytes, their SHA-256, and writing the bytes of the records;
- ours: `convert` with one process; and, on forty times as many files, with one and two;
- what the second core adds: the ceiling in one process and, shared out, in two.

Printed are medians over the rounds, and the medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from timing import ratio

KEYWORDS = (
    *("OBJECT", "INSTRUME", "RA", "DEC", "MJD-OBS", "EXPTIME", "SNR", "SPECSYS"),
    *("ESO DRS BERV", "ESO TEL AIRM START", "ESO OBS PROG ID", "DATE-OBS"),
)
N_ORIGINALS = 24
N_MANY = 40
MEMORY = """
import sys
from pathlib import Path
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.grid import Grid
convert([Path(sys.argv[1])], Path(sys.argv[2]), Grid(), ConvertConfig())
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""
"""Not `resource.getrusage`: its peak counts the parent's memory before exec."""


def simulate_files(folder: Path, n_files: int) -> None:
    """Write simulated products and read them once."""
    from stellar_tf.config import load_config
    from stellar_tf.simulator.simulate import simulate

    config = load_config("default", [f"simulate.n_stars={n_files}"])
    simulate(folder, config.simulate, seed=0, overwrite=False)
    for path in folder.glob("*.fits"):
        path.read_bytes()


def link_files(originals: Path, folder: Path, n_files: int) -> Path:
    """Give files many names: each is the identifier of another product."""
    paths = sorted(originals.glob("*.fits"))
    folder.mkdir()
    for i in range(n_files):
        os.link(paths[i % len(paths)], folder / f"ADP.{i}.fits")
    return folder


def convert_plainly(folder: Path, out: Path) -> None:
    """Do what one would write without this project."""
    import numpy as np
    import tensorflow as tf
    from astropy.io import fits

    with tf.io.TFRecordWriter(str(out)) as writer:
        for path in sorted(folder.glob("*.fits")):
            with fits.open(path) as hdus:
                flux = hdus[1].data["FLUX"][0].astype(np.float32)
                header = hdus[0].header
                values = {key: str(header.get(key, "")).encode() for key in KEYWORDS}
            values["flux"] = flux.tobytes()
            feature = {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in values.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def reach_ceiling(folder: Path, out: Path) -> None:
    """Do what no conversion can do without."""
    with out.open("wb") as stream:
        for path in sorted(folder.glob("*.fits")):
            content = path.read_bytes()
            hashlib.sha256(content).digest()
            stream.write(content[: 4 * 312_501 + 1_000])


def reach_ceilings(folders: list[Path], out: Path) -> None:
    """Reach it in one process for each folder."""
    out.mkdir()
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=reach_ceiling, args=(folder, out / folder.name))
        for folder in folders
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def convert_ours(folder: Path, out: Path, n_workers: int) -> None:
    """Convert with this project."""
    from tfrecords_tools.config import ConvertConfig
    from tfrecords_tools.conversion.convert import convert
    from tfrecords_tools.conversion.engine import local_engine
    from tfrecords_tools.grid import Grid

    engine = local_engine(n_workers)
    summary = convert([folder], out, Grid(), ConvertConfig(), engine=engine)
    if summary.n_rejected:
        raise SystemExit(f"{summary.n_rejected} files were rejected")


def time_rounds(
    ways: dict[str, Callable[[Path], None]], work: Path, n_rounds: int
) -> dict[str, list[float]]:
    """Time every way, round by round [s]."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(n_rounds):
        for name, way in ways.items():
            out = work / f"{name} {i}"
            started = time.perf_counter()
            way(out)
            seconds[name].append(time.perf_counter() - started)
            shutil.rmtree(out) if out.is_dir() else out.unlink()
    return seconds


def measure_memory(files: Path, work: Path) -> float:
    """Peak of a process that converts these files [MiB]."""
    out = work / "measured"
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(files), str(out)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    shutil.rmtree(out)
    return float(done.stdout)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--n-files", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--memory", action="store_true", help="also with 200 and with 5,000 files"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        originals, work = Path(name, "originals"), Path(name, "work")
        work.mkdir()
        simulate_files(originals, N_ORIGINALS)
        files = link_files(originals, Path(name, "some"), args.n_files)
        n_many = N_MANY * args.n_files
        many = link_files(originals, Path(name, "many"), n_many)
        halves = [
            link_files(originals, Path(name, f"half {i}"), n_many // 2) for i in (0, 1)
        ]
        ways: dict[str, Callable[[Path], None]] = {
            "plain": lambda out: convert_plainly(files, out),
            "ceiling": lambda out: reach_ceiling(files, out),
            "ours": lambda out: convert_ours(files, out, 1),
            # Workers take a second to start: more files, as in an archive.
            "ours, many": lambda out: convert_ours(many, out, 1),
            "2 workers, many": lambda out: convert_ours(many, out, 2),
            # What this machine's second core adds.
            "ceiling, many": lambda out: reach_ceiling(many, out),
            "2 ceilings, many": lambda out: reach_ceilings(halves, out),
        }
        time_rounds({name: ways[name] for name in ("plain", "ours")}, work, 1)
        seconds = time_rounds(ways, work, args.rounds)
        for way, times in seconds.items():
            n_files = args.n_files * (N_MANY if "many" in way else 1)
            print(f"{way:16} {n_files / statistics.median(times):7.1f} files/s")
        plain, ceiling, ours, one, two, one_ceiling, two_ceilings = seconds.values()
        print("(a) ours over plain, one core    ", ratio(plain, ours))
        print("(b) ours over the ceiling        ", ratio(ceiling, ours))
        print("(c) two workers over one         ", ratio(one, two))
        print("    two ceilings over one         ", ratio(one_ceiling, two_ceilings))
        if args.memory:
            for n_files in (200, 5_000):
                linked = link_files(originals, Path(name, f"{n_files}"), n_files)
                peak = measure_memory(linked, work)
                print(f"peak memory with {n_files:5} files: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
