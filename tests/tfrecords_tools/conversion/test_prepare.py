from __future__ import annotations

import numpy as np
import pytest

from tests.tfrecords_tools.fits_files import (
    CARDS,
    GRID,
    WAVE,
    make_flux,
    write_adp,
    write_image,
)
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import prepare_spectrum
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
