from __future__ import annotations

from pathlib import Path

import pytest

from stellar_tf.config import Config, ConfigError
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run, RunError, is_run, lock_run, open_run

RECORDS = {"folder": "records", "manifest_sha256": "ab", "n_spectra": {"train": 3}}


def test_a_run_can_be_opened_again(tmp_path: Path, config: Config) -> None:
    run = open_run(tmp_path / "run", config, RECORDS)
    assert run.read_config() == config
    assert run.read_records() == RECORDS
    assert is_run(run.folder)
    assert open_run(tmp_path / "run", config, RECORDS) == run


def test_other_records(tmp_path: Path, config: Config) -> None:
    run = open_run(tmp_path / "run", config, RECORDS)
    run.model_path.touch()
    other = {**RECORDS, "manifest_sha256": "cd"}
    with pytest.raises(RunError, match="was fitted to other records"):
        open_run(tmp_path / "run", config, other)


def test_other_content(tmp_path: Path, config: Config) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RunError, match="exists and is not a run folder"):
        open_run(tmp_path, config, RECORDS)
    with pytest.raises(RunError, match="exists and is not a run folder"):
        open_run(tmp_path / "notes.txt", config, RECORDS)


def test_what_is_no_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert not is_run(tmp_path)
    with pytest.raises(RunError, match=r"not a run folder \(no config.yaml\)"):
        run.read_config()
    with pytest.raises(RunError, match=r"not a run folder \(no records.json\)"):
        run.read_records()
    with pytest.raises(RunError, match="has no model yet"):
        load_autoencoder(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\xff", "[" * 50_000])
def test_damaged_notes_of_the_records_are_told(
    text: str, tmp_path: Path, config: Config
) -> None:
    run = open_run(tmp_path / "run", config, RECORDS)
    run.records_path.write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match=r"records.json: is damaged"):
        run.read_records()


def test_settings_that_were_cut_do_not_become_defaults(
    tmp_path: Path, config: Config
) -> None:
    """Wherever the cut is: between two lines what is left is YAML."""
    run = open_run(tmp_path / "run", config, RECORDS)
    lines = run.config_path.read_text().splitlines(keepends=True)
    for n_lines in range(len(lines)):
        run.config_path.write_text("".join(lines[:n_lines]))
        with pytest.raises((ConfigError, RunError), match=r"config\.yaml: "):
            run.read_config()
    run.config_path.write_text("".join(lines))
    assert run.read_config() == config


def test_a_run_is_replaced_only_when_told_to(tmp_path: Path, config: Config) -> None:
    run = open_run(tmp_path / "run", config, RECORDS)
    run.history_path.touch()
    run.tensorboard.mkdir()
    (run.checkpoints / "step-000000001").mkdir(parents=True)
    other = {**RECORDS, "manifest_sha256": "cd"}
    open_run(tmp_path / "run", config, other, overwrite=True)
    assert run.read_records() == other
    assert sorted(tmp_path.rglob("*")) == [
        run.folder, run.config_path, run.records_path
    ]  # fmt: skip


def test_a_run_that_has_learnt_nothing_is_in_nobodys_way(
    tmp_path: Path, config: Config
) -> None:
    run = open_run(tmp_path / "run", config, RECORDS)
    run.history_path.touch()
    (run.checkpoints / "step-000000001.0.partial").mkdir(parents=True)
    other = {**RECORDS, "manifest_sha256": "cd"}
    open_run(run.folder, config, other)
    assert run.read_records() == other
    assert not run.history_path.exists()


def test_two_fits_in_one_folder(tmp_path: Path, config: Config) -> None:
    run = Run(tmp_path / "run")
    with lock_run(run):
        open_run(run.folder, config, RECORDS)
        with pytest.raises(RunError, match="another fit is under way"), lock_run(run):
            pass
        open_run(run.folder, config, RECORDS, overwrite=True)
        with pytest.raises(RunError, match="another fit is under way"), lock_run(run):
            pass


def test_a_run_killed_while_it_was_made_can_be_made_again(
    tmp_path: Path, config: Config
) -> None:
    run = open_run(tmp_path / "run", config, RECORDS)
    run.config_path.unlink()
    run.records_path.with_name("records.json.0.partial").touch()
    assert not is_run(run.folder)
    assert open_run(run.folder, config, RECORDS).read_config() == config
