from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tfrecords_tools.readers import read_spectrum, with_specutils
from tfrecords_tools.spectrum import SpectrumError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

N = 500
LOG_WAVE = 3.6 + 1e-4 * np.arange(N)
FLUX = np.random.default_rng(0).normal(20.0, 1.0, N).astype(np.float32)


def write_sdss(path: Path, **columns: np.ndarray) -> Path:
    """Write the parts of an SDSS-III spectrum that its data model defines."""
    header = fits.Header(
        {"TELESCOP": "SDSS 2.5-M", "VERS2D": "v5_13_0", "FIBERID": 7, "OBJECT": "HD 7"}
    )
    values = {
        "flux": FLUX,
        "loglam": LOG_WAVE.astype(np.float32),
        "ivar": np.full(N, 4.0, np.float32),
        "and_mask": np.where(np.arange(N) == 9, 1, 0).astype(np.int32),
        **columns,
    }
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name, "J" if v.dtype.kind == "i" else "E", array=v)
            for name, v in values.items()
        ]
    )
    fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(path)
    return path


def write_frequencies(path: Path) -> Path:
    frequency = np.linspace(5.0e14, 6.0e14, N)
    columns = [
        fits.Column("frequency", "D", "Hz", array=frequency),
        fits.Column("flux", "E", "Jy", array=FLUX),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(
        path
    )
    return path


def test_an_sdss_spectrum(tmp_path: Path) -> None:
    spectrum = read_spectrum(write_sdss(tmp_path / "spec-1-2-3.fits"))
    np.testing.assert_allclose(spectrum.wave, 10.0**LOG_WAVE, rtol=1e-6)
    expected = np.where(np.arange(N) == 9, np.nan, FLUX)
    np.testing.assert_array_equal(spectrum.flux, expected)
    assert spectrum.medium == "vacuum"
    assert spectrum.metadata.target == "HD 7"
    assert spectrum.metadata.flux_unit == "1e-17 erg / (Angstrom s cm2)"
    assert spectrum.history == ("specutils, as SDSS-III/IV spec",)


def test_frequencies_become_wavelengths(tmp_path: Path) -> None:
    spectrum = read_spectrum(write_frequencies(tmp_path / "a.fits"))
    frequency = np.linspace(6.0e14, 5.0e14, N)
    np.testing.assert_allclose(spectrum.wave, 2.99792458e18 / frequency, rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, FLUX[::-1])
    assert spectrum.history == ("specutils, as tabular-fits", "air assumed")


def test_what_specutils_reads_wrongly_is_refused(tmp_path: Path) -> None:
    path = write_sdss(tmp_path / "a.fits", loglam=np.full(N, np.nan, np.float32))
    with pytest.raises(SpectrumError, match=r"no flux: .*specutils, as SDSS-III/IV"):
        read_spectrum(path)


def test_a_truncated_file_is_not_given_to_specutils(tmp_path: Path) -> None:
    path = write_sdss(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:-2880])
    with pytest.raises(SpectrumError, match=r"truncated: \d+ bytes of data"):
        read_spectrum(path)


def test_without_specutils_the_file_is_refused_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_specutils, "is_installed", lambda: False)
    with pytest.raises(SpectrumError, match="no flux: the table's columns are freq"):
        read_spectrum(write_frequencies(tmp_path / "a.fits"))
