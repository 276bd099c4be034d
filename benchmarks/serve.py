"""
What the server adds to the model, and what reading adds to encoding files.

    python benchmarks/serve.py MODELS/NAME [--rounds 5] [--json]
        [--run RUN --fits FOLDER [--n-files 480]]

Every round times, one after the other, the same requests for `encode` in this process
(the SavedModel called directly) and through ``stellar-tf serve`` (a process of its own
on this machine): gRPC and REST with tensors as bytes, and with --json REST as
TensorFlow Serving has it. One request at a time gives the latency of one spectrum; 8
and 32 at a time, of one spectrum each, give the throughput, as do batches of 8 spectra.

Calls in this process are made in batches of as many spectra as are asked for at a time.
Printed are medians over the rounds with their ranges, and the rounds' ratios to the
calls in this process.

With --run, on FITS files read once before: reading alone (in one thread and in as many
as there are cores), encoding alone, and `stellar-tf encode RUN FILES`, less the time it
takes for the first batch alone: loading and tracing come once, however many files.

This process keeps freed memory as the commands do.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import requests
from kserve import InferInput, InferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from timing import print_rates, ratio, time_in_turn

from stellar_tf.network.model import load_autoencoder
from stellar_tf.serving.allocator import keep_freed_memory

if TYPE_CHECKING:
    from stellar_tf.run import Run

N_ASKED = 32
"""Spectra asked for in each round."""

Ask = Callable[[np.ndarray], object]
"""Encodes some spectra."""


@contextmanager
def start_server(models: Path) -> Iterator[tuple[str, str]]:
    """Serve; gives the addresses of REST and gRPC."""
    program = "from stellar_tf.cli.main import run; run()"
    command = [sys.executable, "-c", program, "serve", str(models)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    rest, grpc_place = line.split("REST ")[1].split(", gRPC ")
    try:
        yield rest, grpc_place
    finally:
        process.terminate()
        process.wait()


def ask_in_process(version: Path) -> Ask:
    """Call the SavedModel."""
    import tensorflow as tf

    encode = tf.saved_model.load(str(version)).signatures["encode"]
    return lambda flux: encode(flux=tf.constant(flux))["z_mean"].numpy()


def ask_grpc(place: str, name: str) -> Ask:
    """Call the server with tensors as bytes."""
    unlimited = [("grpc.max_send_message_length", -1)]
    stub = GRPCInferenceServiceStub(grpc.insecure_channel(place, options=unlimited))

    def ask(flux: np.ndarray) -> object:
        tensor = InferInput("flux", list(flux.shape), "FP32", flux)
        return stub.ModelInfer(InferRequest(name, [tensor]).to_grpc())

    return ask


def ask_rest(url: str) -> Ask:
    """Call the server with our client."""
    from stellar_tf.serving.client import Client

    client = Client(url)
    return lambda flux: client.encode(flux)["z_mean"]


def ask_json(url: str, name: str) -> Ask:
    """Call the server as TensorFlow Serving is called."""
    import orjson

    session = requests.Session()

    def ask(flux: np.ndarray) -> object:
        # NaN becomes null.
        body = orjson.dumps({"instances": flux}, option=orjson.OPT_SERIALIZE_NUMPY)
        answer = session.post(f"{url}/v1/models/{name}:predict", data=body)
        answer.raise_for_status()
        return answer.json()["predictions"]

    return ask


def make_flux(version: Path) -> np.ndarray:
    """Make spectra of the model's length, as noisy as real ones, with a gap."""
    from stellar_tf.saved_model.assets import read_settings

    n_pixels = int(read_settings(version)["grid"]["n_pixels"])
    random = np.random.default_rng(0)
    flux = random.normal(1e4, 300.0, (N_ASKED, n_pixels)).astype(np.float32)
    flux[:, n_pixels // 2 : n_pixels // 2 + n_pixels // 100] = np.nan
    return flux


def ask_at_a_time(ask: Ask, flux: np.ndarray, n: int, pool: ThreadPoolExecutor) -> None:
    """Ask for every spectrum, n requests at a time of one spectrum each."""
    rows = [flux[i : i + 1] for i in range(len(flux))]
    if n == 1:
        for row in rows:
            ask(row)
        return
    for _ in pool.map(ask, rows):
        pass


def ask_in_batches(ask: Ask, flux: np.ndarray, n: int) -> None:
    """Ask for every spectrum, n a request."""
    for i in range(0, len(flux), n):
        ask(flux[i : i + n])


def compare(
    here: Callable[[], object], there: dict[str, Callable[[], object]], n_rounds: int
) -> None:
    """Time, and print rates and what the server adds."""
    ways: dict[str, Callable[[], object]] = {"in process": here, **there}
    for way in ways.values():
        way()
    seconds = time_in_turn(ways, n_rounds)
    print_rates(seconds, N_ASKED)
    for name in there:
        print(f"  {name} over in process", ratio(seconds[name], seconds["in process"]))


def compare_servers(models: Path, n_rounds: int, with_json: bool) -> None:
    """Run the part on the server."""
    from stellar_tf.serving.versions import choose_versions

    (version,) = choose_versions(models, []).values()
    flux, here = make_flux(version), ask_in_process(version)
    with start_server(models) as (url, place):
        there = {"gRPC": ask_grpc(place, models.name), "REST": ask_rest(url)}
        if with_json:
            there["JSON"] = ask_json(url, models.name)
        for n in (1, 8, 32):
            print(f"{n} at a time, one spectrum a request")
            with ThreadPoolExecutor(n) as pool:
                compare(
                    lambda n=n: ask_in_batches(here, flux, n),
                    {
                        name: lambda ask=ask, n=n, pool=pool: ask_at_a_time(
                            ask, flux, n, pool
                        )
                        for name, ask in there.items()
                    },
                    n_rounds,
                )
        print("8 spectra a request, one request at a time")
        compare(
            lambda: ask_in_batches(here, flux, 8),
            {
                name: lambda ask=ask: ask_in_batches(ask, flux, 8)
                for name, ask in there.items()
                if name != "JSON"  # beyond the largest request
            },
            n_rounds,
        )


def compare_files(folder: Path, fits: Path, n_files: int, n_rounds: int) -> None:
    """Run the part on files."""
    from stellar_tf.run import Run
    from tfrecords_tools.conversion.inputs import discover

    run, paths = Run(folder), discover([fits])[:n_files]
    n_files = len(paths)
    ways = build_file_ways(run, paths)
    for way in ways.values():
        way()
    seconds = time_in_turn(ways, n_rounds)
    pairs = zip(seconds["encode"], seconds.pop("first batch"), strict=True)
    encode = seconds["encode"] = [total - first for total, first in pairs]
    print_rates(seconds, n_files - run.read_config().training.batch_size)
    one, every, model = (seconds[name] for name in ("read", "read, all", "model"))
    print("encode over the smaller ceiling, reading in one thread ", end="")
    print(ratio(list(map(max, one, model)), encode))
    print("encode over the smaller ceiling, reading in all threads", end=" ")
    print(ratio(list(map(max, every, model)), encode))
    print("encode over what these cores can do of both            ", end="")
    print(ratio([a + b for a, b in zip(every, model, strict=True)], encode))


def build_file_ways(run: Run, paths: list[Path]) -> dict[str, Callable[[], object]]:
    """Prepare reading alone, the model alone, and both as `encode` does, twice."""
    import os

    import tensorflow as tf

    from stellar_tf.batches.normalisation import normalise_flux
    from stellar_tf.inference.spectrum_model import SpectrumModel
    from tfrecords_tools.conversion.prepare import prepare_spectrum

    config = run.read_config()
    encoder = load_autoencoder(run).get_layer("encoder")
    spectrum_model = SpectrumModel.from_run(run)
    n_batch = config.training.batch_size

    @tf.function
    def network(flux: tf.Tensor, median: tf.Tensor) -> tf.Tensor:
        padded = normalise_flux(flux, config.grid, config.dataset.normalise, median)
        return encoder(padded.flux, training=False)["z_mean"]

    def read(path: Path) -> Any:
        return prepare_spectrum(path, config.grid, config.convert)

    some = [read(path) for path in paths[:n_batch]]
    flux = tf.constant(np.stack([one.flux for one in some]))
    median = tf.constant([one.median_flux for one in some], tf.float32)

    def read_in(n: int) -> None:
        with ThreadPoolExecutor(n) as pool:
            for path in paths[n_batch:]:
                pool.submit(read, path)

    def encode() -> None:
        for _ in range((len(paths) - n_batch) // n_batch):
            network(flux, median).numpy()

    return {
        "read": lambda: read_in(1),
        "read, all": lambda: read_in(len(os.sched_getaffinity(0))),
        "model": encode,
        "encode": lambda: spectrum_model.encode(paths),
        "first batch": lambda: spectrum_model.encode(paths[:n_batch]),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("models", type=Path, metavar="MODELS/NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="also REST with JSON")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--fits", type=Path)
    parser.add_argument("--n-files", type=int, default=480)
    args = parser.parse_args()
    keep_freed_memory()
    compare_servers(args.models, args.rounds, args.json)
    if args.run is not None and args.fits is not None:
        compare_files(args.run, args.fits, args.n_files, args.rounds)


if __name__ == "__main__":
    main()
