"""Several processes train as one."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stellar_tf.config import Config, write_config
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from stellar_tf.training.fit import fit
from stellar_tf.training.strategy import StrategyError, build_strategy
from tests.stellar_tf.settings import with_settings

COMMAND = "from stellar_tf.cli.main import run; run()"
TOLERANCE = 1e-4


def fifty_steps(config: Config, steps_per_epoch: int) -> Config:
    """Settings of as many steps; each epoch has a row in the history."""
    model = {"folded": {**config.model.folded.model_dump(), "displacement_scale": 2.0}}
    training = {
        "n_steps": 50, "steps_per_epoch": steps_per_epoch, "learning_rate": 3e-4
    }  # fmt: skip
    return with_settings(config, model=model, training=training)


@pytest.fixture(scope="module")
def settings(config: Config) -> Config:
    return fifty_steps(config, 5)


@pytest.fixture(scope="module")
def expected(
    settings: Config, records: Path, tmp_path_factory: pytest.TempPathFactory
) -> np.ndarray:
    folder = tmp_path_factory.mktemp("single") / "run"
    return read_history(fit(records, folder, settings, build_strategy("single")))


def read_history(run: Run) -> np.ndarray:
    with run.history_path.open(newline="") as stream:
        header, *rows = list(csv.reader(stream))
    kept = [header.index(n) for n in ("step", "loss", "flux_mae", "kl", "val_loss")]
    return np.array(rows, float)[:, kept]


def free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start_workers(arguments: list[str], n: int) -> list[subprocess.Popen[str]]:
    addresses = [f"127.0.0.1:{port}" for port in free_ports(n)]
    workers = []
    for index in range(n):
        cluster = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        environment = {**os.environ, "TF_CONFIG": json.dumps(cluster)}
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", COMMAND, *arguments],
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
    return workers


def run_workers(arguments: list[str], n: int) -> list[str]:
    workers = start_workers(arguments, n)
    outputs = [worker.communicate(timeout=400) for worker in workers]
    for worker, (_, errors) in zip(workers, outputs, strict=True):
        assert worker.returncode == 0, errors
    return [out for out, _ in outputs]


def test_two_workers_follow_the_single_curve(
    settings: Config, records: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    write_config(settings, tmp_path / "config.yaml")
    run_workers(
        ["fit", str(records), "--run", str(tmp_path / "run"), "--strategy",
         "multiworker", "--config", str(tmp_path / "config.yaml")],
        2,
    )  # fmt: skip
    found = read_history(Run(tmp_path / "run"))
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
    assert load_autoencoder(Run(tmp_path / "run"))


@pytest.mark.slow
def test_one_that_is_told_to_stop_stops_all_and_they_go_on(
    config: Config, records: Path, tmp_path: Path
) -> None:
    run, settings = Run(tmp_path / "run"), fifty_steps(config, 1)
    whole = fit(records, tmp_path / "whole", settings, build_strategy("single"))
    write_config(settings, tmp_path / "config.yaml")
    arguments = [
        "fit", str(records), "--run", str(run.folder), "--strategy", "multiworker",
        "--config", str(tmp_path / "config.yaml"),
    ]  # fmt: skip
    for told, n_rows in (([1], 2), ([0], 14), ([0, 1], 26)):
        workers = start_workers(arguments, 2)
        wait_for_rows(run, n_rows, workers)
        for index in told:
            workers[index].send_signal(signal.SIGTERM)
        outputs = [worker.communicate(timeout=400) for worker in workers]
        for worker, (_, errors) in zip(workers, outputs, strict=True):
            assert worker.returncode == 128 + signal.SIGTERM, errors
            assert "Traceback" not in errors
        (where,) = {
            re.findall(r"stopped after step (\d+) of", e)[0] for _, e in outputs
        }
        assert (run.checkpoints / f"step-{int(where):09d}").is_dir()
        assert n_rows <= int(where) < n_rows + 12
    run_workers(arguments, 2)
    np.testing.assert_allclose(read_history(run), read_history(whole), rtol=TOLERANCE)


def wait_for_rows(run: Run, n_rows: int, workers: list[subprocess.Popen[str]]) -> None:
    """Until so many epochs are done."""
    while all(worker.poll() is None for worker in workers):
        path = run.history_path
        if path.is_file() and path.read_bytes().count(b"\n") > n_rows:
            return
    raise AssertionError([worker.communicate()[1] for worker in workers])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--skip-corrupt"], "skip_corrupt works in one process only"),
        (["--minutes", "5"], "minutes works in one process only"),
    ],
)
def test_what_works_in_one_process_only(
    settings: Config, records: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    write_config(settings, tmp_path / "config.yaml")
    (worker,) = start_workers(
        ["fit", str(records), "--run", str(tmp_path / "run"), "--strategy",
         "multiworker", *options, "--config", str(tmp_path / "config.yaml")],
        1,
    )  # fmt: skip
    _, errors = worker.communicate(timeout=200)
    assert worker.returncode == 2
    assert message in errors
    assert not (tmp_path / "run").exists()


def test_mirrored_replicas_follow_it_too(
    settings: Config, records: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    run = fit(records, tmp_path / "run", settings, build_strategy("mirrored", 2))
    np.testing.assert_allclose(read_history(run), expected, rtol=TOLERANCE)


@pytest.mark.parametrize("text", ["", "{}", "no json", '{"cluster": {"worker": []}}'])
def test_without_a_cluster_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(StrategyError, match="needs the environment variable TF_CONFIG"):
        build_strategy("multiworker")
