"""Spectra in HDF5, Parquet and npz, in the layouts of catalogues and alone."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfrecords_tools.config import MAX_PIXELS
from tfrecords_tools.errors import ask_for_extra
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.spectrum import SpectrumError

N, M = 5, 300
RNG = np.random.default_rng(0)
WAVE = 5000.0 + 0.25 * np.arange(M)
FLUX = RNG.normal(50.0, 1.0, (N, M)).astype(np.float32)
IVAR = RNG.uniform(0.5, 2.0, (N, M)).astype(np.float32)
IVAR[0, 3] = 0.0
MASK = np.zeros((N, M), bool)
MASK[1, 5] = True
LAMBDA = np.tile(WAVE, (N, 1))
PADDED = LAMBDA.copy()
PADDED[2, -20:] = -1.0
IDS = ["a", "b", "c", "d", "e"]
RA = np.arange(N) * 10.0
Z = np.arange(N) * 0.1


def write_universe(path: Path) -> Path:
    """Write HDF5 as the Multimodal Universe does: a data set a column."""
    with h5py.File(path, "w") as file:
        file["object_id"] = np.array([name.encode() for name in IDS])
        file["ra"], file["dec"], file["Z"] = RA, RA - 20.0, Z
        file["class"] = np.array([b"STAR"] * N)
        file["FLUX_G"] = np.arange(N) * 1.0  # of the photometry
        file["spectrum_flux"], file["spectrum_ivar"] = FLUX, IVAR
        file["spectrum_lambda"], file["spectrum_mask"] = PADDED, MASK
        file["spectrum_lsf_sigma"] = np.ones((N, M))
    return path


def write_hats(path: Path, **options: object) -> Path:
    """Write Parquet as the partitions of a HATS catalogue: a structure of lists."""
    arrays = {"flux": FLUX, "ivar": IVAR, "lambda": PADDED, "mask": MASK}
    lists = [pa.array(list(array)) for array in arrays.values()]
    spectrum = pa.StructArray.from_arrays(lists, names=list(arrays))
    columns = {
        "_healpix_29": np.arange(N),
        "object_id": IDS,
        "ra": RA,
        "dec": RA - 20.0,
        "Z": Z,
        "class": ["STAR"] * N,
        "FLUX_G": np.arange(N) * 1.0,
        "spectrum": spectrum,
    }
    pq.write_table(pa.table(columns), path, **options)
    return path


def write_lists(path: Path) -> Path:
    columns = {
        "object_id": IDS,
        "ra": RA,
        "dec": RA - 20.0,
        "Z": Z,
        "class": ["STAR"] * N,
        "FLUX_G": np.arange(N) * 1.0,
        **{
            name: pa.array(list(array), pa.list_(pa.float32(), M))
            for name, array in (("flux", FLUX), ("ivar", IVAR))
        },
        "wavelength": list(PADDED),
        "mask": list(MASK),
    }
    pq.write_table(pa.table(columns), path)
    return path


def write_structures(path: Path) -> Path:
    """Write a list of structures a row: a pixel each."""
    rows = [
        [
            dict(zip(("flux", "ivar", "lambda", "mask"), pixel, strict=True))
            for pixel in zip(FLUX[i], IVAR[i], PADDED[i], MASK[i], strict=True)
        ]
        for i in range(N)
    ]
    columns = {
        "object_id": IDS,
        "ra": RA,
        "dec": RA - 20.0,
        "Z": Z,
        "class": ["STAR"] * N,
        "FLUX_G": np.arange(N) * 1.0,
        "spectrum": rows,
    }
    pq.write_table(pa.table(columns), path)
    return path


CATALOGUES = {
    "universe.hdf5": write_universe,
    "Npix=3.parquet": lambda path: write_hats(path, row_group_size=2),
    "lists.parquet": write_lists,
    "structures.parquet": write_structures,
}


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_row_of_a_catalogue_is_a_spectrum(tmp_path: Path, name: str) -> None:
    path = CATALOGUES[name](tmp_path / name)
    identities = scan_file(path)
    assert [identity.dp_id for identity in identities] == IDS
    assert [identity.target for identity in identities] == IDS
    assert [identity.ra for identity in identities] == RA.tolist()
    for i in (4, 0, 2, 1, 3):
        labels = {k: v for k, v in identities[i].labels.items() if k[0] != "_"}
        assert labels == {"Z": Z[i], "class": "STAR", "FLUX_G": float(i)}
        spectrum = read_spectrum(path, i)
        n = M - 20 * (i == 2)
        expected = FLUX[i, :n].copy()
        expected[MASK[i, :n] | (IVAR[i, :n] == 0.0)] = np.nan
        np.testing.assert_array_equal(spectrum.flux, expected)
        np.testing.assert_allclose(spectrum.wave, WAVE[:n], rtol=1e-7)
        assert spectrum.error is not None
        good = IVAR[i, :n] > 0.0
        np.testing.assert_allclose(
            spectrum.error[good], IVAR[i, :n][good] ** -0.5, rtol=1e-6
        )
        assert spectrum.metadata.dec == RA[i] - 20.0
        assert spectrum.is_medium_assumed
        assert ("20 pixels without wavelength cut" in spectrum.history) == (i == 2)


def test_an_identifier_of_several_rows_is_numbered(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["object_id"] = np.array([7, 8, 7, 7, 9])
        file["flux"], file["wave"] = FLUX, WAVE  # wavelengths of all
    identities = scan_file(path)
    assert [i.dp_id for i in identities] == ["7#0", "8", "7#1", "7#2", "9"]
    assert [i.target for i in identities] == ["7", "8", "7", "7", "9"]
    np.testing.assert_array_equal(read_spectrum(path, 3).flux, FLUX[3])


def test_rows_without_an_identifier_are_numbered(tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", wave=WAVE, flux=FLUX, teff=np.arange(N) * 1e3)
    identities = scan_file(tmp_path / "many.npz")
    assert [i.dp_id for i in identities] == [f"many#{k}" for k in range(N)]
    assert [i.labels for i in identities] == [{"teff": 1e3 * k} for k in range(N)]
    with pytest.raises(SpectrumError, match="holds 5 spectra, many#0 to many#4: read"):
        read_spectrum(tmp_path / "many.npz")
    with pytest.raises(SpectrumError, match="has 5 spectra, none of number 5"):
        read_spectrum(tmp_path / "many.npz", 5)


def test_an_npz_that_unpacks_without_end(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, wave=WAVE, flux=np.zeros(2**24 + 1))
    with pytest.raises(SpectrumError, match=r"unpacks \d+ bytes to \d+: no spectra"):
        read_spectrum(path)


def test_a_parquet_file_of_a_list_without_end(tmp_path: Path) -> None:
    flux = pa.array([np.zeros(MAX_PIXELS + 1, np.float32)])
    table = pa.table({"wave": flux, "flux": flux, "source_id": [1]})
    pq.write_table(table, tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 10_000
    with pytest.raises(SpectrumError, match=f"{MAX_PIXELS + 1} pixels"):
        read_spectrum(tmp_path / "bomb.parquet")


def test_an_hdf5_file_of_a_row_without_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        for name in ("wave", "flux"):
            file.create_dataset(name, (3, 10**9), "f4", chunks=(1, 10**6))
    with pytest.raises(SpectrumError, match="1000000000 pixels"):
        read_spectrum(tmp_path / "bomb.h5", 0)


def test_one_spectrum_of_npz_and_what_else_it_says(tmp_path: Path) -> None:
    error = np.full(M, 0.5)
    np.savez(
        tmp_path / "one.npz",
        wave=WAVE / 10.0, flux=FLUX[0], error=error,
        object="HD 1", vacuum=True, snr=9.0,
    )  # fmt: skip
    spectrum = read_spectrum(tmp_path / "one.npz")
    np.testing.assert_allclose(spectrum.wave, WAVE)
    np.testing.assert_array_equal(spectrum.error, error.astype(np.float32))
    assert (spectrum.metadata.target, spectrum.metadata.snr) == ("HD 1", 9.0)
    assert spectrum.medium == "vacuum"
    assert "wavelengths in nm: guessed" in spectrum.history


def test_a_folder_says_whose_its_one_spectrum_is(tmp_path: Path) -> None:
    path = tmp_path / "one.h5"
    with h5py.File(path, "w") as file:
        file["star/wave"], file["star/flux"] = WAVE, FLUX[0]
        file["star"].attrs["object"] = "HD 1"
        file.attrs["instrume"] = "XYZ"
    assert scan_file(path)[0].target == "HD 1"
    assert read_spectrum(path).metadata.instrument == "XYZ"


def test_a_long_identifier_beside_one_that_is_missing(tmp_path: Path) -> None:
    path, gaia = tmp_path / "a.parquet", 5853498713190525697
    lists = pa.array([FLUX[i].tolist() for i in range(3)])
    waves = pa.array([WAVE.tolist()] * 3)
    columns = {"source_id": [gaia, None, 7], "n": [1, None, 3]}
    pq.write_table(pa.table({**columns, "flux": lists, "wave": waves}), path)
    identities = scan_file(path)
    assert [i.target for i in identities] == [str(gaia), "", "7"]
    assert [i.dp_id for i in identities] == [str(gaia), "nan", "7"]
    np.testing.assert_array_equal(
        [i.labels["n"] for i in identities], [1.0, np.nan, 3.0]
    )


@pytest.mark.parametrize("prefix", ["", "spectrum_"])
def test_apogee_in_the_multimodal_universe(tmp_path: Path, prefix: str) -> None:
    """Some of its bits only warn; a second flux is that of the continuum."""
    bits = np.zeros((N, M), "i8")
    bits[:, 3], bits[:, 5] = 1, 1 << 9  # BADPIX, PERSIST_HIGH
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["object_id"] = np.array([f"2M{i}".encode() for i in range(N)])
        file[f"{prefix}flux"], file[f"{prefix}lambda"] = FLUX, np.tile(WAVE, (N, 1))
        file[f"{prefix}pix_bitmask"] = bits
        file[f"{prefix}pseudo_continuum_flux"] = np.ones((N, M), "f4")
    spectrum = read_spectrum(tmp_path / "a.hdf5", 2)
    expected = FLUX[2].copy()
    expected[3] = np.nan
    np.testing.assert_array_equal(spectrum.flux, expected)
    assert (spectrum.medium, spectrum.metadata.target) == ("vacuum", "2M2")


def test_folders_and_tables_of_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "several.hdf5"
    table = np.zeros(M, [("wave", "f8"), ("flux", "f4")])
    table["wave"], table["flux"] = WAVE, FLUX[2]
    with h5py.File(path, "w") as file:
        for i, name in enumerate(("star 1", "star 2")):
            file[f"{name}/wavelength"] = WAVE
            file[f"{name}/wavelength"].attrs["units"] = "Angstrom"
            file[f"{name}/flux"] = FLUX[i]
            file[name].attrs["object"] = f"HD {i}"
        file["tables/third"] = table
        file.attrs["SPECSYS"] = "BARYCENT"
    names = [identity.dp_id for identity in scan_file(path)]
    assert names == ["several#star 1", "several#star 2", "several#tables/third"]
    targets = [identity.target for identity in scan_file(path)]
    assert targets == ["HD 0", "HD 1", ""]
    for i in range(3):
        spectrum = read_spectrum(path, i)
        np.testing.assert_array_equal(spectrum.flux, FLUX[i])
        assert spectrum.metadata.specsys == "BARYCENT"
    assert "wavelengths in Angstrom: guessed" not in read_spectrum(path, 0).history


def test_rows_of_different_lengths(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        kind = h5py.vlen_dtype(np.float64)
        for name, rows in (("wave", LAMBDA), ("flux", FLUX)):
            file.create_dataset(name, (N,), kind)
            for i in range(N):
                file[name][i] = rows[i, : M - i]
    for i, _ in enumerate(scan_file(path)):
        np.testing.assert_array_equal(read_spectrum(path, i).flux, FLUX[i, : M - i])


BROKEN = {
    "no.hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "cannot be read as HDF5: "),
    "no.parquet": (b"PAR1" + bytes(100), "cannot be read as Parquet: "),
    "no.npz": (b"PK\x03\x04" + bytes(100), "cannot be read as npz: "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(tmp_path: Path, name: str) -> None:
    content, reason = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    for read in (scan_file, read_spectrum):
        with pytest.raises(SpectrumError, match=reason) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_tables_of_other_things_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"object_id": IDS, "teff": RA}), tmp_path / "a.parquet")
    reason = "no flux with wavelengths: the columns are object_id, teff"
    with pytest.raises(SpectrumError, match=reason):
        scan_file(tmp_path / "a.parquet")


def test_hdf5_without_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_universe(tmp_path / "a.hdf5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(SpectrumError) as told:
        scan_file(path)
    assert str(told.value) == f"HDF5 {ask_for_extra('h5py', 'hdf5')}"
