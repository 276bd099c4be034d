from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
import tensorflow as tf
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from specutils import Spectrum, SpectrumCollection, SpectrumList

from stellar_tf.analysis.latents import one_per_star, read_codes
from stellar_tf.config import AnalysisConfig
from stellar_tf.flags import Flag
from stellar_tf.inference.in_memory import SpectraError
from stellar_tf.inference.latents import Latents
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import GridError, Run
from stellar_tf.tables import read_table, write_table
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.conversion.prepare import correct_spectrum, prepare_spectrum
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.records.manifest import read_manifest

OUTPUTS = ("z_mean", "z_log_var", "median_flux", "valid_fraction", "flags")


@pytest.fixture(scope="module")
def model(run: Run) -> SpectrumModel:
    return SpectrumModel.from_run(run)


@pytest.fixture(scope="module")
def paths(fits_folder: Path) -> list[Path]:
    return discover([fits_folder])


def assert_same(found: Latents, expected: Latents) -> None:
    for name in OUTPUTS:
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-5
        )


def test_every_record_is_encoded_with_its_metadata(
    model: SpectrumModel, records: Path
) -> None:
    manifest = read_manifest(records)
    latents = model.encode(records)
    table = latents.table
    dp_ids = [dp_id for shard in manifest.shards for dp_id in shard.dp_ids]
    assert sorted(table["dp_id"]) == sorted(dp_ids)
    for split in ("train", "validation", "test"):
        assert int((table["split"] == split).sum()) == manifest.n_spectra(split)
    assert table["z_mean"].shape == table["z_log_var"].shape == (80, 4)
    assert np.isfinite(latents.z_mean).all()
    assert not latents.flags.any()
    assert {"target", "star", "ra", "dec", "mjd", "snr", "teff"} <= set(table.colnames)
    first = ["dp_id", "target", "star", "split", *OUTPUTS]
    assert table.colnames[: len(first)] == first


def test_files_have_the_latents_of_their_records(
    model: SpectrumModel, records: Path, fits_folder: Path
) -> None:
    of_records = model.encode(records, batch_size=64).table
    of_files = model.encode(str(fits_folder), batch_size=7)
    assert of_files.rejects == ()
    table = of_files.table
    of_records.sort("dp_id")
    table.sort("dp_id")
    for name in ("dp_id", "target", "star"):
        assert list(table[name]) == list(of_records[name])
    for name in (*OUTPUTS, "snr"):
        np.testing.assert_allclose(table[name], of_records[name], rtol=1e-4, atol=1e-5)


def test_files_without_a_target_are_stars_of_their_own(
    run: Run, model: SpectrumModel, paths: list[Path], tmp_path: Path
) -> None:
    config = run.read_config()
    for path in paths[:2]:
        with fits.open(path) as hdus:
            for hdu in hdus:
                for key in ("OBJECT", "ESO OBS TARG NAME"):
                    hdu.header.remove(key, ignore_missing=True)
            hdus.writeto(tmp_path / path.name, checksum=True)
    files = [tmp_path / path.name for path in paths[:2]] + paths[2:4]
    convert(files, tmp_path / "records", config.grid, config.convert)
    of_records = model.encode(tmp_path / "records").table
    of_files = model.encode(files).table
    stars = dict(zip(of_files["dp_id"], of_files["star"], strict=True))
    assert stars == dict(zip(of_records["dp_id"], of_records["star"], strict=True))
    nameless = {f"? {path.stem}" for path in files[:2]}
    assert nameless < set(stars.values())
    codes = read_codes(of_files, AnalysisConfig(), labels=None, factors=())
    of_each = one_per_star(codes.dp_id, codes.star, seed=0)
    assert nameless < set(codes.star[of_each])
    assert len(of_each) == len(set(stars.values()))


def test_the_posterior_is_the_models(
    run: Run, model: SpectrumModel, paths: list[Path]
) -> None:
    """A second route: astropy, numpy and the loaded model."""
    config = run.read_config()
    table = fits.getdata(paths[0], 1)
    first = round((table["WAVE"][0][0] - config.grid.wave_min) / config.grid.wave_step)
    flux = table["FLUX"][0].astype(np.float32)[-first:][: config.grid.n_pixels]
    flux = (flux / np.median(flux))[np.newaxis]
    expected = load_autoencoder(run)(flux, training=False)
    latents = model.encode(paths[:1])
    for name in ("z_mean", "z_log_var"):
        np.testing.assert_allclose(
            getattr(latents, name), expected[name], rtol=1e-4, atol=1e-5
        )


def test_bad_files_are_told_and_the_others_encoded(
    model: SpectrumModel, paths: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"not a FITS file")
    latents = model.encode([bad, *paths[:2]])
    assert len(latents) == 2
    ((path, reason),) = latents.rejects
    assert path == bad
    assert reason
    assert len(model.encode(bad)) == 0


def test_another_grid_is_refused(
    run: Run, model: SpectrumModel, fits_folder: Path, tmp_path: Path
) -> None:
    config = run.read_config()
    grid = config.grid.model_copy(update={"n_pixels": 500})
    convert([fits_folder], tmp_path / "records", grid, config.convert)
    with pytest.raises(GridError, match="has another grid than"):
        model.encode(tmp_path / "records")


def test_arrays_of_any_wavelengths_are_encoded_as_their_file(
    model: SpectrumModel, paths: list[Path]
) -> None:
    spectra = [correct_spectrum(read_spectrum(p), ConvertConfig()) for p in paths[:3]]
    expected = model.encode(paths[:3])
    waves, fluxes = [s.wave for s in spectra], [s.flux for s in spectra]
    assert_same(model.encode(waves, fluxes), expected)
    alone = model.encode(waves[0] / 10.0 * u.nm, 3.0 * fluxes[0] * u.adu)
    assert len(alone) == 1
    np.testing.assert_allclose(alone.z_mean[0], expected.z_mean[0], atol=1e-4)
    np.testing.assert_allclose(alone.median_flux, 3.0 * expected.median_flux[:1])


def test_spectra_on_the_grid_go_in_batches(
    model: SpectrumModel, paths: list[Path]
) -> None:
    prepared = [prepare_spectrum(p, model.grid, model.convert) for p in paths[:5]]
    flux = np.stack([p.flux for p in prepared])
    assert_same(model.encode(model.wave, flux, batch_size=2), model.encode(paths[:5]))


def test_objects_of_specutils(model: SpectrumModel) -> None:
    rng = np.random.default_rng(0)
    wave = np.arange(5155.0, 5205.0, 0.02)
    flux = 100.0 + rng.normal(size=(3, wave.size))
    mask = np.zeros(flux.shape, bool)
    mask[:, 700:900] = True
    expected = model.encode(wave, np.where(mask, np.nan, flux))
    assert expected.valid_fraction.max() < 1.0
    axis, unit = wave * u.AA, u.adu
    one_by_one = [
        Spectrum(
            flux=row * unit,
            spectral_axis=axis,
            mask=bad,
            uncertainty=StdDevUncertainty(np.ones(row.size)),
        )
        for row, bad in zip(flux, mask, strict=True)
    ]
    for spectra in (
        one_by_one,
        SpectrumList(one_by_one),
        Spectrum(flux=flux * unit, spectral_axis=axis, mask=mask),
        SpectrumCollection(
            flux=flux * unit, spectral_axis=np.tile(wave, (3, 1)) * u.AA, mask=mask
        ),
    ):
        assert_same(model.encode(spectra), expected)


def test_frequencies_and_vacuum(model: SpectrumModel) -> None:
    wave = np.arange(5155.0, 5205.0, 0.02)
    flux = 100.0 + np.sin(wave)
    expected = model.encode(wave, flux)
    frequency = (wave * u.AA).to(u.GHz, equivalencies=u.spectral())
    assert_same(model.encode(frequency, flux), expected)
    # Morton (2000), as of the IAU: a second route from air to vacuum by iteration.
    vacuum = wave.copy()
    for _ in range(5):
        s2 = (1e4 / vacuum) ** 2
        n = 1.0 + 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2)
        vacuum = wave * n
    found = model.encode(vacuum, flux, medium="vacuum")
    np.testing.assert_allclose(found.z_mean, expected.z_mean, atol=1e-3)


def test_what_cannot_be_used_is_flagged(model: SpectrumModel) -> None:
    wave = np.arange(5155.0, 5205.0, 0.02)
    flux = np.ones(wave.size)
    flux[5] = np.inf
    latents = model.encode([wave, wave + 3000.0, wave[::-1]], [flux] * 3)
    nothing = Flag.NO_VALID_PIXEL | Flag.FEW_VALID_PIXELS | Flag.INFINITE_FLUX
    assert latents.flags[1:].tolist() == [
        Flag.NO_OVERLAP | nothing,
        Flag.WAVE_INVALID | nothing,
    ]
    assert any("no wavelength lies" in line for line in latents.explain()[1])
    assert not latents.z_mean[1:].any()


@pytest.mark.parametrize(
    ("wave", "flux", "medium", "message"),
    [
        (np.arange(9.0), np.ones(8), "air", "flux must have as many values as wave"),
        (np.ones((2, 9)), np.ones((3, 9)), "air", "wave must have one row or as many"),
        (np.ones((2, 2, 9)), np.ones(9), "air", "wave must have shape"),
        (np.arange(9.0) * u.s, np.ones(9), "air", "wave must be a wavelength, got the"),
        (np.arange(9.0), np.ones(9), "water", 'medium must be "air" or "vacuum"'),
    ],
)
def test_arrays_that_do_not_fit(
    model: SpectrumModel, wave: object, flux: object, medium: str, message: str
) -> None:
    with pytest.raises(SpectraError, match=message):
        model.encode(wave, flux, medium=medium)  # type: ignore[arg-type]  # is tested


def test_what_is_no_spectrum(model: SpectrumModel) -> None:
    with pytest.raises(SpectraError, match="spectra must be wavelengths and flux"):
        model.encode(SimpleNamespace(flux=1))


def test_decode_is_the_models_decoder(run: Run, model: SpectrumModel) -> None:
    z = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    decoder = load_autoencoder(run).get_layer("decoder")
    expected = decoder(tf.constant(z))
    np.testing.assert_allclose(model.decode(z), expected, rtol=1e-5)
    np.testing.assert_allclose(model.decode(z[0]), expected[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros(3), r"z must have shape \(4,\) or \(m, 4\), got \(3,\)"),
        (np.full(4, np.nan), "z must be finite, and not too large to decode"),
    ],
)
def test_codes_that_cannot_be_decoded(
    model: SpectrumModel, z: np.ndarray, message: str
) -> None:
    with pytest.raises(SpectraError, match=message):
        model.decode(z)


def test_examples_are_test_spectra_and_their_reconstructions(
    model: SpectrumModel, records: Path
) -> None:
    examples = model.reconstruct_records(read_manifest(records), 3)
    table = model.encode(records).table
    rows = table[table["split"] == "test"][:3]
    assert [name.split("(")[1][:-1] for name in examples.names] == list(rows["dp_id"])
    decoded = model.decode(np.asarray(rows["z_mean"]))
    np.testing.assert_allclose(examples.reconstruction, decoded, rtol=1e-4)
    np.testing.assert_allclose(np.nanmedian(examples.flux, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(examples.rv, np.float32(rows["rv"]))
    assert np.isfinite(examples.rv).all()


def test_traversals_of_the_prior_and_of_latents(
    run: Run, model: SpectrumModel, records: Path, tmp_path: Path
) -> None:
    free = model.traverse([2], n=3)
    assert free.positions[0] == pytest.approx([-1.96, 0.0, 1.96])
    np.testing.assert_allclose(free.flux[0, 1], model.decode(np.zeros(4)), rtol=1e-5)
    z_mean = model.encode(records).z_mean
    ends = np.percentile(z_mean[:, 2], [1.0, 99.0])
    written = not run.latents_path.exists()
    if written:
        write_table(model.encode(records).table, run.latents_path)
    bound = model.traverse(2, n=3)
    if written:
        run.latents_path.unlink()
    np.testing.assert_allclose(bound.positions[0][[0, -1]], ends, rtol=1e-5)


def test_the_figure_shows_the_traversal(model: SpectrumModel) -> None:
    figure = model.plot_traversal(1, n=3)
    names = {trace.name for trace in figure.data}
    assert {"z = -1.96", "z = +0.00", "z = +1.96"} <= names


@pytest.mark.parametrize("ending", ["parquet", "fits", "ecsv"])
def test_latents_survive_their_file(
    model: SpectrumModel, records: Path, tmp_path: Path, ending: str
) -> None:
    table = model.encode(records).table
    path = tmp_path / f"latents.{ending}"
    write_table(table, path)
    again = read_table(path)
    assert again.colnames == table.colnames
    for name in table.colnames:
        np.testing.assert_array_equal(again[name], table[name])
