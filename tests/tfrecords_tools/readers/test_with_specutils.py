from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tfrecords_tools.readers import read_spectrum, scan_file, with_specutils
from tfrecords_tools.spectrum import SpectrumError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

N = 500
FREQUENCY = np.linspace(5.0e14, 6.0e14, N)
FLUX = np.random.default_rng(0).normal(20.0, 1.0, N).astype(np.float32)


def write_frequencies(path: Path, frequency: np.ndarray = FREQUENCY) -> Path:
    columns = [
        fits.Column("frequency", "D", "Hz", array=frequency),
        fits.Column("flux", "E", "Jy", array=FLUX),
    ]
    header = fits.Header({"OBJECT": "HD 7"})
    fits.HDUList(
        [fits.PrimaryHDU(header=header), fits.BinTableHDU.from_columns(columns)]
    ).writeto(path)
    return path


def test_frequencies_become_wavelengths_in_vacuum(tmp_path: Path) -> None:
    path = write_frequencies(tmp_path / "a.fits")
    spectrum = read_spectrum(path)
    np.testing.assert_allclose(spectrum.wave, 2.99792458e18 / FREQUENCY[::-1])
    np.testing.assert_array_equal(spectrum.flux, FLUX[::-1])
    assert spectrum.medium == "vacuum"
    assert spectrum.history == (
        "specutils, as tabular-fits",
        "in vacuum by an axis of frequencies or energies",
    )
    assert [identity.target for identity in scan_file(path)] == ["HD 7"]


def test_what_specutils_reads_wrongly_is_refused(tmp_path: Path) -> None:
    path = write_frequencies(tmp_path / "a.fits", np.full(N, np.nan))
    with pytest.raises(
        SpectrumError, match=r"no wavelengths: .*as tabular-fits: Spectral axis"
    ):
        read_spectrum(path)


def test_a_truncated_file_is_not_given_to_specutils(tmp_path: Path) -> None:
    path = write_frequencies(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:-2880])
    with pytest.raises(SpectrumError, match=r"truncated: \d+ bytes of data"):
        read_spectrum(path)


def test_without_specutils_the_reason_says_that_it_may_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_specutils, "is_installed", lambda: False)
    path = write_frequencies(tmp_path / "a.fits")
    reason = (
        r"no wavelengths: the table's columns are frequency, flux "
        r"\(specutils is not installed; it may know this form\)"
    )
    for read in (read_spectrum, scan_file):
        with pytest.raises(SpectrumError, match=reason):
            read(path)


@pytest.mark.parametrize(
    "names", [("SKY", "OBJ"), ("GROSS", "BACKGROUND", "NET"), ("SIGMA",)]
)
def test_a_column_is_not_the_flux_by_its_unit_alone(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    columns = [fits.Column("X", "D", "Angstrom", array=np.linspace(5e3, 6e3, N))]
    columns += [fits.Column(name, "E", "Jy", array=FLUX) for name in names]
    path = tmp_path / "a.fits"
    fits.BinTableHDU.from_columns(columns).writeto(path)
    reason = rf"specutils does not know the flux among {', '.join(names)}\)"
    with pytest.raises(SpectrumError, match=reason):
        read_spectrum(path)
