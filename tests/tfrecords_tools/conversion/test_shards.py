from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tests.tfrecords_tools.fits_files import CARDS, GRID, make_flux, write_adp
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.inputs import InputError
from tfrecords_tools.conversion.plan import plan_shards
from tfrecords_tools.conversion.scan import read_scan, scan_file, write_scan
from tfrecords_tools.conversion.shards import (
    ShardSettings,
    records_per_shard,
    write_shard,
)
from tfrecords_tools.grid import Grid
from tfrecords_tools.labels.catalog import read_catalog
from tfrecords_tools.labels.lookup import Exposure
from tfrecords_tools.records.schema import RecordSchema
from tfrecords_tools.records.tfrecord import read_records

CONFIG = ConvertConfig(split=SplitFractions(train=1.0, validation=0.0, test=0.0))


@pytest.fixture
def plan(tmp_path):
    paths = []
    for i in range(4):
        flux = make_flux(seed=i)
        if i == 2:
            flux[:] = np.nan
        path = tmp_path / f"ADP.{i}.fits"
        cards = {**CARDS, "OBJECT": f"HD {i}"}
        paths.append(write_adp(path, flux=flux, cards=cards))
    scanned = (spectrum for path in paths for spectrum in scan_file(path, CONFIG))
    write_scan(scanned, tmp_path / "scan", CONFIG)
    (plan,) = plan_shards(read_scan(tmp_path / "scan").spectra, 10)
    return plan


def test_records_of_a_shard(tmp_path, plan):
    labels_path = tmp_path / "labels.csv"
    labels_path.write_text("star,teff,sptp\nHD 0,5000,G2\nHD 3,4000,\n")
    exposures = [Exposure(s.dp_id, s.target, s.star, s.ra, s.dec) for s in plan.spectra]
    labels = read_catalog(labels_path, CONFIG).find(exposures)
    schema = RecordSchema.with_labels(GRID.n_pixels, labels.columns)
    settings = ShardSettings(GRID, CONFIG, schema, labels)
    written = write_shard(plan, tmp_path, settings)

    path = tmp_path / "spec-train.tfrecord-00000-of-00001"
    content = path.read_bytes()
    assert written.info.file == path.name
    assert written.info.count == 3
    assert written.info.n_bytes == len(content)
    assert written.info.sha256 == hashlib.sha256(content).hexdigest()
    assert [(r.path.name, r.reason) for r in written.rejects] == [
        ("ADP.2.fits", "flux is NaN everywhere")
    ]
    assert written.n_planned == 4
    assert not list(tmp_path.glob("*.partial"))

    records = list(read_records(path))
    expected_order = [s.dp_id for s in plan.spectra if s.dp_id != "ADP.2"]
    assert list(written.info.dp_ids) == expected_order
    for dp_id, record in zip(expected_order, records, strict=True):
        flux, values = schema.decode(record)
        number = int(dp_id[-1])
        np.testing.assert_array_equal(flux, make_flux(seed=number)[50:650])
        assert values["dp_id"] == dp_id
        assert values["star"] == f"HD{number}"
        assert values["target"] == f"HD {number}"
        assert values["berv"] == -8.5
        assert values["specsys"] == "BARYCENT"
        assert values["history"] == "HARPS Phase 3 table; in air by HARPS; shifted"
        assert values["median_flux"] == pytest.approx(np.median(flux))
        teff = {0: 5000.0, 3: 4000.0}.get(number, np.nan)
        np.testing.assert_equal(values["teff"], teff)
        assert values["sptp"] == ("G2" if number == 0 else "")

    offsets = np.load(tmp_path / "index" / f"{path.name}.npy")
    assert offsets.dtype == np.uint64
    assert offsets[-1] == len(content)
    for offset, record in zip(offsets, records, strict=False):
        assert content[int(offset) + 12 :].startswith(record)


def test_a_shard_is_written_twice_alike(tmp_path, plan):
    settings = ShardSettings(
        GRID, CONFIG, RecordSchema.with_labels(GRID.n_pixels, ()), None
    )
    infos = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        infos.append(write_shard(plan, tmp_path / name, settings).info)
    assert infos[0] == infos[1]


def test_an_input_that_vanished_is_no_reject(tmp_path, plan):
    schema = RecordSchema.with_labels(GRID.n_pixels, ())
    settings = ShardSettings(GRID, CONFIG, schema, None)
    min(tmp_path.glob("ADP.1.*")).unlink()
    with pytest.raises(InputError, match=r"ADP.*fits: cannot be read: No such file"):
        write_shard(plan, tmp_path, settings)
    assert not (tmp_path / plan.file).exists()


def test_shards_have_the_size_wanted():
    record = 4 * 312_501
    assert records_per_shard(Grid(), CONFIG) * record == pytest.approx(
        128 * 2**20, rel=0.01
    )
    tiny = CONFIG.model_copy(update={"shard_mib": 0.001})
    assert records_per_shard(Grid(), tiny) == 1


@pytest.mark.parametrize(("dtype", "factor"), [("float32", 1.5), ("float16", 2.0)])
def test_errors_count_in_the_size_of_shards(dtype, factor):
    config = CONFIG.model_copy(update={"flux_dtype": dtype})
    without = records_per_shard(Grid(), config)
    assert records_per_shard(Grid(), config, 1.0) == pytest.approx(
        without / factor, rel=0.01
    )
    mean = 0.5 * (1.0 + factor)
    assert records_per_shard(Grid(), config, 0.5) == pytest.approx(
        without / mean, rel=0.01
    )
