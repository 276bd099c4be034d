"""The names of `stellar_tf`, and that they cost nothing before they are used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

import stellar_tf as st
from stellar_tf.run import Run, RunError
from stellar_tf.saved_model.assets import ModelError
from tfrecords_tools.durable import PARTIAL_SUFFIX, partial_path
from tfrecords_tools.lock import BusyError, writing

HEAVY = ("tensorflow", "keras", "numpy", "astropy", "pydantic", "sklearn")


def test_every_public_name_is_there() -> None:
    assert {"fit", "load_model", "encode", "analyze", "Config"} <= set(st.__all__)
    for name in st.__all__:
        assert getattr(st, name).__name__ == name
    assert set(st.__all__) <= set(dir(st))
    with pytest.raises(AttributeError, match="has no attribute 'fly'"):
        st.fly  # noqa: B018 (the access is what is tested)


def test_the_stub_names_the_same() -> None:
    stub = Path(st.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    names = [
        alias.asname
        for node in ast.walk(ast.parse(stub))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(str(name) for name in names) == sorted(st.__all__)


def test_importing_it_imports_nothing_heavy() -> None:
    program = (
        "import sys, stellar_tf as st; "
        f"print([name for name in {HEAVY} if name in sys.modules]); "
        "st.fit, st.analyze, st.load_config, st.compare; "
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["[]", "False"]


@pytest.mark.parametrize(("told", "expected"), [(None, "1"), ("0", "0")])
def test_onednn_is_asked_for_unless_it_is_told_not_to_be(
    told: str | None, expected: str
) -> None:
    name = "TF_ENABLE_ONEDNN_OPTS"
    environment = {key: value for key, value in os.environ.items() if key != name}
    if told is not None:
        environment[name] = told
    program = f"import os, stellar_tf; print(os.environ['{name}'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("prepare", [str, Path, lambda folder: Run(folder)])
def test_a_folder_may_be_given_in_any_way(run: Run, prepare: object) -> None:
    assert callable(prepare)
    assert st.load_model(prepare(run.folder)).n_latent == 4
    assert Run(str(run.folder)).read_config() == run.read_config()


def test_both_kinds_of_model_give_the_same(
    run: Run, records: Path, tmp_path: Path
) -> None:
    version = st.export(run, tmp_path / "models" / "small")
    expected = st.encode(run, records)
    for place in (version, version.parent):
        found = st.encode(place, records)
        for name in ("z_mean", "z_log_var", "median_flux", "valid_fraction", "flags"):
            difference = abs(getattr(found, name) - getattr(expected, name))
            assert difference.max() < 1e-4
        assert list(found.table["dp_id"]) == list(expected.table["dp_id"])


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is neither a run folder nor an exported"):
        st.load_model(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ModelError, match="was not exported by stellar-tf"):
        st.load_model(tmp_path)


def test_a_run_without_a_model(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(run.config_path.read_text())
    (tmp_path / "records.json").write_text(run.records_path.read_text())
    with pytest.raises(RunError, match="has no model yet"):
        st.load_model(tmp_path)


def load_with_keras(run: Run, imports: str) -> subprocess.CompletedProcess[str]:
    program = (
        f"import {imports}; "
        f"m = keras.models.load_model({str(run.model_path)!r}, compile=False); "
        "print(m.get_layer('encoder').output['z_mean'].shape)"
    )
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_keras_loads_the_model_file_itself(run: Run) -> None:
    assert load_with_keras(run, "keras, stellar_tf").stdout == "(None, 4)\n"


def test_where_keras_comes_later_its_message_names_what_to_import(run: Run) -> None:
    told = load_with_keras(run, "stellar_tf, keras").stderr
    assert "make sure they are all imported" in told
    assert "'module': 'stellar_tf.network.layers'" in told
    later = load_with_keras(run, "stellar_tf, keras, stellar_tf.network.model")
    assert later.stdout == "(None, 4)\n"


def test_what_another_process_writes_is_refused_before_the_work(
    labelled_run: Run, tmp_path: Path
) -> None:
    run, out, codes = labelled_run, tmp_path / "latents.parquet", tmp_path / "codes"
    numbers = np.random.default_rng(0).normal(size=(40, 2))
    for place, write in (
        (out, lambda: st.encode("no model", "nothing", out=out)),
        (out, lambda: st.neighbours("no run", "nothing", out=out)),
        (run.analysis, lambda: st.analyze(run, latents="nothing", save=True)),
        (
            run.analysis,
            lambda: st.probe(run, latents="nothing", save=True, progress=False),
        ),
        (codes, lambda: st.analyze_codes(numbers, out=codes)),
    ):
        with (
            writing(place),
            pytest.raises(BusyError, match=f"{place.name}: another process is"),
        ):
            write()
    assert not any(tmp_path.rglob(".*.lock"))


def test_what_a_killed_command_left_is_removed_by_the_next(
    labelled_run: Run, records: Path
) -> None:
    run = labelled_run
    run.analysis.mkdir()
    places = (run.latents_path, run.report_path, run.analysis / "verdict.ecsv")
    with ExitStack() as stack:
        for place in places:
            stack.enter_context(partial_path(place)).touch()
        st.encode(run, records, out=run.latents_path, overwrite=True, progress=False)
        st.analyze(run, save=True)
        assert not list(run.folder.rglob(f"*{PARTIAL_SUFFIX}"))
