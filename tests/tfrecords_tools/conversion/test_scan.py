from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.tfrecords_tools.fits_files import CARDS, make_flux, write_adp
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.scan import (
    Reject,
    Scan,
    read_scan,
    scan_file,
    write_scan,
)
from tfrecords_tools.split import split_of

CONFIG = ConvertConfig(split=SplitFractions(train=0.6, validation=0.2, test=0.2))


def scan(paths: Iterable[Path], config: ConvertConfig, folder: Path) -> Scan:
    scanned = [s for path in paths for s in scan_file(path, config)]
    write_scan(scanned, folder / "scan", config)
    return read_scan(folder / "scan")


def test_scan_names_and_splits_the_stars(tmp_path):
    names = ["HD 128621", "hd_128621", "Ganymede", ""]
    paths = [
        write_adp(tmp_path / f"{i}.fits", cards={**CARDS, "OBJECT": name})
        for i, name in enumerate(names)
    ]
    config = CONFIG.model_copy(update={"aliases": {"Ganymede": "HD 1"}})
    scanned = scan(paths, config, tmp_path)
    assert [s.star for s in scanned.spectra] == ["HD128621", "HD128621", "HD1", "? 3"]
    assert [s.target for s in scanned.spectra] == names
    for spectrum in scanned.spectra:
        assert (spectrum.ra, spectrum.dec, spectrum.mjd) == (10.5, -20.25, 53921.5)
        assert spectrum.split == split_of(spectrum.star, config.split, "stellar-tf")


def test_scan_takes_a_product_once_and_refuses_what_is_no_fits(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_adp(tmp_path / folder / "x.fits")
    bad = tmp_path / "bad.fits"
    bad.write_text("no")
    paths = [tmp_path / "a" / "x.fits", bad, tmp_path / "b" / "x.fits"]
    scanned = scan(paths, CONFIG, tmp_path)
    assert [s.path for s in scanned.spectra] == paths[:1]
    assert scanned.rejects == [
        Reject(bad, "not a FITS file"),
        Reject(paths[2], f"duplicate of {paths[0]}", 0),
    ]


def test_the_copy_that_can_be_read_is_taken(tmp_path):
    paths = [tmp_path / name / "ADP.1.fits" for name in "abcd"]
    for path in paths:
        path.parent.mkdir()
    whole = write_adp(paths[1]).read_bytes()
    paths[0].write_bytes(whole[:-4000])  # a download that broke off
    paths[2].write_bytes(whole)
    write_adp(paths[3], flux=make_flux(seed=5))
    scanned = scan(paths, CONFIG, tmp_path)
    assert [spectrum.path for spectrum in scanned.spectra] == [paths[1]]
    same = f"duplicate of {paths[1]}"
    assert sorted(scanned.rejects) == [
        Reject(paths[0], f"{same}, with other content", 0),
        Reject(paths[2], same, 0),
        Reject(paths[3], f"{same}, with other content", 0),
    ]


def test_visits_of_a_star_may_go_to_all_splits(tmp_path):
    config = CONFIG.model_copy(update={"split_by": "visit"})
    paths = [write_adp(tmp_path / f"ADP.{i}.fits") for i in range(30)]
    scanned = scan(paths, config, tmp_path)
    assert {s.star for s in scanned.spectra} == {"HD1234"}
    for spectrum in scanned.spectra:
        assert spectrum.split == split_of(spectrum.dp_id, config.split, "stellar-tf")
    assert len({s.split for s in scanned.spectra}) == 3
    by_star = scan(paths, CONFIG, tmp_path)
    assert len({s.split for s in by_star.spectra}) == 1
