from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from stellar_tf.config import SimulateConfig
from stellar_tf.simulator.adp import AdpWriter
from stellar_tf.simulator.record import Record, draw_records
from stellar_tf.simulator.spectrum import SimulatedSpectrum, SpectrumSimulator


@pytest.fixture(scope="module")
def record(window: SimulateConfig) -> Record:
    return draw_records(window, 0, 0)[0]


@pytest.fixture(scope="module")
def spectrum(simulator: SpectrumSimulator, record: Record) -> SimulatedSpectrum:
    return simulator.simulate(record.star, record.exposure, record.rng)


@pytest.fixture(scope="module", params=[True, False], ids=["full", "short"])
def product(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    spectrum: SimulatedSpectrum,
    record: Record,
) -> Path:
    path: Path = tmp_path_factory.mktemp("adp") / "product.fits"
    AdpWriter(full_header=request.param).write(path, spectrum, record)
    return path


def test_astropy_reads_the_arrays_back(
    product: Path, spectrum: SimulatedSpectrum
) -> None:
    with fits.open(product) as hdus:
        table = hdus["SPECTRUM"].data
        np.testing.assert_array_equal(table["WAVE"][0], spectrum.wave)
        np.testing.assert_array_equal(table["FLUX"][0], spectrum.flux)
        assert np.isnan(table["ERR"][0]).all()
        assert hdus[0].data is None


def test_the_file_is_valid_and_its_checksums_right(product: Path) -> None:
    """Warnings are errors, and astropy warns of a wrong checksum."""
    with fits.open(product, checksum=True) as hdus:
        hdus.verify("exception")
        assert "CHECKSUM" in hdus[0].header
        assert "CHECKSUM" in hdus[1].header


def test_header_states_the_truth(
    product: Path, spectrum: SimulatedSpectrum, record: Record
) -> None:
    header = fits.getheader(product, 0)
    assert header["OBJECT"] == record.target
    assert header["ESO DRS BERV"] == record.exposure.berv
    assert header["ESO TEL AIRM START"] == pytest.approx(
        record.exposure.airmass, abs=1e-3
    )
    assert header["SNR"] == pytest.approx(10.0**record.exposure.log_snr, abs=0.01)
    assert header["MJD-OBS"] == record.mjd
    assert header["WAVELMIN"] == pytest.approx(spectrum.wave[0] / 10.0)
    assert header["WAVELMAX"] == pytest.approx(spectrum.wave[-1] / 10.0)
    assert header["SPEC_BIN"] == pytest.approx(0.004)
    assert header["ARCFILE"] == f"{record.dp_id}.fits"
    assert header["SPECSYS"] == "BARYCENT"


def test_nothing_partial_is_left(product: Path) -> None:
    assert [path.name for path in product.parent.iterdir()] == ["product.fits"]


def test_headers_have_the_cards_of_a_real_product(
    tmp_path: Path, spectrum: SimulatedSpectrum, record: Record, real_data: Path
) -> None:
    path = tmp_path / "full.fits"
    AdpWriter(full_header=True).write(path, spectrum, record)
    (real,) = (real_data / "real" / "eso_adp").glob("*.fits")
    for hdu in (0, 1):
        ours, theirs = fits.getheader(path, hdu), fits.getheader(real, hdu)
        assert set(ours) == set(theirs)
        assert len(ours) == len(theirs)
        for keyword in set(ours) - {"COMMENT"}:
            kinds = {type(ours[keyword]), type(theirs[keyword])}
            assert len(kinds) == 1, keyword
    ours, theirs = fits.getheader(path, 1), fits.getheader(real, 1)
    for name in ("TTYPE", "TUTYP", "TUCD", "TUNIT"):
        for column in (1, 2, 3):
            assert ours[f"{name}{column}"] == theirs[f"{name}{column}"]
