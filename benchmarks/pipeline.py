"""
Speed of the stream of training spectra, as ratios measured in one run.

    python benchmarks/pipeline.py [--n-files 960] [--rounds 5]

Simulated HARPS products of full size become records; every round times, one after the
other, on all cores,

- bare: `tf.data.TFRecordDataset` over the shards, which checks CRCs and no more;
- stream: the same number of spectra in the shuffled, normalised batches of `fit`, which
  goes on from round to round as in training;
- augmented: the same with velocity whitening and noise;
- training: the spectra that the `folded` network of configs/default.yaml takes in.

The disk's cache is warm. Printed are medians over the rounds, and the medians of the
rounds' ratios. Peak memory is that of a process that only streams.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from convert import link_files, simulate_files
from timing import print_rates, ratio, time_in_turn

N_ORIGINALS = 24
BATCH_SIZE = 8
N_TRAINED = 24
STREAM = """
import sys
from pathlib import Path
from stellar_tf.config import load_config
from stellar_tf.batches.dataset import TrainingStream
from tfrecords_tools.records.manifest import read_manifest
manifest = read_manifest(Path(sys.argv[1]))
stream = TrainingStream(manifest, load_config(None, ["training.batch_size=8"]))
for batch in stream.build().take(40):
    pass
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


def build_records(folder: Path, n_files: int) -> Path:
    """Convert simulated products under several names each."""
    from tfrecords_tools.config import ConvertConfig, SplitFractions
    from tfrecords_tools.conversion.convert import convert
    from tfrecords_tools.grid import Grid

    if not (folder / "originals").is_dir():
        simulate_files(folder / "originals", N_ORIGINALS)
    files = link_files(folder / "originals", folder / f"files {n_files}", n_files)
    split = SplitFractions(train=1.0, validation=0.0, test=0.0)
    records = folder / f"records {n_files}"
    convert([files], records, Grid(), ConvertConfig(split=split))
    return records


def read_barely(records: Path) -> int:
    """Read every record with TensorFlow."""
    import tensorflow as tf

    paths = sorted(str(path) for path in records.glob("spec-*"))
    return sum(1 for _ in tf.data.TFRecordDataset(paths))


def build_stream(records: Path, n_spectra: int, **changes: float) -> Callable[[], int]:
    """Begin a stream; the function returned takes as many spectra from it."""
    from stellar_tf.batches.dataset import TrainingStream
    from stellar_tf.config import load_config
    from tfrecords_tools.records.manifest import read_manifest

    settings = {f"dataset.{name}": value for name, value in changes.items()}
    config = load_config(None, {"training.batch_size": BATCH_SIZE, **settings})
    iterator = iter(TrainingStream(read_manifest(records), config).build())

    def take() -> int:
        for _ in range(n_spectra // BATCH_SIZE):
            next(iterator)
        return n_spectra

    return take


def build_training(records: Path) -> Callable[[], int]:
    """Prepare the network; the function returned trains on some spectra."""
    from functools import partial

    from stellar_tf.batches.dataset import TrainingStream
    from stellar_tf.config import load_config
    from stellar_tf.config.recipe import complete_config
    from stellar_tf.training.step import Trainer
    from stellar_tf.training.step_results import read_steps
    from stellar_tf.training.strategy import build_strategy
    from tfrecords_tools.records.manifest import read_manifest

    manifest = read_manifest(records)
    config = load_config(
        "default",
        ["objective.coarse_scales=[]", f"training.batch_size={BATCH_SIZE}"],
    )
    config = complete_config(config, manifest.grid, manifest.n_spectra("train"))
    trainer = Trainer(config, build_strategy("single"))
    build = partial(TrainingStream(manifest, config).build, 0)
    iterator = iter(trainer.strategy.distribute_datasets_from_function(build))

    def train() -> int:
        steps = range(N_TRAINED // BATCH_SIZE)
        read_steps([trainer.train_step(next(iterator), step) for step in steps])
        return N_TRAINED

    trainer.train_step(next(iterator), 0)  # traces
    return train


def measure_memory(records: Path) -> float:
    """Peak of a process that streams [MiB]."""
    done = subprocess.run(
        [sys.executable, "-c", STREAM, str(records)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--n-files", type=int, default=960)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        records = build_records(Path(name), args.n_files)
        augmentation = {"max_velocity_shift": 30.0, "noise": 0.01}
        ways: dict[str, Callable[[], int]] = {
            "bare": lambda: read_barely(records),
            "stream": build_stream(records, args.n_files),
            "augmented": build_stream(records, args.n_files, **augmentation),
            "training": build_training(records),
        }
        ways["bare"](), ways["stream"]()
        seconds = time_in_turn(ways, args.rounds)
        scale = args.n_files / N_TRAINED
        seconds["training"] = [scale * t for t in seconds["training"]]
        print_rates(seconds, args.n_files)
        print("stream over bare          ", ratio(seconds["bare"], seconds["stream"]))
        for way in ("stream", "augmented"):
            print(f"{way:9} over training  ", ratio(seconds["training"], seconds[way]))
        for n_files in (24, 960):
            peak = measure_memory(build_records(Path(name), n_files))
            print(f"peak memory with {n_files:4} spectra: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
