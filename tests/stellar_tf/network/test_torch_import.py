"""The paper's network written in PyTorch, as an oracle for the import."""

from __future__ import annotations

import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
import torch

from benchmarks.paper_torch import PaperNetwork
from stellar_tf.cli.main import run_command
from stellar_tf.config import Config, load_config
from stellar_tf.network.model import load_autoencoder
from stellar_tf.network.torch_import import CheckpointError, import_torch
from stellar_tf.run import Run

N_PIXELS = 2 * 2**14
"""Of the test; the published one has 20 positions at the bottleneck instead of 2."""
ASSIGNMENTS = ["grid.n_pixels=32000", "model.n_latent=8"]
PADDING = (384, 384)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def network() -> PaperNetwork:
    torch.manual_seed(0)
    network = PaperNetwork(N_PIXELS, 8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2.0)  # PyTorch's own would leave nothing after 15 layers
    return network


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config("paper", ASSIGNMENTS)


@pytest.fixture(scope="module")
def checkpoint(network: PaperNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("torch") / "paper.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def run(checkpoint: Path, config: Config) -> Run:
    return import_torch(checkpoint, checkpoint.parent / "run", config)


def test_the_oracle_has_the_papers_size() -> None:
    network = PaperNetwork(327_680, 128)
    assert sum(p.numel() for p in network.parameters()) == 7_046_997


def test_outputs_are_those_of_pytorch(network: PaperNetwork, run: Run) -> None:
    rng = np.random.default_rng(1)
    flux = rng.normal(1.0, 0.3, (3, 32_000)).astype(np.float32)
    padded = np.pad(flux, ((0, 0), PADDING))
    autoencoder = load_autoencoder(run)
    posterior = autoencoder.get_layer("encoder")(flux)
    with torch.no_grad():
        z_mean, z_log_var = network.encode(torch.from_numpy(padded))
        decoded = network.decode(z_mean)[:, PADDING[0] : -PADDING[1]]
    for found, expected in (
        (posterior["z_mean"], z_mean),
        (posterior["z_log_var"], z_log_var),
        (autoencoder.get_layer("decoder")(z_mean.numpy()), decoded),
    ):
        expected = expected.numpy()
        assert expected.std() > 1e-3, "the comparison would say nothing"
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["nested", "parallel", "sequential predict0"])
def test_other_ways_to_save_the_same(
    network: PaperNetwork, run: Run, config: Config, tmp_path: Path, form: str
) -> None:
    state = network.state_dict()
    if form == "nested":
        state = {"state_dict": state, "epoch": 3}
    elif form == "parallel":
        state = {f"module.{name}": tensor for name, tensor in state.items()}
    else:
        state = {k.replace("predict0.", "predict0.0."): v for k, v in state.items()}
    torch.save(state, tmp_path / "paper.pth")
    found = load_autoencoder(
        import_torch(tmp_path / "paper.pth", tmp_path / "run", config)
    )
    expected: keras.Model = load_autoencoder(run)
    for a, b in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Malicious:
    def __reduce__(self):
        return (print, ("this ran",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda n: b"no checkpoint", "is no PyTorch checkpoint of tensors alone"),
        (lambda n: b"", "is no PyTorch checkpoint of tensors alone"),
        (lambda n: Malicious(), "is no PyTorch checkpoint of tensors alone"),
        (lambda n: [torch.zeros(3)], "holds no state dict"),
        (lambda n: {"a": 1}, r"is no checkpoint of the paper's network \(no conv1"),
        (
            lambda n: PaperNetwork(4 * 2**14, 8).state_dict(),
            r"fc11.weight has the shape \(8, 2048\), which is not .* \(8, 1024\)",
        ),
        (
            lambda n: {**n.state_dict(), "conv16.0.weight": torch.zeros(1)},
            "has layers unknown here: conv16.0.weight",
        ),
    ],
)
def test_anything_else_is_refused_in_one_line(
    network: PaperNetwork,
    config: Config,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content,
    message: str,
) -> None:
    path = tmp_path / "bad.pth"
    value = content(network)
    if isinstance(value, bytes):
        path.write_bytes(value)
    else:
        torch.save(value, path, pickle_module=pickle)
    with pytest.raises(CheckpointError, match=message) as caught:
        import_torch(path, tmp_path / "run", config)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert "this ran" not in capsys.readouterr().out


def test_command_line(checkpoint: Path, tmp_path: Path, capsys) -> None:
    sets = [f"--set={assignment}" for assignment in ASSIGNMENTS]
    command = ["import-torch", str(checkpoint), "--run", str(tmp_path / "run"), *sets]
    assert run_command(command) == 0
    assert run_command(command) == 2
    assert "exists; pass --overwrite" in capsys.readouterr().err
    assert run_command([*command, "--overwrite"]) == 0
    assert run_command([*command, "--overwrite", "--config", "default"]) == 2
    assert "use the settings of paper.yaml" in capsys.readouterr().err
    # What is refused leaves the old run alone.
    assert (
        run_command(["export", str(tmp_path / "run"), "--out", str(tmp_path / "a")])
        == 0
    )
