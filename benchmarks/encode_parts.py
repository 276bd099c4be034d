"""
Speed and memory of encoding in parts, as ratios measured in one run.

    python benchmarks/encode_parts.py [--n-spectra 384] [--rounds 3] [--memory]

The spectra are noise of full size in 8 shards, the network is that of
configs/default.yaml without training: neither time nor memory depends on that.
Every round times, one after the other, `encode_parts` with one worker and with two, and
what this machine's second core adds: one bare process that loads the model and encodes
all shards, and two that have half of them each, without parts, journal or engine. Each
way begins with the import of TensorFlow.

--memory prints instead the peak of one process that plans, encodes and writes 2,000
small spectra, and 200,000.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from timing import print_rates, ratio, time_in_turn

from stellar_tf.config import Config, load_config
from stellar_tf.config.recipe import complete_config
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.grid import Grid
from tfrecords_tools.records.layout import DATASET_NAME, write_index
from tfrecords_tools.records.manifest import Manifest, ShardInfo, SplitInfo
from tfrecords_tools.records.schema import RecordSchema
from tfrecords_tools.records.tfrecord import RecordWriter

N_SHARDS = 8
SMALL = (
    *("grid.wave_min=5160", "grid.wave_step=0.04", "grid.n_pixels=256"),
    "model.n_latent=4",
    "model.folded={folds: [8, 4, 4], channels: [8, 16, 16], kernels: [3, 1, 1]}",
)
BARE = """
import sys
from dataclasses import replace
from pathlib import Path
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
from stellar_tf.api.encoding import load_model
from tfrecords_tools.records.manifest import read_manifest
run, records, *shards = sys.argv[1:]
model, manifest = load_model(run), read_manifest(Path(records))
for i in map(int, shards):
    part = replace(manifest, shards=(manifest.shards[i],))
    for _ in model.encode_split(part, "train", 16, fill=True):
        pass
"""
MEMORY = """
import sys
from pathlib import Path
from stellar_tf.api.encoding import encode_parts
from tfrecords_tools.conversion.engine import local_engine
encode_parts(*sys.argv[1:], engine=local_engine(1), progress=False)
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


def make_run(folder: Path, config: Config) -> Path:
    """Write a network as it is before training."""
    from stellar_tf.network.model import build_autoencoder, save_autoencoder
    from stellar_tf.run import open_run

    origin = {"folder": "", "manifest_sha256": "", "n_spectra": {}}
    run = open_run(folder, config, origin)
    save_autoencoder(build_autoencoder(config), run)
    return folder


def make_records(folder: Path, grid: Grid, n_spectra: int, n_shards: int) -> Path:
    """Write records of noise: 16 spectra, again and again under other names."""
    folder.mkdir()
    schema = RecordSchema.with_labels(grid.n_pixels, [], "float32", with_errors=False)
    rng = np.random.default_rng(0)
    fluxes = rng.normal(100.0, 10.0, (16, grid.n_pixels)).astype(np.float32)
    plain = {
        feature.name: "" if feature.kind == "string" else 0.0
        for feature in schema.values
    }
    plain |= {"flux_scale": 1.0, "median_flux": 100.0}
    shards = []
    for k in range(n_shards):
        name = f"{DATASET_NAME}-train.tfrecord-{k:05}-of-{n_shards:05}"
        dp_ids = [f"ADP.{i:07}" for i in range(k, n_spectra, n_shards)]
        with RecordWriter(folder / name) as writer:
            for i, dp_id in enumerate(dp_ids):
                values = {**plain, "dp_id": dp_id, "star": dp_id}
                writer.write(schema.encode(fluxes[i % 16], values))
        write_index(writer.offsets, folder, name)
        shards.append(
            ShardInfo(
                file=name, split="train", count=len(dp_ids),
                n_bytes=writer.offsets[-1], sha256=writer.sha256, dp_ids=tuple(dp_ids),
            )
        )  # fmt: skip
    nothing = SplitInfo(n_spectra=0, stars=())
    Manifest(
        folder=folder, schema_version=1, grid=grid, config=ConvertConfig(),
        record_schema=schema, labels_file="", n_rejected=0,
        splits={
            "train": SplitInfo(n_spectra=n_spectra, stars=()),
            "validation": nothing, "test": nothing,
        },
        shards=tuple(shards), files={},
    ).write()  # fmt: skip
    return folder


def run_bare(run: Path, records: Path, shares: Sequence[Sequence[int]]) -> None:
    """Encode the shards of each share in a process of its own."""
    processes = [
        subprocess.Popen([sys.executable, "-c", BARE, run, records, *map(str, share)])
        for share in shares
    ]
    if any(process.wait() for process in processes):
        raise SystemExit("a bare process failed")


def measure_speed(work: Path, n_spectra: int, n_rounds: int) -> None:
    """Print rates and ratios."""
    from stellar_tf.api.encoding import encode_parts

    config = load_config("default")
    config = complete_config(config, config.grid, n_spectra=2000)
    run = make_run(work / "run", config)
    records = make_records(work / "records", config.grid, n_spectra, N_SHARDS)
    shards = range(N_SHARDS)

    def encode(n_workers: int) -> None:
        out = work / "out.parquet"
        encode_parts(run, records, out, workers=n_workers, progress=False)
        shutil.rmtree(out)

    ways: dict[str, Callable[[], None]] = {
        "1 worker": lambda: encode(1),
        "2 workers": lambda: encode(2),
        "1 bare": lambda: run_bare(run, records, [shards]),
        "2 bare": lambda: run_bare(run, records, [shards[::2], shards[1::2]]),
    }
    ways["1 bare"]()  # the disk's cache is warm
    seconds = time_in_turn(ways, n_rounds)
    print_rates(seconds, n_spectra)
    one, two, one_bare, two_bare = seconds.values()
    print("2 workers over 1     ", ratio(one, two))
    print("2 bare over 1        ", ratio(one_bare, two_bare))
    print("1 worker over 1 bare ", ratio(one_bare, one))
    print("2 workers over 2 bare", ratio(two_bare, two))


def measure_memory(work: Path) -> None:
    """Print the peaks of one process, with few spectra and with many."""
    config = load_config("default", SMALL)
    config = complete_config(config, config.grid, n_spectra=2000)
    run = make_run(work / "run", config)
    for n_spectra in (2_000, 200_000):
        n_shards = N_SHARDS if n_spectra > 2_000 else 1
        records = make_records(work / f"{n_spectra}", config.grid, n_spectra, n_shards)
        out = work / f"{n_spectra}.parquet"
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, run, records, out],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        print(f"peak memory with {n_spectra:7} spectra: {float(done.stdout):.0f} MiB")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--n-spectra", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as name:
        if args.memory:
            measure_memory(Path(name))
        else:
            measure_speed(Path(name), args.n_spectra, args.rounds)


if __name__ == "__main__":
    main()
