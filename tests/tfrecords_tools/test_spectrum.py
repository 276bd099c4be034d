from __future__ import annotations

import gzip
import math

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.spectrum import (
    SPEED_OF_LIGHT,
    Metadata,
    Spectrum,
    SpectrumError,
    as_flux,
    doppler_factor,
    mask_spikes,
    mask_zero_runs,
    to_air,
    to_barycentric,
    vacuum_to_air,
)

ONES = np.ones(3, dtype=np.float32)


def make(wave=(1.0, 2.0, 3.0), flux=ONES, **metadata) -> Spectrum:
    return Spectrum(np.array(wave), flux, Metadata("x", **metadata))


@pytest.mark.parametrize(
    ("wave", "flux", "reason"),
    [
        ((1.0, 2.0), ONES, r"same length, got shapes \(2,\) and \(3,\)"),
        (((1.0, 2.0, 3.0),), ONES[np.newaxis], "must be two rows"),
        ((1.0,), ONES[:1], "has 1 pixels"),
        ((), ONES[:0], "has 0 pixels"),
        ((1.0, np.nan, 3.0), ONES, "wavelengths are not finite"),
        ((1.0, 2.0, np.inf), ONES, "wavelengths are not finite"),
        ((3.0, 2.0, 1.0), ONES, "wavelengths do not increase"),
        ((1.0, 1.0, 2.0), ONES, "wavelengths do not increase"),
        ((0.0, 1.0, 2.0), ONES, "wavelengths are not positive: 0 Angstrom"),
        ((1.0, 2.0, 3.0), ONES * np.nan, "flux is NaN everywhere"),
        ((1.0, 2.0, 3.0), ONES * 0.0, "flux is zero everywhere"),
    ],
)
def test_impossible_spectra_are_refused(wave, flux, reason):
    with pytest.raises(SpectrumError, match=reason):
        make(wave, flux)


def test_as_flux_marks_everything_bad_by_nan():
    values = np.array([1.5, np.nan, np.inf, -np.inf, 1e300, -2.0], dtype=">f8")
    flux = as_flux(values)
    assert flux.dtype == np.dtype(np.float32)
    np.testing.assert_array_equal(flux, [1.5, np.nan, np.nan, np.nan, np.nan, -2.0])


@given(
    st.lists(st.sampled_from([0.0, 1.0, -1.0, math.nan]), max_size=40),
    st.integers(1, 6),
)
def test_zero_runs_are_masked_as_a_loop_does(values, min_zero_run):
    flux = np.array(values, dtype=np.float32)
    expected = flux.copy()
    start = 0
    while start < len(values):
        stop = start
        while stop < len(values) and values[stop] == 0.0:
            stop += 1
        if stop - start >= min_zero_run:
            expected[start:stop] = np.nan
        start = max(stop, start + 1)
    before = flux.copy()
    masked, n_masked = mask_zero_runs(flux, min_zero_run)
    np.testing.assert_array_equal(masked, expected)
    assert n_masked == np.isnan(expected).sum() - np.isnan(flux).sum()
    np.testing.assert_array_equal(flux, before)


@given(
    st.lists(
        st.sampled_from([0.0, 1.0, -1.5, 3.0, 400.0, -1e4, 1e10, math.nan]), max_size=40
    ),
    st.sampled_from([2.0, 100.0, 1e5]),
)
def test_spikes_are_beyond_so_many_medians(values, max_ratio):
    flux = np.array(values, dtype=np.float32)
    sizes = [abs(value) for value in values if value != 0.0 and value == value]
    median = np.median(sizes) if sizes else math.inf
    expected = [math.nan if abs(v) > max_ratio * median else v for v in values]
    before = flux.copy()
    masked, n_spikes = mask_spikes(flux, max_ratio)
    np.testing.assert_array_equal(masked, np.array(expected, np.float32))
    assert n_spikes == np.isnan(masked).sum() - np.isnan(flux).sum()
    np.testing.assert_array_equal(flux, before)


def test_vacuum_to_air_agrees_with_the_espresso_pipeline(real_data):
    path = next((real_data / "real" / "espresso").iterdir())
    with gzip.open(path) as stream, fits.open(stream) as hdus:
        vacuum = np.array(hdus[1].data["wavelength"], dtype=np.float64)
        air = np.array(hdus[1].data["wavelength_air"], dtype=np.float64)
    np.testing.assert_allclose(vacuum_to_air(vacuum), air, rtol=0.0, atol=2e-6)


def test_vacuum_to_air_of_known_lines():
    # NIST Atomic Spectra Database: H alpha and Na D2, vacuum and air.
    np.testing.assert_allclose(
        vacuum_to_air(np.array([6564.6328, 5891.5833])),
        [6562.8192, 5889.9510],
        atol=1e-3,
    )


@given(st.floats(-1e5, 1e5))
def test_doppler_factors_of_opposite_velocities_cancel(velocity):
    assert doppler_factor(velocity) * doppler_factor(-velocity) == pytest.approx(1.0)
    assert doppler_factor(velocity) - 1.0 == pytest.approx(
        velocity / SPEED_OF_LIGHT, rel=0.5, abs=1e-15
    )


def test_topocentric_wavelengths_are_shifted_by_the_berv():
    spectrum = make(specsys="TOPOCENT", berv=30.0)
    shifted = to_barycentric(spectrum)
    beta = 30.0 / 299_792.458
    np.testing.assert_allclose(shifted.wave / spectrum.wave, 1.0 + beta, atol=1e-8)
    assert shifted.metadata.specsys == "BARYCENT"
    assert shifted.history == ("topocentric to barycentric, BERV 30.0000 km/s",)


def test_topocentric_wavelengths_are_kept_without_a_berv():
    kept = to_barycentric(make(specsys="TOPOCENT"))
    np.testing.assert_array_equal(kept.wave, [1.0, 2.0, 3.0])
    assert kept.metadata.specsys == "TOPOCENT"
    assert kept.history == ("topocentric wavelengths kept: BERV unknown",)


@pytest.mark.parametrize("specsys", ["BARYCENT", "HELIOCEN", "UNKNOWN"])
def test_other_frames_are_left_alone(specsys):
    spectrum = make(specsys=specsys, berv=30.0)
    assert to_barycentric(spectrum) is spectrum


def test_air_is_left_alone_and_vacuum_converted():
    spectrum = make()
    assert to_air(spectrum) is spectrum
    vacuum = Spectrum(np.array([5000.0, 5001.0]), ONES[:2], Metadata("x"), "vacuum")
    air = to_air(vacuum)
    np.testing.assert_array_equal(air.wave, vacuum_to_air(vacuum.wave))
    assert air.medium == "air"
    assert air.history == ("vacuum to air (Morton 1991)",)


def test_wavelengths_in_air_begin_at_2000_angstrom():
    """Below, the index of air is not known, and its formula has a pole."""
    wave = np.linspace(1500.0, 2499.0, 1000)
    flux = np.arange(1.0, 1001.0, dtype=np.float32)
    vacuum = Spectrum(wave, flux, Metadata("x"), "vacuum", error=flux)
    air = to_air(vacuum)
    np.testing.assert_array_equal(air.wave, vacuum_to_air(wave[500:]))
    np.testing.assert_array_equal(air.flux, flux[500:])
    np.testing.assert_array_equal(air.error, flux[500:])
    assert air.history[1] == "500 pixels below 2000 Angstrom cut"
    with pytest.raises(SpectrumError, match="the spectrum has 0 pixels"):
        to_air(Spectrum(wave[:500], flux[:500], Metadata("x"), "vacuum"))


def test_errors_have_the_length_of_the_flux():
    with pytest.raises(SpectrumError, match="flux and its errors differ in length: 3"):
        Spectrum(np.array([1.0, 2.0, 3.0]), ONES, Metadata("x"), error=ONES[:2])
