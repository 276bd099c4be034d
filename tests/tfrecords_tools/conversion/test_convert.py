from __future__ import annotations

import csv
import json
import math
import os
import signal

import numpy as np
import pytest
from astropy.io import fits

from tests.tfrecords_tools.fits_files import (
    CARDS,
    GRID,
    WAVE,
    drop_cards,
    make_flux,
    write_adp,
    write_image,
)
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.convert import (
    ConvertError,
    OutputExistsError,
    convert,
)
from tfrecords_tools.conversion.engine import EngineError, local_engine
from tfrecords_tools.conversion.folder_journal import JournalError
from tfrecords_tools.conversion.journal import ConversionJournal, describe_request
from tfrecords_tools.conversion.prepare import prepare_spectrum
from tfrecords_tools.conversion.scan import scan_file
from tfrecords_tools.conversion.shards import write_shard
from tfrecords_tools.conversion.verify import verify
from tfrecords_tools.errors import UserError
from tfrecords_tools.grid import Grid
from tfrecords_tools.labels.files import LabelError
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.tfrecord import read_records

FRACTIONS = SplitFractions(train=0.5, validation=0.3, test=0.2)
CONFIG = ConvertConfig(split=FRACTIONS, shard_mib=0.01)
N_STARS = 8


@pytest.fixture
def inputs(tmp_path):
    """16 exposures of 8 stars in two folders."""
    for i in range(2 * N_STARS):
        folder = tmp_path / "in" / f"visit{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        cards = {**CARDS, "OBJECT": f"HD {i // 2}"}
        flux = make_flux(seed=i)
        error = None if i % 3 else np.sqrt(np.abs(flux))
        write_adp(folder / f"ADP.{i}.fits", flux=flux, error=error, cards=cards)
    return tmp_path / "in"


def read_all(out):
    manifest = read_manifest(out)
    for shard in manifest.shards:
        for record in read_records(out / shard.file):
            yield shard, *manifest.record_schema.decode(record)


def rejects(out):
    with (out / "rejects.csv").open(newline="", encoding="utf-8") as stream:
        return {row["path"]: row["reason"] for row in csv.DictReader(stream)}


def test_every_spectrum_is_in_the_records_once(inputs, tmp_path):
    out = tmp_path / "new" / "records"
    summary = convert([inputs], out, GRID, CONFIG)
    assert (summary.n_taken, summary.n_rejected) == (16, 0)
    seen = {}
    for shard, flux, values in read_all(out):
        number = int(str(values["dp_id"]).removeprefix("ADP."))
        np.testing.assert_array_equal(flux, make_flux(seed=number)[50:650])
        assert values["star"] == f"HD{number // 2}"
        seen.setdefault(number, []).append(shard.split)
    assert sorted(seen) == list(range(16))
    assert all(len(splits) == 1 for splits in seen.values())
    for star in range(N_STARS):
        assert seen[2 * star] == seen[2 * star + 1]


def test_the_manifest_tells_what_is_there(inputs, tmp_path):
    out = tmp_path / "records"
    summary = convert([inputs], out, GRID, CONFIG)
    manifest = read_manifest(out)
    assert manifest.grid == GRID
    assert manifest.config == CONFIG
    stars: list[str] = []
    for split, total in manifest.splits.items():
        shards = [shard for shard in manifest.shards if shard.split == split]
        assert manifest.n_spectra(split) == sum(shard.count for shard in shards)
        assert summary.n_spectra[split] == total.n_spectra
        assert summary.n_stars[split] == len(total.stars)
        stars += total.stars
    assert sorted(stars) == [f"HD{i}" for i in range(N_STARS)]
    for shard in manifest.shards:
        records = list(read_records(out / shard.file))
        ids = [manifest.record_schema.decode(r)[1]["dp_id"] for r in records]
        assert list(shard.dp_ids) == ids
    info = json.loads((out / "dataset_info.json").read_text())
    lengths = {s["name"]: [int(n) for n in s["shardLengths"]] for s in info["splits"]}
    for split, counts in lengths.items():
        assert counts == [s.count for s in manifest.shards if s.split == split]
    assert {path.name for path in out.iterdir()} == {
        *("manifest.json", "manifest.sha256", "dataset_info.json", "features.json"),
        *("plan.csv", "rejects.csv", "assumptions.csv", "index"),
        *(shard.file for shard in manifest.shards),
    }


def test_bad_files_are_listed_and_the_others_taken(inputs, tmp_path):
    (inputs / "text.fits").write_text("no FITS")
    (inputs / "empty.fits").write_bytes(b"")
    whole = write_adp(inputs / "whole.fits")
    (inputs / "half.fits").write_bytes(whole.read_bytes()[:-5000])
    write_image(inputs / "zero.fits", np.zeros(800, dtype=np.float32))
    write_image(inputs / "far.fits", start=9000.0)
    write_adp(inputs / "faint.fits", flux=make_flux() * 0.01)
    (inputs / "visit0" / "again").mkdir()
    write_adp(inputs / "visit0" / "again" / "whole.fits")
    (inputs / "ignored.txt").write_text("not asked for")
    out = tmp_path / "records"
    summary = convert([inputs], out, GRID, CONFIG)
    expected = {
        "text.fits": "not a FITS file",
        "empty.fits": "the file is empty",
        "half.fits": "truncated: ",
        "zero.fits": "flux is zero everywhere",
        "far.fits": "no overlap with the grid",
        "faint.fits": "noise only",
        "whole.fits": "duplicate of ",
    }
    found = rejects(out)
    assert len(found) == len(expected)
    for path, reason in found.items():
        assert reason.startswith(expected[path.rpartition("/")[2]])
    assert (summary.n_taken, summary.n_rejected) == (17, 7)
    assert read_manifest(out).n_rejected == 7
    assert sum(1 for _ in read_all(out)) == 17


def test_nothing_taken_leaves_a_data_set_without_spectra(tmp_path):
    (tmp_path / "a.fits").write_text("no FITS")
    summary = convert([tmp_path], tmp_path / "records", GRID, CONFIG)
    assert (summary.n_taken, summary.n_rejected) == (0, 1)
    manifest = read_manifest(tmp_path / "records")
    assert [manifest.n_spectra(s) for s in ("train", "validation", "test")] == [0, 0, 0]
    assert rejects(tmp_path / "records") == {
        str(tmp_path / "a.fits"): "not a FITS file"
    }


def test_labels_are_joined(inputs, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "name,teff,sptp,ra\nHD 0,5000,G2,1\nHD 1,4000,K0,2\nHD 1,4100,K0,2\n"
    )
    summary = convert([inputs], tmp_path / "records", GRID, CONFIG, labels=labels)
    assert (summary.n_labelled, summary.n_ambiguous) == (2, 2)
    assert summary.label_notes == (
        f"2 of 16 spectra, 1 of 8 stars, have labels of {labels}, found by name",
        "2 spectra match rows that differ: no labels",
        "labels.csv: columns of text: sptp",
        "labels.csv: not taken as labels, for records hold them anyway: ra",
    )
    for _, _, values in read_all(tmp_path / "records"):
        teff = values["teff"]
        assert teff == 5000.0 if values["star"] == "HD0" else math.isnan(teff)
        assert values["ra"] == 10.5
    with (tmp_path / "records" / "unlabelled.csv").open(newline="") as stream:
        unlabelled = list(csv.DictReader(stream))
    assert len(unlabelled) == 14
    for row in unlabelled:
        ambiguous = row["star"] == "HD1"
        assert row["match"] == ("ambiguous" if ambiguous else "missing")
        assert row["lacking"] == "sptp teff"
    manifest = read_manifest(tmp_path / "records")
    assert manifest.labels_file == str(labels)
    assert [f.name for f in manifest.record_schema.labels] == ["teff", "sptp"]


def test_a_table_gives_the_positions_that_headers_lack(inputs, tmp_path):
    for visit, keywords in ((0, ("RA",)), (1, ("RA", "DEC"))):
        drop_cards(inputs / f"visit{visit}" / f"ADP.{2 + visit}.fits", *keywords)
    labels = tmp_path / "labels.csv"
    labels.write_text("target,ra,dec\nHD 1,01:44:04.1,-15:56:15\nHD 2,10.5,-20.25\n")
    config = CONFIG.model_copy(update={"verify_checksums": False})
    out = tmp_path / "records"
    summary = convert([inputs], out, GRID, config, labels=labels)
    assert summary.label_notes[-1] == (
        "labels.csv: gives ra and dec of 2 spectra whose headers have none"
    )
    ra, dec = np.float32([15 * (1 + 44 / 60 + 4.1 / 3600), -(15 + 56 / 60 + 15 / 3600)])
    for _, _, values in read_all(out):
        is_filled = values["dp_id"] in ("ADP.2", "ADP.3")
        assert (values["ra"], values["dec"]) == (
            (ra, dec) if is_filled else (10.5, -20.25)
        )
    with (out / "plan.csv").open(newline="") as stream:
        plan = {row["dp_id"]: row for row in csv.DictReader(stream)}
    assert float(plan["ADP.2"]["ra"]) == pytest.approx(ra)
    assert verify(out, deep=True, progress=False).problems == []


def test_labels_of_the_files_themselves_may_mean_unknown(tmp_path):
    teff = np.array([5000.0, -9999.0, 5100.0, 5200.0], "f4")
    columns = [
        fits.Column("WAVE", f"{WAVE.size}D", "Angstrom", array=[WAVE] * 4),
        fits.Column("FLUX", f"{WAVE.size}E", array=[make_flux()] * 4),
        fits.Column("OBJECT", "4A", array=[f"HD {i}" for i in range(4)]),
        fits.Column("TEFF", "E", array=teff),
        fits.Column("CLASS", "4A", array=["G", "none", "K", "M"]),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "rows.fits")
    told = convert([tmp_path / "rows.fits"], tmp_path / "a", GRID, CONFIG).label_notes
    assert told == (
        "labels of the files themselves: -9999 in TEFF (1 row): taken as numbers. If "
        "they mean unknown, leave these cells empty or set "
        "convert.missing_values=[-9999]",
    )
    config = CONFIG.model_copy(update={"missing_values": (-9999.0, "none")})
    summary = convert([tmp_path / "rows.fits"], tmp_path / "b", GRID, config)
    assert summary.label_notes == ()
    first, second, *_ = scan_file(tmp_path / "rows.fits", config)
    assert first.labels == {"TEFF": 5000.0, "CLASS": "G"}
    assert math.isnan(second.labels["TEFF"])
    assert second.labels["CLASS"] == ""


def test_labels_are_found_by_position(inputs, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("RAJ2000,DEJ2000,teff\n10.5004,-20.2504,5000\n11,-20,6000\n")
    summary = convert([inputs], tmp_path / "a", GRID, CONFIG, labels=labels)
    assert summary.n_labelled == 16
    assert "found by position" in summary.label_notes[0]
    nearer = CONFIG.model_copy(update={"match_radius": 1.0})
    summary = convert([inputs], tmp_path / "b", GRID, nearer, labels=labels)
    assert summary.n_labelled == 0
    assert summary.label_notes[1].startswith(
        "labels.csv: no row is about any of the 16 spectra: RAJ2000 and DEJ2000 are "
        "all more than 1 arcsec away"
    )


def test_the_same_inputs_give_the_same_bytes(inputs, tmp_path):
    for name in ("a", "b"):
        convert([inputs], tmp_path / name, GRID, CONFIG)
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes()


def snapshot(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("labels", "error", "reason"),
    [
        ("x,y\n1,2\n", LabelError, "no key column"),
        (None, LabelError, "does not exist"),
    ],
)
def test_bad_labels_stop_before_anything_is_written(
    inputs, tmp_path, labels, error, reason
):
    path = tmp_path / "labels.csv"
    if labels is not None:
        path.write_text(labels)
    before = snapshot(tmp_path)
    with pytest.raises(error, match=reason):
        convert([inputs], tmp_path / "sub" / "records", GRID, CONFIG, labels=path)
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "sub").exists()


def test_output_that_exists_is_refused(inputs, tmp_path):
    out = tmp_path / "records"
    out.mkdir()
    convert([inputs], out, GRID, CONFIG)  # an empty folder is no obstacle
    before = snapshot(tmp_path)
    with pytest.raises(OutputExistsError, match="records: exists; pass overwrite"):
        convert([inputs], out, GRID, CONFIG)
    assert snapshot(tmp_path) == before
    assert issubclass(OutputExistsError, FileExistsError)
    assert issubclass(OutputExistsError, UserError)


def test_a_data_set_is_replaced_when_told_so(inputs, tmp_path):
    out = tmp_path / "records"
    convert([inputs], out, GRID, CONFIG)
    (out / "left over").write_text("")
    smaller = Grid(wave_min=5001.0, wave_step=0.01, n_pixels=100)
    convert([inputs], out, smaller, CONFIG, overwrite=True)
    assert read_manifest(out).grid == smaller
    assert not (out / "left over").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "records"]


def test_only_a_data_set_is_replaced(inputs, tmp_path):
    (tmp_path / "file").write_text("")
    for out in (inputs, tmp_path / "file"):
        with pytest.raises(OutputExistsError, match="is no data set, so it is not"):
            convert([inputs], out, GRID, CONFIG, overwrite=True)


def test_a_failure_keeps_the_old_data_set_and_goes_on(inputs, tmp_path, monkeypatch):
    out = tmp_path / "records"
    convert([inputs], out, GRID, CONFIG)
    before = snapshot(tmp_path)

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tfrecords_tools.conversion.convert.write_tfds_metadata", fail)
        with pytest.raises(ConvertError, match=r"\.records\.partial: No space left"):
            convert([inputs], out, GRID, CONFIG, overwrite=True)
    assert snapshot(out) == {k: v for k, v in before.items() if out in k.parents}

    def refuse(*_):
        raise AssertionError("a finished shard is not written again")

    monkeypatch.setattr("tfrecords_tools.conversion.convert.write_shard", refuse)
    convert([inputs], out, GRID, CONFIG, overwrite=True)
    assert snapshot(tmp_path) == before


def test_another_conversion_is_not_lost_silently(inputs, tmp_path, monkeypatch):
    out = tmp_path / "records"

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tfrecords_tools.conversion.convert.write_shard", fail)
        with pytest.raises(KeyboardInterrupt):
            convert([inputs], out, GRID, CONFIG)
    other = CONFIG.model_copy(update={"split_salt": "other"})
    with pytest.raises(JournalError, match="unfinished conversion of other inputs"):
        convert([inputs], out, GRID, other)
    convert([inputs], out, GRID, other, overwrite=True)
    assert read_manifest(out).config == other


def test_one_process_at_a_time(inputs, tmp_path):
    out = tmp_path / "records"
    request = describe_request([inputs], GRID, CONFIG, None)
    with (
        ConversionJournal(out).open(request, overwrite=False),
        pytest.raises(JournalError, match="another process is writing it"),
    ):
        convert([inputs], out, GRID, CONFIG)


def test_workers_write_the_same_bytes(inputs, tmp_path):
    write_image(inputs / "zero.fits", np.zeros(800, dtype=np.float32))
    summaries = [
        convert([inputs], tmp_path / f"{n}", GRID, CONFIG, engine=local_engine(n))
        for n in (1, 2)
    ]
    assert summaries[0] == summaries[1]
    for path in (tmp_path / "1").rglob("*"):
        if path.is_file():
            other = tmp_path / "2" / path.relative_to(tmp_path / "1")
            assert path.read_bytes() == other.read_bytes()


def test_all_real_files_are_converted(real_data, tmp_path):
    out = tmp_path / "records"
    grid = Grid()
    summary = convert([real_data / "real"], out, grid, ConvertConfig())
    assert (summary.n_taken, summary.n_rejected) == (19, 0)
    paths = {
        p.name.removesuffix(".gz").removesuffix(".fits"): p
        for p in (real_data / "real").rglob("*")
        if p.is_file()
    }
    stars = {}
    for _, flux, values in read_all(out):
        stars.setdefault(values["star"], []).append(values["dp_id"])
        prepared = prepare_spectrum(paths[values["dp_id"]], grid, ConvertConfig())
        np.testing.assert_array_equal(flux, prepared.flux)
    assert {star: len(ids) for star, ids in stars.items()} == {
        "HD128621": 12,
        "GJ581": 1,
        "HD111998": 1,
        "SUN": 1,
        "HD41248": 1,
        "IC4651NO9122": 1,
        "? WASP-109_UVES_2017_rv": 1,
        "? HARPN_Ganymede_norm_poly": 1,
    }


def rows(out, name):
    with (out / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_what_is_taken_for_granted_is_told(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    flux = make_flux()
    flux[100] = 1e10
    write_adp(folder / "known.fits")
    write_image(folder / "nothing.fits", cards={"OBJECT": "HD 1"})
    write_image(folder / "topo.fits", flux, cards={"SPECSYS": "TOPOCENT"})
    write_image(folder / "spikes.fits", flux, cards={"OBJECT": "HD 2"})
    flux[::20] = 1e10
    write_adp(folder / "too many.fits", flux=flux)
    (folder / "notes.md").write_text("")
    out = tmp_path / "records"
    summary = convert([folder], out, GRID, CONFIG)
    assert summary.passed_over == {".md": 1}
    expected = {
        "air assumed": 3,
        "frame unknown": 2,
        "kept topocentric": 1,
        "refused: too many spikes": 1,
        "with spikes": 2,
    }
    assert summary.counts == expected == read_manifest(out).counts
    assert [
        (
            row["path"].rpartition("/")[2],
            row["spectrum"],
            row["dp_id"],
            row["assumption"],
        )
        for row in rows(out, "assumptions.csv")
    ] == [
        ("nothing.fits", "0", "nothing", "air assumed"),
        ("nothing.fits", "0", "nothing", "frame unknown"),
        ("spikes.fits", "0", "spikes", "air assumed"),
        ("spikes.fits", "0", "spikes", "frame unknown"),
        ("topo.fits", "0", "topo", "air assumed"),
        ("topo.fits", "0", "topo", "kept topocentric"),
    ]


N_ROWS = 7


@pytest.fixture
def several(tmp_path):
    """Files of several spectra and of one, 2 * N_ROWS + 2 spectra of N_ROWS stars."""
    folder = tmp_path / "several"
    folder.mkdir()
    for k in range(2):
        flux = np.stack([make_flux(seed=10 * k + i) for i in range(N_ROWS)])
        if k == 1:
            flux[3] = np.nan
        columns = [
            fits.Column("WAVE", "800D", "Angstrom", array=np.tile(WAVE, (N_ROWS, 1))),
            fits.Column("FLUX", "800E", array=flux),
            fits.Column("OBJECT", "8A", array=[f"HD {i}" for i in range(N_ROWS)]),
            fits.Column("TEFF", "E", array=1000.0 * np.arange(N_ROWS)),
        ]
        table = fits.BinTableHDU.from_columns(columns)
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(folder / f"rows{k}.fits")
    write_adp(folder / "one.fits", flux=make_flux(seed=50))
    np.savez(folder / "two.npz", wave=WAVE, flux=np.stack([make_flux(seed=60)] * 2))
    return folder


def test_every_spectrum_of_a_file_is_in_the_records(several, tmp_path):
    out = tmp_path / "records"
    summary = convert([several], out, GRID, CONFIG)
    assert (summary.n_taken, summary.n_rejected) == (2 * N_ROWS + 2, 1)
    (reject,) = rows(out, "rejects.csv")
    assert reject["spectrum"] == "3"
    assert reject["path"].endswith("rows1.fits")
    seen = {}
    for shard, flux, values in read_all(out):
        seen[values["dp_id"]] = values
        name, _, row = str(values["dp_id"]).partition("#")
        seed = {"one": 50, "two": 60}.get(name)
        seed = 10 * int(name[-1]) + int(row) if seed is None else seed
        np.testing.assert_array_equal(flux, make_flux(seed=seed)[50:650])
        teff = 1000.0 * int(row) if name.startswith("rows") else math.nan
        np.testing.assert_equal(values["TEFF"], teff)
        if name.startswith("rows"):
            assert values["star"] == f"HD{row}"
            assert shard.split in {
                s.split
                for s in read_manifest(out).shards
                if any(dp_id.endswith(f"#{row}") for dp_id in s.dp_ids)
            }
    assert len(seen) == 2 * N_ROWS + 2
    plan = {row["dp_id"]: row for row in rows(out, "plan.csv")}
    assert plan["rows1#5"]["spectrum"] == "5"
    assert verify(out, deep=True).problems == []


def test_files_of_several_spectra_give_the_same_bytes_however_read(several, tmp_path):
    for n in (1, 2):
        convert([several], tmp_path / f"{n}", GRID, CONFIG, engine=local_engine(n))
    for path in (tmp_path / "1").rglob("*"):
        if path.is_file():
            other = tmp_path / "2" / path.relative_to(tmp_path / "1")
            assert path.read_bytes() == other.read_bytes()


def test_a_conversion_of_several_spectra_a_file_goes_on(several, tmp_path, monkeypatch):
    convert([several], tmp_path / "whole", GRID, CONFIG)
    out = tmp_path / "records"
    written = []

    def fail_later(plan, folder, settings):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(plan.file)
        return write_shard(plan, folder, settings)

    with monkeypatch.context() as patch:
        patch.setattr("tfrecords_tools.conversion.convert.write_shard", fail_later)
        with pytest.raises(KeyboardInterrupt):
            convert([several], out, GRID, CONFIG)
    convert([several], out, GRID, CONFIG)
    for path in (tmp_path / "whole").rglob("*"):
        if path.is_file():
            other = out / path.relative_to(tmp_path / "whole")
            assert path.read_bytes() == other.read_bytes()


def test_a_changed_row_is_found_by_verify(several, tmp_path):
    out = tmp_path / "records"
    convert([several], out, GRID, CONFIG)
    path = several / "rows0.fits"
    with fits.open(path, mode="update") as hdus:
        hdus[1].data["FLUX"][2, 100] += 1.0
    problems = verify(out, deep=True).problems
    assert [problem.what.partition(": ")[2] for problem in problems] == [
        f"flux differs from its source {path}"
    ]
    (problem,) = problems
    shard = next(s for s in read_manifest(out).shards if s.file == problem.file)
    number = int(problem.what.split()[1].rstrip(":"))
    assert shard.dp_ids[number] == "rows0#2"


def test_labels_of_a_table_go_before_those_of_the_files(several, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("name,TEFF,sptp\nHD 1,1234,G2\nHD 2,,K0\n")
    out = tmp_path / "records"
    convert([several], out, GRID, CONFIG, labels=labels)
    teff = {values["dp_id"]: values["TEFF"] for _, _, values in read_all(out)}
    assert (teff["rows0#1"], teff["rows0#2"], teff["rows1#4"]) == (1234, 2000, 4000)


def test_visits_of_one_star_fill_all_splits_and_are_verified(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(20):
        write_adp(tmp_path / "in" / f"ADP.{i}.fits", flux=make_flux(seed=i))
    out = tmp_path / "by star"
    summary = convert([tmp_path / "in"], out, GRID, CONFIG)
    (warning,) = summary.warnings
    assert warning.endswith("--set convert.split_by=visit splits exposures, not stars")
    assert "20 spectra of 1 star" in warning
    config = CONFIG.model_copy(update={"split_by": "visit"})
    out = tmp_path / "by visit"
    summary = convert([tmp_path / "in"], out, GRID, config)
    assert summary.warnings == ()
    assert all(summary.n_spectra.values())
    assert verify(out, deep=True).problems == []


def test_wave_covers_the_grid():
    assert WAVE[0] < GRID.wave[0]
    assert WAVE[-1] > GRID.wave[-1]


def test_a_killed_worker_is_told_in_one_line():
    with (
        pytest.raises(EngineError, match="a worker was killed"),
        local_engine(2) as engine,
    ):
        list(engine.map(kill_oneself, [1, 2]))


def kill_oneself(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
