from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from stellar_tf.saved_model.flags import MIN_VALID_FRACTION, UNUSABLE, Flag
from stellar_tf.saved_model.signatures import Outputs, Signatures
from tfrecords_tools.conversion.prepare import correct_spectrum, prepare_spectrum
from tfrecords_tools.readers import read_spectrum

N_PIXELS = 1000
ONES = np.ones(N_PIXELS, np.float32)


def encode(signatures: Signatures, *rows: np.ndarray) -> dict[str, np.ndarray]:
    outputs = signatures.encode(tf.constant(np.stack(rows), tf.float32))
    return {name: value.numpy() for name, value in outputs.items()}


def mark(row: np.ndarray, part: slice, value: float) -> np.ndarray:
    marked = row.copy()
    marked[part] = value
    return marked


def assert_finite(outputs: Outputs) -> None:
    for name, value in outputs.items():
        assert np.isfinite(value).all(), name


@pytest.mark.parametrize(
    ("flux", "flags"),
    [
        (ONES, 0),
        (mark(ONES, slice(0, 500), np.nan), 0),
        (mark(ONES, slice(0, 501), np.nan), Flag.FEW_VALID_PIXELS),
        (mark(ONES, slice(0, 99), 0.0), 0),
        (mark(ONES, slice(0, 1000), np.nan),
         Flag.NO_VALID_PIXEL | Flag.FEW_VALID_PIXELS),
        (mark(ONES, slice(0, 1000), 0.0), Flag.NO_VALID_PIXEL | Flag.FEW_VALID_PIXELS),
        (mark(ONES, slice(1, 1000, 2), 0.0), 0),
        (mark(ONES, slice(0, 801), -3.0), Flag.MEDIAN_NOT_POSITIVE),
        (mark(ONES, slice(4, 5), np.inf), Flag.INFINITE_FLUX),
        (mark(ONES, slice(4, 5), -np.inf), Flag.INFINITE_FLUX),
        (mark(ONES, slice(0, 1000), np.inf),
         Flag.INFINITE_FLUX | Flag.NO_VALID_PIXEL | Flag.FEW_VALID_PIXELS),
        (np.float32(3e38) * ONES, Flag.MEDIAN_NOT_POSITIVE),
    ],
)  # fmt: skip
def test_flags(signatures: Signatures, flux: np.ndarray, flags: int) -> None:
    """Also of one bad spectrum among good ones, which it does not change."""
    outputs = encode(signatures, ONES, flux, ONES)
    assert outputs["flags"].tolist() == [0, flags, 0]
    assert outputs["flags"].dtype == np.int32
    assert_finite(outputs)
    alone = encode(signatures, ONES)
    np.testing.assert_allclose(outputs["z_mean"][2], alone["z_mean"][0], atol=1e-5)
    if flags & UNUSABLE:  # the prior
        assert not outputs["z_mean"][1].any()
        assert not outputs["z_log_var"][1].any()
    else:
        assert outputs["z_mean"][1].any()


def test_infinities_count_as_bad_pixels(signatures: Signatures) -> None:
    infinite, bad = (
        encode(signatures, mark(ONES, slice(7, 300), value))
        for value in (np.inf, np.nan)
    )
    for name in ("z_mean", "z_log_var", "median_flux", "valid_fraction"):
        np.testing.assert_array_equal(infinite[name], bad[name])


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(width=32), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
)
def test_whatever_comes_in_only_finite_numbers_go_out(
    signatures: Signatures, values: list[float], seed: int
) -> None:
    chosen = np.random.default_rng(seed).integers(len(values), size=N_PIXELS)
    flux = np.array(values, np.float32)[chosen]
    outputs = signatures.encode(tf.constant(flux[np.newaxis]))
    assert_finite(outputs)
    # TensorFlow may take numbers below the smallest normal one for zero.
    smallest = np.finfo(np.float32).tiny
    finite = flux[np.isfinite(flux)]
    if finite.size == 0:
        assert outputs["flags"] & Flag.NO_VALID_PIXEL
    elif finite.size == N_PIXELS and smallest < finite.min() and finite.max() < 1e10:
        assert outputs["flags"].numpy() & ~Flag.LATENT_NOT_FINITE == 0
    assert MIN_VALID_FRACTION == 0.5
    few = outputs["valid_fraction"] < MIN_VALID_FRACTION
    assert bool(outputs["flags"] & Flag.FEW_VALID_PIXELS) == bool(few)


def test_files_are_encoded_as_the_converter_would(
    signatures: Signatures, fits_folder: Path
) -> None:
    config = signatures.config
    for path in sorted(fits_folder.glob("*.fits"))[:2]:
        prepared = prepare_spectrum(path, config.grid, config.convert)
        spectrum = correct_spectrum(read_spectrum(path), config.convert)
        found = signatures.encode_spectrum(
            tf.constant(spectrum.wave), tf.constant(spectrum.flux)
        )
        expected = encode(signatures, prepared.flux)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name].shape == value.shape
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


def test_a_resampled_spectrum_is_encoded_as_its_placement(
    signatures: Signatures,
) -> None:
    """With zeros that are too few for a gap in the file, but enough on the grid."""
    grid, convert = signatures.config.grid, signatures.config.convert
    wave = np.linspace(grid.wave[0] - 1.0, grid.wave[-1] + 1.0, 700)
    flux = mark(np.linspace(90.0, 110.0, 700), slice(200, 299), 0.0).astype(np.float32)
    found = signatures.encode_spectrum(tf.constant(wave), tf.constant(flux))
    placed = grid.place(wave, flux, convert.max_drift)
    assert placed.resampled
    assert found["valid_fraction"].numpy() == [1.0]
    assert found["median_flux"].numpy()[0] == pytest.approx(
        np.median(placed.flux), rel=1e-6
    )
    assert np.count_nonzero(placed.flux == 0.0) > convert.min_zero_run


@pytest.mark.parametrize(
    ("wave", "flag"),
    [
        (np.arange(20.0)[::-1] + 5160.0, Flag.WAVE_INVALID),
        (np.arange(20.0) + 9000.0, Flag.NO_OVERLAP),
        (np.array([]), Flag.WAVE_INVALID),
    ],
)
def test_unplaceable_spectra_are_flagged(
    signatures: Signatures, wave: np.ndarray, flag: Flag
) -> None:
    flux = tf.constant(np.ones(len(wave), np.float32))
    outputs = signatures.encode_spectrum(tf.constant(wave), flux)
    nothing = Flag.NO_VALID_PIXEL | Flag.FEW_VALID_PIXELS
    assert outputs["flags"].numpy().tolist() == [flag | nothing]
    assert_finite(outputs)
    assert not outputs["z_mean"].numpy().any()


def test_different_lengths_are_an_error(signatures: Signatures) -> None:
    wave = tf.constant(np.arange(5160.0, 5170.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same len"):
        signatures.encode_spectrum(wave, tf.ones(9))


def test_reconstruction_is_in_the_unit_of_the_input(signatures: Signatures) -> None:
    flux = np.stack([ONES, 700.0 * ONES, -ONES, np.nan * ONES]).astype(np.float32)
    outputs = signatures.reconstruct(tf.constant(flux))
    one, many, negative, nothing = outputs["flux"].numpy()
    np.testing.assert_allclose(many, 700.0 * one, rtol=1e-4)
    assert not negative.any()
    assert not nothing.any()
    assert (
        outputs["flags"].numpy().tolist() == encode(signatures, *flux)["flags"].tolist()
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_code_that_is_not_finite_is_an_error(
    signatures: Signatures, value: float
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="z must be finite"):
        signatures.decode(tf.fill((1, 4), tf.constant(value, tf.float32)))


def test_a_code_whose_flux_is_infinite_is_an_error(signatures: Signatures) -> None:
    decoder = signatures.autoencoder.get_layer("decoder")
    scale = decoder.get_layer("destandardise1").scale
    before = float(scale)
    scale.assign(3.0e38)
    try:
        with pytest.raises(tf.errors.InvalidArgumentError, match="z is too large"):
            signatures.decode(tf.fill((1, 4), 1.0e20))
    finally:
        scale.assign(before)
