"""What `stellar-tf convert` prints of what it took for granted or left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from stellar_tf.cli.main import run_command
from tests.tfrecords_tools.fits_files import (
    GRID,
    make_flux,
    write_adp,
    write_image,
    write_rows,
)

SETTINGS = [
    f"--set=grid.{name}={getattr(GRID, name)}"
    for name in ("wave_min", "wave_step", "n_pixels")
]


def convert(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[str]:
    assert run_command(["convert", *map(str, words), *SETTINGS]) == 0
    return capsys.readouterr().out.splitlines()


def test_what_is_known_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write_adp(tmp_path / f"{i}.fits", flux=make_flux(seed=i)) for i in (0, 1)]
    lines = convert(capsys, *files, "--out", tmp_path / "records")
    assert len(lines) == 3
    assert (
        lines[0]
        == f"2 spectra in {tmp_path / 'records'} (0 train, 2 validation, 0 test)"
    )
    assert lines[1].startswith("train and test are empty: 2 spectra of 1 star; ")
    assert lines[2] == "0 of 2 files rejected"


def test_what_is_taken_for_granted_is_told_with_the_setting_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "records"
    folder.mkdir()
    flux = make_flux()
    flux[300] = 1e10
    write_image(
        folder / "a.fits", flux, cards={"SPECSYS": "TOPOCENT", "OBJECT": "HD 1"}
    )
    write_image(folder / "b.fits", cards={"OBJECT": "HD 2"})
    fits.append(folder / "b.fits", flux, fits.getheader(folder / "b.fits"))
    write_rows(folder / "rows.fits", 30)
    for name in ("x.pdf", "y.pdf", "README"):
        (folder / name).write_text("")
    table = out / "assumptions.csv"
    told = [
        f"32 files: air assumed (set convert.medium if not), see {table}",
        f"31 files: frame of the wavelengths unknown, see {table}",
        f"1 files kept topocentric (header without BERV), see {table}",
        f"1 files: what else may be a spectrum in them is not read, see {table}",
        "1 files: pixels far beyond all others are bad now (convert.max_flux_ratio)",
        "3 files with other endings passed over (none: 1, .pdf: 2)",
    ]
    lines = convert(capsys, folder, "--out", out)
    assert lines[1:-1] == [*told, lines[-2]]
    assert lines[-2].startswith("validation is empty: 32 spectra of 32 stars; --set ")
    setting = "--set=convert.medium=air"
    lines = convert(capsys, folder, "--out", tmp_path / "settled", setting)
    assert [line for line in lines if "air assumed" in line] == []
