"""Parts hold the rows of one table, whatever happened on the way to them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stellar_tf as st
from stellar_tf.analysis.analyze import analyze
from stellar_tf.analysis.files import list_tables, write_named
from stellar_tf.config import AnalysisConfig
from stellar_tf.explore.explorer import Explorer
from stellar_tf.inference.parts import encode as encoding
from stellar_tf.inference.parts import work
from stellar_tf.inference.parts.encode import PartsSummary
from stellar_tf.inference.parts.plan import FILES_PER_PART
from stellar_tf.parts import PARTS_NAME, REJECTS_NAME, PartsError
from stellar_tf.run import GridError, Run
from stellar_tf.tables import read_table
from tfrecords_tools.conversion.beam_engine import beam_engine
from tfrecords_tools.conversion.engine import Engine, local_engine
from tfrecords_tools.conversion.folder_journal import JournalError
from tfrecords_tools.conversion.inputs import InputError
from tfrecords_tools.grid import Grid
from tfrecords_tools.records.manifest import read_manifest

# Beam's own code.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:apache_beam"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

FAST = AnalysisConfig(n_resamples=20, n_subsamples=20, n_permutations=200, n_draws=4000)


def encode(run: Run, inputs: Path, out: Path, **options: object) -> PartsSummary:
    """Encode in this process: the network is loaded once for all tests."""
    options = {"engine": local_engine(1), "progress": False, **options}
    return st.encode_parts(run, inputs, out, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def expected(
    run: Run, records: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("expected") / "out.parquet"
    encode(run, records, out)
    return contents(out)


def test_the_rows_are_those_of_one_table(
    run: Run, records: Path, fits_folder: Path, tmp_path: Path
) -> None:
    for inputs in (records, fits_folder):
        out = tmp_path / f"{inputs.name}.parquet"
        summary = encode(run, inputs, out)
        found, table = read_table(out), st.encode(run, inputs, progress=False).table
        assert summary.n_spectra == len(found) == 80
        assert found.colnames == table.colnames
        for column in table.itercols():
            if column.dtype.kind == "f":
                np.testing.assert_allclose(found[column.name], column, atol=1e-5)
            else:
                assert list(found[column.name]) == list(column)
    shards = [shard for shard in read_manifest(records).shards if shard.count]
    assert len(list((tmp_path / "records.parquet").glob("part-*"))) == len(shards)
    assert len(list((tmp_path / "fits.parquet").glob("part-*"))) == 2


def test_the_last_batch_is_filled_up(run: Run, records: Path) -> None:
    """A row does not depend on what else is in its batch, but on the batch's size."""
    model, manifest = st.load_model(run), read_manifest(records)
    sizes = []
    inner = model._functions.encode_prepared

    def encode_prepared(flux: np.ndarray, median: np.ndarray) -> object:
        sizes.append((len(flux), len(median)))
        return inner(flux, median)

    model._functions = model._functions._replace(encode_prepared=encode_prepared)
    (whole,) = model.encode_split(manifest, "test", 64)
    n_test = len(whole["flags"])
    (filled,) = model.encode_split(manifest, "test", 64, fill=True)
    assert sizes == [(n_test, n_test), (64, 64)]
    assert whole.keys() == filled.keys()
    np.testing.assert_allclose(filled["z_mean"], whole["z_mean"], atol=1e-5)


def test_exported_models_encode_too(run: Run, records: Path, tmp_path: Path) -> None:
    version = st.export(run, tmp_path / "models" / "small")
    encode(version.parent, records, tmp_path / "out.parquet")
    expected = st.encode(run, records, progress=False)
    found = read_table(tmp_path / "out.parquet")
    np.testing.assert_allclose(found["z_mean"], expected.z_mean, atol=1e-4)


def test_beam_gives_the_same_bytes(
    run: Run, records: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    out = tmp_path / "out.parquet"
    encode(run, records, out, engine=beam_engine([], tmp_path / "beam"))
    assert contents(out) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


@contextmanager
def failing_engine(n_parts: int) -> Iterator[Engine]:
    """Work in this process until so many parts are done."""

    class Failing:
        def map(self, function, tasks):
            for task in tasks[:n_parts]:
                yield function(task)
            if len(tasks) > n_parts:
                raise RuntimeError("no power")

    yield Failing()


def test_it_goes_on_from_the_last_part(
    run: Run, records: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(RuntimeError, match="no power"):
        encode(run, records, out, engine=failing_engine(2))
    assert not out.exists()
    staging = tmp_path / ".out.parquet.partial"
    kept = {path.name: path.stat().st_ino for path in staging.iterdir()}
    assert len(kept) == 2
    (staging / "part-00001.parquet").unlink()  # vanished since: done again
    encode(run, records, out)
    assert contents(out) == expected
    assert (out / "part-00000.parquet").stat().st_ino == kept["part-00000.parquet"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_kill_after_the_last_rename_loses_nothing(
    run: Run, records: Path, tmp_path: Path, expected: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "out.parquet"
    publish = encoding.PartsJournal.publish

    def publish_and_die(journal, check):
        publish(journal, check)
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(encoding.PartsJournal, "publish", publish_and_die)
        with pytest.raises(RuntimeError, match="killed"):
            encode(run, records, out)
    assert encode(run, records, out, engine=failing_engine(0)).n_spectra == 80
    assert contents(out) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_an_unfinished_encoding_of_something_else_is_not_gone_on_with(
    run: Run, records: Path, fits_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(RuntimeError):
        encode(run, records, out, engine=failing_engine(2))
    with pytest.raises(JournalError, match="unfinished encoding of other inputs"):
        encode(run, fits_folder, out)
    encode(run, fits_folder, out, overwrite=True)
    assert {path.name for path in out.iterdir()} == {
        *(PARTS_NAME, REJECTS_NAME, "part-00000.parquet", "part-00001.parquet")
    }


def test_nothing_but_a_table_is_replaced_and_only_if_asked(
    run: Run, records: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    out = tmp_path / "out.parquet"
    st.encode(run, records, out=out, progress=False)
    with pytest.raises(PartsError, match="exists; pass overwrite=True"):
        encode(run, records, out)
    for _ in range(2):  # a single table, then one in parts
        encode(run, records, out, overwrite=True)
        assert contents(out) == expected
    (out / PARTS_NAME).unlink()
    with pytest.raises(PartsError, match="is no table in parts, so it is not overwr"):
        encode(run, records, out, overwrite=True)
    with pytest.raises(PartsError, match=r"must end in \.parquet"):
        encode(run, records, tmp_path / "out.fits")


def test_what_a_link_points_to_is_written(
    run: Run, records: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "out.parquet"
    link.symlink_to(tmp_path / "disk" / "latents.parquet")
    encode(run, records, link)
    assert link.is_symlink()
    assert contents(link) == expected


def test_files_that_are_not_taken_are_listed(
    run: Run, fits_folder: Path, tmp_path: Path
) -> None:
    files = sorted(fits_folder.glob("*.fits"))
    inputs = tmp_path / "in"
    inputs.mkdir()
    for i in range(FILES_PER_PART):  # a whole part of them
        (inputs / f"bad{i:02}.fits").write_bytes(b"no FITS")
    for path in files[:3]:
        (inputs / f"good-{path.name}").symlink_to(path)
    out = tmp_path / "out.parquet"
    summary = encode(run, inputs, out)
    assert (summary.n_spectra, summary.n_parts) == (3, 1)
    assert [r.path.name for r in summary.rejects] == [
        f"bad{i:02}.fits" for i in range(FILES_PER_PART)
    ]
    assert len(read_table(out)) == 3
    head, *lines = (out / REJECTS_NAME).read_text().splitlines()
    assert head == "path,reason,spectrum"
    assert len(lines) == FILES_PER_PART
    for path in inputs.glob("good-*"):
        path.unlink()
    none = encode(run, inputs, tmp_path / "none.parquet")
    assert none.n_spectra == 0
    assert not list(tmp_path.glob("*none.parquet*"))


def test_a_file_that_changes_on_the_way_is_encoded_as_it_is(
    run: Run, fits_folder: Path, tmp_path: Path
) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out.parquet"
    shutil.copytree(fits_folder, inputs)
    first, *_, last = sorted(inputs.glob("*.fits"))

    @contextmanager
    def changing() -> Iterator[Engine]:
        with local_engine(1) as engine:

            class Changing:
                def map(self, function, tasks):
                    shutil.copy2(first, last)
                    return engine.map(function, tasks)

            yield Changing()

    with pytest.raises(InputError, match="has changed since the encoding began"):
        encode(run, inputs, out, engine=changing())
    encode(run, inputs, out)
    flux = read_table(out)["median_flux"]
    assert flux[0] == flux[-1]


def test_a_model_that_changes_on_the_way_is_told(
    run: Run, records: Path, tmp_path: Path
) -> None:
    copy = Run(shutil.copytree(run.folder, tmp_path / "run"))

    @contextmanager
    def training_on() -> Iterator[Engine]:
        copy.model_path.write_bytes(copy.model_path.read_bytes() + b"\0")
        with local_engine(1) as engine:
            yield engine

    with pytest.raises(work.ModelChangedError, match=r"model\.keras: has changed"):
        encode(copy, records, tmp_path / "out.parquet", engine=training_on())


def test_a_part_that_vanishes_at_the_end_is_told(
    run: Run, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"

    @contextmanager
    def losing() -> Iterator[Engine]:
        with local_engine(1) as engine:

            class Losing:
                def map(self, function, tasks):
                    yield from engine.map(function, tasks)
                    (tmp_path / ".out.parquet.partial/part-00000.parquet").unlink()

            yield Losing()

    with pytest.raises(PartsError, match=r"part-00000\.parquet: has vanished since"):
        encode(run, records, out, engine=losing())


def test_records_on_another_grid_are_refused_before_the_work(
    run: Run, records: Path, tmp_path: Path
) -> None:
    other = Run(shutil.copytree(run.folder, tmp_path / "run"))
    config = other.read_config()
    text = other.config_path.read_text()
    wrong = text.replace(f"{config.grid.wave_min}", f"{config.grid.wave_min + 1}")
    other.config_path.write_text(wrong)
    with pytest.raises(GridError, match="has another grid than"):
        encode(other, records, tmp_path / "out.parquet")
    assert not list(tmp_path.glob(".*"))
    model = st.load_model(run)
    manifest = replace(read_manifest(records), grid=Grid())
    with pytest.raises(GridError, match="has another grid than"):
        next(model.encode_split(manifest, "test", 16))


def test_calibrated_widths(
    run: Run, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = np.array([1.0, 2.0, 0.5, 1.0])
    monkeypatch.setattr("stellar_tf.api.encoding._read_width_scales", lambda _: scale)
    for name, calibrated in (("a", False), ("b", True)):
        encode(run, records, tmp_path / f"{name}.parquet", calibrated=calibrated)
    a, b = (read_table(tmp_path / f"{name}.parquet") for name in "ab")
    wider = b["z_log_var"] - a["z_log_var"]
    np.testing.assert_allclose(wider, np.tile(2 * np.log(scale), (80, 1)), atol=1e-6)
    np.testing.assert_array_equal(a["z_mean"], b["z_mean"])


@pytest.fixture(scope="module")
def analysed(run: Run, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of the run with latents in one table, and an analysis."""
    folder = tmp_path_factory.mktemp("analysed") / "run"
    copy = Run(shutil.copytree(run.folder, folder))
    latents = st.encode(copy, records, out=copy.latents_path, overwrite=True)
    tables = list_tables(analyze(latents.table, FAST))
    tables["verdict"]["informative"] = True
    write_named(tables, copy.analysis, overwrite=True)
    return copy


def show(run: Run) -> object:
    explorer = Explorer(run)
    return [explorer.pick(row).name for row in (0, 79)]


def list_neighbours(run: Run) -> object:
    star = str(read_table(run.latents_path)["star"][7])
    return list(st.neighbours(run, star).neighbours["dp_id"])


READERS: dict[str, Callable[[Run], object]] = {
    "analyze": lambda run: st.analyze(run).n_informative,
    "explore": show,
    "neighbours": list_neighbours,
    "compare": lambda run: st.compare(run, run)[0].n_stars,
    "traverse": lambda run: st.load_model(run).traverse(0, n=3).positions.round(3),
    "export_page": lambda run: st.export_page(
        run, run.folder / "page.html", overwrite=True
    ).read_bytes()[:5000],
}


@pytest.mark.parametrize("name", READERS)
def test_what_reads_latents_reads_parts(
    analysed: Run, records: Path, name: str, tmp_path: Path
) -> None:
    in_parts = Run(shutil.copytree(analysed.folder, tmp_path / "run"))
    encode(in_parts, records, in_parts.latents_path, overwrite=True)
    assert in_parts.latents_path.is_dir()
    np.testing.assert_array_equal(READERS[name](in_parts), READERS[name](analysed))
