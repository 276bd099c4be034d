from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from tests.tfrecords_tools.fits_files import (
    CARDS,
    GRID,
    WAVE,
    make_flux,
    write_adp,
    write_image,
)
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import _median, prepare_spectrum
from tfrecords_tools.grid import Grid
from tfrecords_tools.spectrum import SpectrumError, vacuum_to_air

FLUX = make_flux()
CONFIG = ConvertConfig()


def test_whole_pixel_shift_and_gap(tmp_path):
    flux = FLUX.copy()
    flux[300:420] = 0.0
    flux[500:510] = 0.0  # too short for a gap
    prepared = prepare_spectrum(write_adp(tmp_path / "a.fits", flux=flux), GRID, CONFIG)
    expected = flux[50:650].copy()
    expected[250:370] = np.nan
    np.testing.assert_array_equal(prepared.flux, expected)
    assert prepared.median_flux == pytest.approx(np.nanmedian(expected))
    assert prepared.history == (
        "HARPS Phase 3 table",
        "in air by HARPS",
        "120 pixels of zeros masked",
        "shifted",
    )


def test_phase_error_is_measured(tmp_path):
    path = write_adp(tmp_path / "a.fits", WAVE + 0.003)
    prepared = prepare_spectrum(path, GRID, CONFIG)
    assert prepared.phase_error == pytest.approx(0.3, abs=1e-6)
    np.testing.assert_array_equal(prepared.flux, FLUX[50:650])


def test_topocentric_vacuum_wavelengths_are_corrected(tmp_path):
    cards = {**CARDS, "SPECSYS": "TOPOCENT"}
    path = write_adp(tmp_path / "a.fits", names=("WAVE_VAC", "FLUX"), cards=cards)
    prepared = prepare_spectrum(path, GRID, CONFIG)
    assert prepared.metadata.specsys == "BARYCENT"
    assert prepared.history[1:] == (
        "in vacuum by the name wave_vac",
        "topocentric to barycentric, BERV -8.5000 km/s",
        "vacuum to air (Morton 1991)",
        "resampled, conserving flux",
    )
    wave = vacuum_to_air(WAVE * (1.0 - 8.5 / 299_792.458))
    valid = np.isfinite(prepared.flux)
    # -1.39 Angstrom to air and -0.14 by the BERV.
    assert GRID.wave[valid][-1] == pytest.approx(wave[-1], abs=0.02)


@pytest.mark.parametrize(
    ("unit", "median", "taken"),
    [("adu", 49.0, False), ("ADU", 49.0, False), ("adu", 51.0, True), ("", 0.5, True)],
)
def test_faint_spectra_are_noise_only_in_adu(tmp_path, unit, median, taken):
    flux = np.full(WAVE.size, median, dtype=np.float32)
    path = write_adp(tmp_path / "a.fits", flux=flux, flux_unit=unit)
    if taken:
        assert prepare_spectrum(path, GRID, CONFIG).median_flux == median
    else:
        reason = r"noise only: median flux 49\.0 ADU is below 50"
        with pytest.raises(SpectrumError, match=reason):
            prepare_spectrum(path, GRID, CONFIG)


@pytest.mark.parametrize("n", [20_000, 20_001])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(100.0, 10.0, n),
        lambda rng, n: np.sort(rng.exponential(100.0, n)),
        lambda rng, n: np.full(n, 3.0),
        lambda rng, n: rng.choice([1.0, 2.0], n),
        lambda rng, n: 1.0 + np.arange(n) % 101,  # the sample is all alike
        lambda rng, n: np.where(np.arange(n) < n // 2, 1.0, 900.0),
        lambda rng, n: rng.normal(0.0, 1.0, n),
    ],
)
def test_median_of_many_pixels(tmp_path, draw, n):
    flux = draw(np.random.default_rng(n), n).astype(np.float32)
    path = write_image(tmp_path / "a.fits", flux)
    grid = Grid(wave_min=float(WAVE[0]), n_pixels=n)
    assert prepare_spectrum(path, grid, CONFIG).median_flux == np.median(flux)


def test_float32_is_not_scaled(tmp_path):
    prepared = prepare_spectrum(write_adp(tmp_path / "a.fits"), GRID, CONFIG)
    assert prepared.flux_scale == 1.0


def test_float16_is_scaled_by_the_median_and_masks_what_it_cannot_hold(tmp_path):
    flux = FLUX.copy()
    flux[200] = 7e4 * np.median(flux)
    config = ConvertConfig(flux_dtype="float16", max_flux_ratio=1e6)
    prepared = prepare_spectrum(write_adp(tmp_path / "a.fits", flux=flux), GRID, config)
    assert prepared.flux_scale == prepared.median_flux
    assert np.flatnonzero(np.isnan(prepared.flux)).tolist() == [150]
    assert prepared.history[-1] == "1 pixels beyond float16 masked"


@pytest.mark.parametrize(
    ("flux", "scale"),
    [
        (np.full(800, -3.0), 3.0),
        (np.where(np.arange(800) < 100, 5.0, 0.0), 5.0),
    ],
)
def test_float16_has_a_scale_without_a_positive_median(tmp_path, flux, scale):
    path = write_adp(tmp_path / "a.fits", flux=flux.astype("f4"), flux_unit="")
    config = ConvertConfig(flux_dtype="float16", min_zero_run=1000)
    assert prepare_spectrum(path, GRID, config).flux_scale == scale


def test_negative_flux_is_data(tmp_path):
    flux = FLUX.copy()
    flux[100:200] = -5.0
    prepared = prepare_spectrum(write_adp(tmp_path / "a.fits", flux=flux), GRID, CONFIG)
    np.testing.assert_array_equal(prepared.flux[50:150], -5.0)


@pytest.mark.parametrize(
    ("flux", "start", "reason"),
    [
        (FLUX, 6000.0, r"no overlap with the grid: 6000\.0 to 6008\.0 Angstrom"),
        (np.where(np.arange(800) < 40, FLUX, np.nan), WAVE[0], "no valid flux on"),
        (
            np.where(np.arange(800) < 40, FLUX, 0.0),
            WAVE[0],
            "no valid flux on the grid",
        ),
    ],
)
def test_nothing_on_the_grid(tmp_path, flux, start, reason):
    path = write_image(tmp_path / "a.fits", flux, start=start)
    with pytest.raises(SpectrumError, match=reason):
        prepare_spectrum(path, GRID, CONFIG)


def test_a_file_of_zeros_in_two_parts_is_refused(tmp_path):
    """All flux is gap: nothing valid is left, and nothing crashes."""
    flux = np.zeros(800, dtype=np.float32)
    flux[0] = 1.0
    with pytest.raises(SpectrumError, match="no valid flux on the grid"):
        prepare_spectrum(write_image(tmp_path / "a.fits", flux), GRID, CONFIG)


@pytest.mark.parametrize("medium", ["auto", "air", "vacuum"])
def test_a_medium_that_nothing_states_is_settled_by_the_settings(tmp_path, medium):
    config = ConvertConfig(medium=medium)
    path = write_image(tmp_path / "a.fits", cards={"SPECSYS": "BARYCENT"})
    prepared = prepare_spectrum(path, Grid(wave_min=4998.0, n_pixels=1200), config)
    first = np.flatnonzero(np.isfinite(prepared.flux))[0]
    wave = vacuum_to_air(WAVE) if medium == "vacuum" else WAVE
    assert 4998.0 + 0.01 * first == pytest.approx(wave[0], abs=0.02)
    is_assumed = medium == "auto"
    assert prepared.assumptions == (("air assumed",) if is_assumed else ())
    told = "air assumed" if is_assumed else f"in {medium} by convert.medium"
    assert told in prepared.history


def test_a_medium_that_the_file_states_is_kept(tmp_path):
    path = write_image(tmp_path / "a.fits", cards={**CARDS, "CTYPE1": "AWAV"})
    prepared = prepare_spectrum(path, GRID, ConvertConfig(medium="vacuum"))
    np.testing.assert_array_equal(prepared.flux, FLUX[50:650])
    assert prepared.assumptions == ()


@pytest.mark.parametrize(
    ("cards", "assumption"),
    [
        ({"SPECSYS": "TOPOCENT"}, "kept topocentric"),
        ({"SPECSYS": "TOPOCENT", "BERV": 10.0}, None),
        ({"SPECSYS": "HELIOCEN"}, None),
        ({}, "frame unknown"),
    ],
)
def test_frames_that_are_not_known(tmp_path, cards, assumption):
    path = write_image(tmp_path / "a.fits", cards={"CTYPE1": "AWAV", **cards})
    prepared = prepare_spectrum(path, GRID, CONFIG)
    assert prepared.assumptions == (() if assumption is None else (assumption,))


def test_what_else_a_file_holds_is_told(tmp_path):
    path = write_image(tmp_path / "a.fits", cards={**CARDS, "CTYPE1": "AWAV"})
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.ImageHDU(FLUX, name="STAR 2"))
    assert prepare_spectrum(path, GRID, CONFIG).assumptions == ("not all read",)


def test_a_few_spikes_are_bad_and_many_refused(tmp_path):
    flux = FLUX.copy()
    flux[[100, 200, 300]] = [1e10, -1e9, 2e6]
    prepared = prepare_spectrum(write_adp(tmp_path / "a.fits", flux=flux), GRID, CONFIG)
    assert np.flatnonzero(np.isnan(prepared.flux)).tolist() == [50, 150, 250]
    assert prepared.n_spikes == 3
    assert "3 pixels beyond 1000 medians masked" in prepared.history
    flux[::50] = 1e10  # more than 1 % of 800 pixels
    path = write_adp(tmp_path / "b.fits", flux=flux)
    reason = r"too many spikes: 16 of 800 pixels are beyond 1000 times the median"
    with pytest.raises(SpectrumError, match=reason):
        prepare_spectrum(path, GRID, CONFIG)
    lenient = ConvertConfig(max_spikes=0.1)
    assert prepare_spectrum(path, GRID, lenient).n_spikes == 16


def test_a_spectrum_of_bad_pixels_is_refused_and_one_with_a_gap_is_not(tmp_path):
    flux = FLUX.copy()
    flux[np.arange(800) % 5 != 0] = np.nan
    path = write_adp(tmp_path / "a.fits", flux=flux)
    reason = r"too many bad pixels: 480 of 600 pixels on the grid \(convert.min_valid"
    with pytest.raises(SpectrumError, match=reason):
        prepare_spectrum(path, GRID, CONFIG)
    prepare_spectrum(path, GRID, ConvertConfig(min_valid_fraction=0.1))
    flux = FLUX.copy()
    flux[60:600] = np.nan  # a gap between detectors
    prepare_spectrum(write_adp(tmp_path / "b.fits", flux=flux), GRID, CONFIG)
    # A file that ends on the grid lacks nothing.
    prepare_spectrum(
        write_adp(tmp_path / "c.fits", WAVE[:100], FLUX[:100]), GRID, CONFIG
    )


@pytest.mark.parametrize("n", [1, 2, 99, 10_200, 10_201, 30_000])
@pytest.mark.parametrize("share_bad", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("decimals", [1, 6])
def test_the_median_is_numpys(n: int, share_bad: float, decimals: int) -> None:
    rng = np.random.default_rng(n)
    flux = rng.normal(1.0, 0.3, n).round(decimals).astype(np.float32)
    flux[rng.random(n) < share_bad] = np.nan
    flux[0] = 1.0
    for values in (flux, np.sort(flux)):
        n_valid = int(np.isfinite(values).sum())
        assert _median(values, n_valid) == float(np.nanmedian(values))
