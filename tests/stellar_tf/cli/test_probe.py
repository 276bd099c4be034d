from __future__ import annotations

import pytest

from stellar_tf.analysis.files import read_probes
from stellar_tf.cli.main import run_command
from stellar_tf.run import Run


def test_scores_and_what_was_left_out_are_printed(
    labelled_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--sizes 10,2000 --network-sizes none --draws 2 -q"
    probe = ["probe", str(labelled_run.folder), *options.split()]
    assert run_command(probe) == 0
    printed = capsys.readouterr().out
    assert "label  unit features method    10 " in printed
    assert "mirror: 10 labelled stars with frozen latents (" in printed
    assert "label left out: spectral_type: text, not numbers" in printed
    assert "training stars, so that at most these are labelled, not 2,000" in printed
    path = labelled_run.analysis / "probes.ecsv"
    assert f"table: {path}" in printed
    assert set(
        read_probes(labelled_run.analysis, labelled_run.model_path)["n_draws"]
    ) == {2}
    assert run_command(probe) == 2
    assert f"{path}: exists; pass --overwrite" in capsys.readouterr().err
    assert run_command([*probe, "--names", "mirr"]) == 2
    assert run_command([*probe, "--names", "mirror", "--overwrite"]) == 0
