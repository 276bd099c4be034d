from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stellar_tf.config import SHIPPED, Config, ConfigError, load_config, write_config
from tfrecords_tools.conversion.prepare import prepare_spectrum


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_shipped_settings_are_valid(name: str) -> None:
    assert load_config(name) == load_config(SHIPPED / f"{name}.yaml")


def test_shipped_settings_are_the_top_folder() -> None:
    top = Path(__file__).parents[3] / "configs"
    assert {p.name for p in SHIPPED.iterdir()} == {p.name for p in top.iterdir()}


def test_paper() -> None:
    config = load_config("paper")
    before, after = config.model.padding(config.grid.n_pixels)
    assert (before, after) == (7589, 7590)
    assert before + config.grid.n_pixels + after == 327_680 == 20 * 2**14
    assert config.objective.kl_weights[-1] == (20_000, 0.3)


@pytest.mark.parametrize(
    ("name", "kind", "step"),
    [
        ("default", "eso_adp", "shifted"),
        ("harpsn", "harpsn", "shifted"),
        ("espresso", "espresso", "resampled, conserving flux"),
        ("uves", "uves", "resampled, conserving flux"),
    ],
)
def test_real_files_fill_the_grid_of_their_instrument(
    real_data: Path, name: str, kind: str, step: str
) -> None:
    (path,) = (real_data / "real" / kind).iterdir()
    config = load_config(name)
    prepared = prepare_spectrum(path, config.grid, config.convert)
    assert prepared.history[-1] == step
    # What is missing is the gap between the detectors and flagged pixels.
    assert np.isfinite(prepared.flux).mean() > 0.98


def test_write_then_read(tmp_path: Path) -> None:
    config = load_config("demo", ["training.batch_size=8", "convert.aliases={A: B}"])
    write_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


def test_assignments_come_last(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("training: {batch_size: 4, seed: 3}\n")
    config = load_config(path, ["training.batch_size=8"])
    assert (config.training.batch_size, config.training.seed) == (8, 3)


def test_a_bare_no_is_no() -> None:
    bare = ["convert.store_errors=no", "objective.weight_by_errors=no"]
    config = load_config(None, bare)
    assert config.convert.store_errors == config.objective.weight_by_errors == "no"
    assert load_config(None, ['convert.store_errors="no"']).convert == config.convert


def test_settings_that_are_given_stay_the_only_ones() -> None:
    """`fit` fills what was left open."""
    given = load_config(None, ["training.seed=3"])
    again = load_config(given, ["training.batch_size=8"])
    assert again.training.model_fields_set == {"seed", "batch_size"}
    assert again.model_fields_set == {"training"}


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("# nothing\n")
    assert load_config(tmp_path / "c.yaml") == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {bach_size: 4}", r"c\.yaml: unknown key training\.bach_size"),
        ("training: {batch_size: many}", r"training\.batch_size: .* integer"),
        ("trainin: {}", "unknown key trainin"),
        ("training: 3", "training: "),
        ("- 1", "must hold a mapping of sections"),
        ("a: [", "is not valid YAML"),
        ("training: {seed: 1}\ntraining: {seed: 2}", "training is there twice"),
        ("training: {seed: 1, seed: 1}", "seed is there twice"),
        ("training: {n_steps: 2001-99-99}", "is not valid YAML .month must be in"),
        ("training: {n_steps: " + "9" * 6000 + "}", "is not valid YAML"),
        ("convert: {split: {train: 0.5}}", "train \\+ validation \\+ test must be 1"),
        ("simulate: {factors: {rv: {kind: normal, a: 0}}}", "b must be positive"),
        ("simulate: {factors: {rv: {kind: uniform, a: 1}}}", "b must exceed a"),
        ("model: {strided: {channels: [3]}}", "as many entries as channels, got 15"),
        ("model: {folded: {channels: [3]}}", "as many entries as folds, got 1 and 4"),
        ("objective: {kl_weights: [[5, 0.1]]}", "must rise in step from 0"),
        ("objective: {kl_weights: [[0, 1], [0, 1]]}", "must rise in step from 0"),
        ("objective: {kl_weights: [[0, -1.0]]}", "must not be negative"),
        ("objective: {kl_weights: [[0, .inf]]}", "should be a finite number"),
        ("simulate: {wave_step: .inf}", "simulate.wave_step: .* a finite number"),
        ("convert: {missing_values: [.nan]}", "should be a finite number"),
        ("simulate: {n_pixels: 99999999}", "n_pixels: .* less than or equal to 419"),
        ("grid: {n_pixels: 99999999}", "grid.n_pixels: .* less than or equal to 419"),
        ("model: {folded: {folds: [8, 0, 4, 4]}}", "folds.1: .* greater than or equal"),
        ("model: {folded: {n_basis: []}}", "n_basis must be one or more counts"),
        ("objective: {coarse_scales: [4, 2], coarse_end: 1}", "each of the 2 .* got 1"),
        ("model: {folded: {channels: [8]}}", "channels must have .* got 1 and 4"),
        ("model: {folded: {kernels: [1, 3]}}", "kernels must have .* got 2 and 4"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.batch_size", "must be given as key=value"),
        ("=3", "must be given as key=value"),
        ("training.seed=[", "is not a YAML value"),
        ("training={seed: 1, seed: 2}", "is not a YAML value"),
        ("training.seed=" + "9" * 6000, "'99.*9...' is not a YAML value"),
        ("training.seed.x=3", "training.seed.x: seed is not a section"),
        ("training.sed=3", r"^settings: unknown key training.sed; .* training.seed\?"),
        ("training.batchsize=3", "did you mean training.batch_size"),
        ("trainin={a: 1}", "unknown key trainin; did you mean training"),
        ("training.batch_size=x", "^settings: training.batch_size: "),
        ("training={batch_size: x}", "^settings: training.batch_size: "),
    ],
)
def test_mistakes_in_assignments(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, ["training.seed=1", assignment])


@pytest.mark.parametrize("marks", ["[]", "{}"])
def test_settings_without_bottom(marks: str, tmp_path: Path) -> None:
    deep = marks[0] * 5000 + marks[1] * 5000
    path = tmp_path / "deep.yaml"
    path.write_text(f"training: {deep}")
    with pytest.raises(ConfigError, match=r"deep.yaml: is nested too deep"):
        load_config(path)
    with pytest.raises(ConfigError, match="is not a YAML value") as caught:
        load_config(None, [f"training={deep}"])
    assert len(str(caught.value)) < 200


def test_the_blame_is_where_the_mistake_is(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("training: {batch_size: x, seed: 1}")
    with pytest.raises(ConfigError, match=r"^settings: training.batch_size: "):
        load_config(path, ["training.batch_size=y"])
    with pytest.raises(ConfigError, match=f"^{path}: training.batch_size: "):
        load_config(path, ["training.seed=2"])


def test_a_name_that_does_not_come_with_the_package(tmp_path: Path) -> None:
    shipped = "default, demo, .*, uves; did you mean demo"
    with pytest.raises(ConfigError, match=f"demoo: no such file, and .* {shipped}"):
        load_config("demoo")
    for path in ("demoo.yaml", "./demoo", str(tmp_path)):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "no.yaml")


def test_a_folder_does_not_hide_shipped_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()
    assert load_config("demo") == load_config(SHIPPED / "demo.yaml")
    Path("paper").write_text("training: {seed: 3}")
    assert load_config("paper").training.seed == 3
