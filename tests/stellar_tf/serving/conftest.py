"""A real server in a process of its own, shared by the tests of this folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.run import Run
from stellar_tf.saved_model.export import export

ROOT = Path(__file__).parents[3]
REQUEST_SECONDS = 3
MAX_REQUEST_MIB = 1


class Server(NamedTuple):
    """Where it listens, and what it serves."""

    port: int
    grpc_port: int
    version: Path
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def start_server(models: Path, *options: str) -> Server:
    """Start the command and wait for the line that it prints when it is ready."""
    command = [
        sys.executable, "-c", "from stellar_tf.cli.main import run; run()",
        "serve", str(models), "--port", "0", "--grpc-port", "0", *options,
    ]  # fmt: skip
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "REST http://127.0.0.1:" in line, f"the server ended: {process.wait()}"
    port = int(line.split("127.0.0.1:")[1].split(",")[0])
    grpc_port = int(line.rsplit(":", 1)[1])
    return Server(port, grpc_port, models / "1", process)


@pytest.fixture(scope="session")
def models(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One version of the model of a few steps."""
    folder = tmp_path_factory.mktemp("models") / "small"
    export(run, folder)
    return folder


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[Server]:
    """The server, ended as an operator ends it."""
    server = start_server(
        models,
        *("--max-request-mib", str(MAX_REQUEST_MIB)),
        *("--request-seconds", str(REQUEST_SECONDS)),
        *("--allow-host", "allowed.example"),
    )
    yield server
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait() == 0
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.fixture(scope="session")
def signatures(models: Path) -> Any:
    """The same model in this process: the oracle."""
    return tf.saved_model.load(models / "1").signatures


@pytest.fixture(scope="session")
def flux() -> np.ndarray:
    """Eight spectra with bad pixels, in an odd unit."""
    random = np.random.default_rng(0)
    values = random.normal(300.0, 30.0, (8, 1000)).astype(np.float32)
    values[:, 40:60] = np.nan
    return values
