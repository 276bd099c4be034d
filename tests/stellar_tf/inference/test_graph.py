from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from stellar_tf.flags import MIN_VALID_FRACTION, UNUSABLE, Flag
from stellar_tf.inference.graph import ModelGraph, Outputs
from stellar_tf.network.gauss_newton import measure_codes
from tests.stellar_tf.settings import with_settings
from tfrecords_tools.conversion.prepare import correct_spectrum, prepare_spectrum
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.spectrum import mask_spikes, mask_zero_runs

N_PIXELS = 1000
ONES = np.ones(N_PIXELS, np.float32)


def encode(graph: ModelGraph, *rows: np.ndarray) -> dict[str, np.ndarray]:
    outputs = graph.encode(tf.constant(np.stack(rows), tf.float32))
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
        (mark(ONES, slice(4, 5), 1e10), Flag.SPIKES_MASKED),
        (mark(ONES, slice(4, 5), -1001.0), Flag.SPIKES_MASKED),
        (mark(ONES, slice(4, 5), 1000.0), 0),
    ],
)  # fmt: skip
def test_flags(graph: ModelGraph, flux: np.ndarray, flags: int) -> None:
    """Also of one bad spectrum among good ones, which it does not change."""
    outputs = encode(graph, ONES, flux, ONES)
    assert outputs["flags"].tolist() == [0, flags, 0]
    assert outputs["flags"].dtype == np.int32
    assert_finite(outputs)
    alone = encode(graph, ONES)
    np.testing.assert_allclose(outputs["z_mean"][2], alone["z_mean"][0], atol=1e-5)
    if flags & UNUSABLE:  # the prior
        assert not outputs["z_mean"][1].any()
        assert not outputs["z_log_var"][1].any()
    else:
        assert outputs["z_mean"][1].any()


def test_infinities_count_as_bad_pixels(graph: ModelGraph) -> None:
    infinite, bad = (
        encode(graph, mark(ONES, slice(7, 300), value)) for value in (np.inf, np.nan)
    )
    for name in ("z_mean", "z_log_var", "median_flux", "valid_fraction"):
        np.testing.assert_array_equal(infinite[name], bad[name])


def has_spikes(flux: np.ndarray) -> bool:
    return mask_spikes(flux, 1000.0)[1] > 0


@pytest.mark.parametrize("by_wave", [False, True])
def test_spikes_count_as_bad_pixels_as_the_converter_finds_them(
    graph: ModelGraph, by_wave: bool
) -> None:
    grid, convert = graph.config.grid, graph.config.convert
    assert convert.max_flux_ratio == 1000.0
    flux = np.random.default_rng(1).uniform(50.0, 150.0, N_PIXELS).astype(np.float32)
    # Zeros in a run do not count, others neither: the median is that of sizes above 0.
    flux[100:300], flux[300:500:2], flux[600:700:2] = 0.0, 0.0, 1e10
    flux[601] = -2e5
    zeroless, _ = mask_zero_runs(flux, convert.min_zero_run)
    expected, n_spikes = mask_spikes(zeroless, convert.max_flux_ratio)
    assert n_spikes == 51
    clean, spiky = (
        graph.encode_spectrum(tf.constant(grid.wave), tf.constant(row))
        if by_wave
        else graph.encode(tf.constant(row[np.newaxis]))
        for row in (expected, flux)
    )
    assert spiky["flags"].numpy().tolist() == [Flag.SPIKES_MASKED]
    assert clean["flags"].numpy().tolist() == [0]
    for name in ("z_mean", "z_log_var", "median_flux", "valid_fraction"):
        np.testing.assert_array_equal(spiky[name], clean[name])


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(width=32), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
)
def test_whatever_comes_in_only_finite_numbers_go_out(
    graph: ModelGraph, values: list[float], seed: int
) -> None:
    chosen = np.random.default_rng(seed).integers(len(values), size=N_PIXELS)
    flux = np.array(values, np.float32)[chosen]
    outputs = graph.encode(tf.constant(flux[np.newaxis]))
    assert_finite(outputs)
    # TensorFlow may take numbers below the smallest normal one for zero.
    smallest = np.finfo(np.float32).tiny
    finite = flux[np.isfinite(flux)]
    if finite.size == 0:
        assert outputs["flags"] & Flag.NO_VALID_PIXEL
    elif finite.size == N_PIXELS and smallest < finite.min() and finite.max() < 1e10:
        told = outputs["flags"].numpy() & ~Flag.LATENT_NOT_FINITE
        assert told == (Flag.SPIKES_MASKED if has_spikes(flux) else 0)
    assert MIN_VALID_FRACTION == 0.5
    few = outputs["valid_fraction"] < MIN_VALID_FRACTION
    assert bool(outputs["flags"] & Flag.FEW_VALID_PIXELS) == bool(few)


def test_files_are_encoded_as_the_converter_would(
    graph: ModelGraph, fits_folder: Path
) -> None:
    config = graph.config
    for path in sorted(fits_folder.glob("*.fits"))[:2]:
        prepared = prepare_spectrum(path, config.grid, config.convert)
        spectrum = correct_spectrum(read_spectrum(path), config.convert)
        found = graph.encode_spectrum(
            tf.constant(spectrum.wave), tf.constant(spectrum.flux)
        )
        expected = encode(graph, prepared.flux)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name].shape == value.shape
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


def test_a_resampled_spectrum_is_encoded_as_its_placement(
    graph: ModelGraph,
) -> None:
    """With zeros that are too few for a gap in the file, but enough on the grid."""
    grid, convert = graph.config.grid, graph.config.convert
    wave = np.linspace(grid.wave[0] - 1.0, grid.wave[-1] + 1.0, 700)
    flux = mark(np.linspace(90.0, 110.0, 700), slice(200, 299), 0.0).astype(np.float32)
    found = graph.encode_spectrum(tf.constant(wave), tf.constant(flux))
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
    graph: ModelGraph, wave: np.ndarray, flag: Flag
) -> None:
    flux = tf.constant(np.ones(len(wave), np.float32))
    outputs = graph.encode_spectrum(tf.constant(wave), flux)
    nothing = Flag.NO_VALID_PIXEL | Flag.FEW_VALID_PIXELS
    assert outputs["flags"].numpy().tolist() == [flag | nothing]
    assert_finite(outputs)
    assert not outputs["z_mean"].numpy().any()


def test_different_lengths_are_an_error(graph: ModelGraph) -> None:
    wave = tf.constant(np.arange(5160.0, 5170.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same len"):
        graph.encode_spectrum(wave, tf.ones(9))


def test_reconstruction_is_in_the_unit_of_the_input(graph: ModelGraph) -> None:
    flux = np.stack([ONES, 700.0 * ONES, -ONES, np.nan * ONES]).astype(np.float32)
    outputs = graph.reconstruct(tf.constant(flux))
    one, many, negative, nothing = outputs["flux"].numpy()
    np.testing.assert_allclose(many, 700.0 * one, rtol=1e-4)
    assert not negative.any()
    assert not nothing.any()
    assert outputs["flags"].numpy().tolist() == encode(graph, *flux)["flags"].tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_code_that_is_not_finite_is_an_error(graph: ModelGraph, value: float) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="z must be finite"):
        graph.decode(tf.fill((1, 4), tf.constant(value, tf.float32)))


def test_a_code_whose_flux_is_infinite_is_an_error(graph: ModelGraph) -> None:
    decoder = graph.autoencoder.get_layer("decoder")
    scale = decoder.get_layer("destandardise1").scale
    before = float(scale)
    scale.assign(3.0e38)
    try:
        with pytest.raises(tf.errors.InvalidArgumentError, match="z is too large"):
            graph.decode(tf.fill((1, 4), 1.0e20))
    finally:
        scale.assign(before)


@pytest.fixture(scope="module")
def measuring(graph: ModelGraph) -> ModelGraph:
    """The network, encoding as a refined run does."""
    config = with_settings(graph.config, inference={"n_steps": 2})
    return ModelGraph(graph.autoencoder, config)


def draw_spectrum(graph: ModelGraph) -> np.ndarray:
    rng = np.random.default_rng(0)
    mean = np.asarray(graph.decode(tf.zeros((1, 4)))["flux"])[0]
    return (200.0 * rng.normal(mean, 0.01)).astype(np.float32)


def test_a_refined_run_encodes_by_the_most_likely_code(
    graph: ModelGraph, measuring: ModelGraph
) -> None:
    flux = draw_spectrum(graph)
    start, found = encode(graph, flux), encode(measuring, flux)
    decoder = graph.autoencoder.get_layer("decoder")
    normalised = tf.constant(flux / start["median_flux"])[tf.newaxis]
    expected = measure_codes(decoder, normalised, start["z_mean"], n_steps=2)
    np.testing.assert_allclose(found["z_mean"], expected.z, atol=1e-4)
    variance = np.diagonal(np.asarray(expected.covariance)[0])
    np.testing.assert_allclose(np.exp(found["z_log_var"][0]), variance, rtol=1e-3)
    told = 0 if expected.has_converged[0] else Flag.NOT_CONVERGED
    assert found["flags"].tolist() == [told]


def test_a_code_that_is_not_reached_is_flagged(graph: ModelGraph) -> None:
    config = with_settings(graph.config, inference={"n_steps": 1})
    hasty = ModelGraph(graph.autoencoder, config)
    assert encode(hasty, draw_spectrum(graph))["flags"].tolist() == [Flag.NOT_CONVERGED]


def test_errors_widen_what_a_refined_run_says(
    graph: ModelGraph, measuring: ModelGraph
) -> None:
    flux = tf.constant(draw_spectrum(graph))[tf.newaxis]
    widths = []
    for error in (None, 100.0, 1000.0):  # medians are near 200
        errors = None if error is None else error * tf.ones_like(flux)
        outputs = measuring.encode_prepared(flux, error=errors)
        widths.append(np.asarray(outputs["z_log_var"])[0])
    assert (widths[0] < widths[1]).all()
    assert (widths[1] < widths[2]).all()


def test_of_nothing_a_refined_run_says_the_prior(measuring: ModelGraph) -> None:
    outputs = encode(measuring, np.full(N_PIXELS, np.nan))
    assert_finite(outputs)
    assert not outputs["z_mean"].any()
    assert not outputs["z_log_var"].any()


def test_a_refined_runs_saved_model_encodes_alike(
    graph: ModelGraph, measuring: ModelGraph, tmp_path: Path
) -> None:
    flux = tf.constant(draw_spectrum(graph))[tf.newaxis]
    archive = keras.export.ExportArchive()
    spec = tf.TensorSpec((None, N_PIXELS), tf.float32, name="flux")
    archive.add_endpoint("encode", measuring.encode, [spec])
    archive.write_out(str(tmp_path / "model"), verbose=False)
    saved = tf.saved_model.load(str(tmp_path / "model")).signatures["encode"]
    # Rounding of float32 counts where hardly anything depends on the code, as here.
    for name, value in measuring.encode(flux).items():
        np.testing.assert_allclose(saved(flux=flux)[name], value, atol=0.02)
