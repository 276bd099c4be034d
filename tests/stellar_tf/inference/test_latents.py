"""Counted not listed, and of any encoder: here one that counts pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stellar_tf.config import Config
from stellar_tf.flags import Flag
from stellar_tf.inference.latents import Batch, Columns, build_latents, encode_prepared
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.conversion.prepare import prepare_spectrum


def outputs(*flags: int) -> Columns:
    n = len(flags)
    return {
        "z_mean": np.zeros((n, 4), np.float32),
        "z_log_var": np.zeros((n, 4), np.float32),
        "median_flux": np.ones(n, np.float32),
        "valid_fraction": np.ones(n, np.float32),
        "flags": np.array(flags, np.int32),
    }


def test_shown_in_a_notebook_they_are_counted_not_listed() -> None:
    batches = outputs(0, 0), outputs(int(Flag.NO_OVERLAP))
    columns = {name: [batch[name] for batch in batches] for name in batches[0]}
    assert repr(build_latents(columns)) == (
        "<Latents: 3 spectra, 4 dimensions, 1 flagged>"
    )
    rejected = build_latents(columns, [(Path("bias.fits"), "no star")])
    assert repr(rejected).endswith(", 1 flagged, 1 not taken>")
    assert repr(build_latents({})) == "<Latents: 0 spectra, 0 dimensions, 0 flagged>"


@pytest.fixture
def paths(fits_folder: Path) -> list[Path]:
    return discover([fits_folder])[:23]


def count_pixels(batch: Batch) -> Columns:
    n_valid = np.isfinite(batch.flux).sum(axis=1)
    return {
        "z_mean": n_valid[:, np.newaxis],
        "z_log_var": n_valid[:, np.newaxis],
        "median_flux": batch.median_flux,
        "valid_fraction": n_valid,
        "flags": n_valid,
    }


def test_rows_stand_in_the_order_of_the_files(
    paths: list[Path], config: Config, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"no FITS")
    mixed = [*paths[:5], bad, *paths[5:], bad]
    sizes = []

    def encode(batch: Batch) -> Columns:
        sizes.append(len(batch.flux))
        return count_pixels(batch)

    encoded = encode_prepared(mixed, config.grid, config.convert, 7, encode)
    prepared = [prepare_spectrum(path, config.grid, config.convert) for path in paths]
    assert list(encoded.metadata["dp_id"]) == [p.metadata.dp_id for p in prepared]
    medians = np.float32([p.median_flux for p in prepared])
    np.testing.assert_array_equal(encoded.median_flux, medians)
    assert [path for path, _ in encoded.rejects] == [bad, bad]
    assert sizes == [7, 7, 7, 2]


def test_a_failing_encoder_ends_the_reading(paths: list[Path], config: Config) -> None:
    def fail(batch: Batch) -> Columns:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        encode_prepared(paths, config.grid, config.convert, 2, fail)


def test_nothing_gives_an_empty_table(config: Config) -> None:
    encoded = encode_prepared([], config.grid, config.convert, 2, count_pixels)
    assert len(encoded) == 0
    assert encoded.rejects == ()
