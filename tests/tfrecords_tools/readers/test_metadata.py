"""Whose spectrum it is: names, places, velocities, fibres."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from astropy.coordinates import Angle
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tfrecords_tools.fits_files import write_image
from tfrecords_tools.readers import read_spectrum, scan_file
from tfrecords_tools.readers.header import Cards, Header, PlainCards
from tfrecords_tools.readers.metadata import read_identity, refuse_other_sources
from tfrecords_tools.spectrum import SpectrumError

unhurried = settings(deadline=None)  # a machine may be busy


def header(*cards: tuple[object, ...]) -> Header:
    made = fits.Header([fits.Card(*card) for card in cards])
    return Header(made.tostring(padding=False, endcard=False))


def target(*cards: tuple[object, ...]) -> str:
    return read_identity("a", [header(*cards)]).target


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ([("DESIG", "LAMOST J1"), ("OBJNAME", "123")], "LAMOST J1"),
        ([("OBJID", "2M00283971")], "2M00283971"),
        ([("OBJ", "2M00283971")], "2M00283971"),
        ([("HIERARCH APOGEE_ID", "2M1"), ("OBJID", "x")], "2M1"),
        ([("GAIA_ID", 4567890123456789012)], "4567890123456789012"),
        ([("TMASS_ID", "J1")], "J1"),
        ([("TARGNAME", "HD 1"), ("OBJECT", "")], "HD 1"),
        ([("OBJECT", 12.5)], ""),
        ([("OBJECT", True)], ""),
        ([], ""),
        # Product categories are no names.
        (
            [
                ("OBJECT", "RED_SCI_POINT_BLUE"),
                ("HIERARCH ESO PRO CATG", "RED_SCI_POINT_BLUE"),
                ("HIERARCH ESO OBS TARG NAME", "HD 2"),
            ],
            "HD 2",
        ),
        ([("OBJECT", "SCI_SLIT_FLUX_MERGE1D_UVB")], ""),
        ([("OBJECT", "MERGED_SCI_POINT"), ("DESIG", "HD 3")], "HD 3"),
        ([("OBJECT", "STAR,WAVE,G2"), ("HIERARCH ESO OBS TARG NAME", "x")], "x"),
        (
            [("OBJECT", "feros_1d"), ("HIERARCH ESO PRO CATG", "FEROS_1D")],
            "",
        ),
        ([("OBJECT", "PRODUCT CATEGORY")], ""),
        ([("OBJECT", "SCIENCE"), ("HIERARCH ESO PRO CATG", "SCIENCE")], ""),
        ([("OBJECT", "Science"), ("HIERARCH ESO OBS TARG NAME", "HD 4")], "HD 4"),
        ([("OBJECT", "S1D_A"), ("HIERARCH ESO OBS TARG NAME", "HD 4")], "HD 4"),
        ([("OBJECT", "OBS_NOD_EXTRACT_COMB"), ("TARGNAME", "HD 4")], "HD 4"),
        ([("OBJECT", "Extracted spectrum"), ("TARGNAME", "HD 4")], "HD 4"),
        ([("OBJECT", "GIRAFFE SCIENCE"), ("TARGNAME", "HD 4")], "HD 4"),
        # Nor are words for nothing in particular.
        ([("OBJECT", "UNKNOWN"), ("TARGNAME", "HD 4")], "HD 4"),
        ([("OBJECT", "No object"), ("HIERARCH OHP TARG NAME", "HD 4")], "HD 4"),
        ([("OBJECT", "STAR"), ("CNAME", "J1")], "J1"),
        ([("HD", 128621)], "HD 128621"),
        ([("TICID", "12")], "TIC 12"),
        # But these are.
        ([("OBJECT", "SCIURUS_1")], "SCIURUS_1"),
        ([("OBJECT", "HD_128621")], "HD_128621"),
        ([("OBJECT", "BD+20_307"), ("HIERARCH ESO PRO CATG", "S1D_A")], "BD+20_307"),
    ],
)
def test_names(cards: list[tuple[object, ...]], name: str) -> None:
    assert target(*cards) == name


@unhurried
@given(
    hours=st.integers(0, 23),
    degrees=st.integers(0, 89),
    minutes=st.integers(0, 59),
    hundredths=st.integers(0, 5999),
    sign=st.sampled_from(["", "+", "-"]),
    form=st.sampled_from(["{}:{:02}:{:05.2f}", "{:02} {:02} {:05.2f}"]),
)
def test_sexagesimal_places(
    hours: int, degrees: int, minutes: int, hundredths: int, sign: str, form: str
) -> None:
    seconds = hundredths / 100.0
    ra = form.format(hours, minutes, seconds)
    dec = sign + form.format(degrees, minutes, seconds)
    identity = read_identity("a", [PlainCards({"RA": ra, "DEC": dec})])
    assert identity.ra == pytest.approx(Angle(ra, "hourangle").deg, abs=1e-9)
    assert identity.dec == pytest.approx(Angle(dec, "deg").deg, abs=1e-9)


@pytest.mark.parametrize(
    ("card", "more", "ra"),
    [
        (("RA", 17.96), [], 17.96),
        (("RA", 17.96, "[h] right ascension"), [], 269.4),
        (("RA", 17.96, "hours"), [], 269.4),
        (("RA", 17.96, "Right ascension (hr)"), [], 269.4),
        (("RA", 17.96, "HH.hhh"), [], 269.4),
        (("RA", 17.96, "[deg] of the hour circle"), [], 17.96),
        (("RA", 17.96, "17:57:48 RA (J2000) pointing (deg)"), [], 17.96),
        (("RA", 269.4, "hours"), [], 269.4),
        (("RA", 17.96), [("INSTRUME", "HPF")], 269.4),
        (("RA", "17.96"), [], 17.96),
        (("RA", "17.96", "hours"), [], 269.4),
        (("RA", "17.96h"), [], 269.4),
        (("RA", "17.96 deg", "hours"), [], 17.96),
        (("RA", "17:57.6"), [], 269.4),
        (("RA", 17.96, "hms"), [], 269.4),
        (("RA", 0.5, "[rad] right ascension"), [], math.degrees(0.5)),
        (("RA", -90.4), [], 269.6),
        (("RA", 175736.0, "HHMMSS"), [], math.nan),
        (("RA", -999.0), [("RAJ2000", 5.0)], 5.0),
        (("RA", "17h57m36s"), [], 269.4),
        (("RA", "unknown"), [], math.nan),
        (("RA", "unknown"), [("RA_TARG", 5.0)], 5.0),
        (("PLUG_RA", 33.0), [], 33.0),
        (("OBJCTRA", "17 57 36"), [], 269.4),
    ],
)
def test_right_ascension_in_degrees_or_hours(
    card: tuple[object, ...], more: list[tuple[object, ...]], ra: float
) -> None:
    found = read_identity("a", [header(card, *more)]).ra
    assert found == pytest.approx(ra, nan_ok=True)


@pytest.mark.parametrize(
    ("keyword", "value", "comment", "berv"),
    [
        ("BERV", 12.3, "", 12.3),
        ("HIERARCH ESO QC VRAD BARYCOR", -7.5, "", -7.5),
        ("HIERARCH OHP DRS BERV", 3.0, "", 3.0),
        ("HIERARCH CARACAL BERV", 4.0, "", 4.0),
        ("HIERARCH TNG DRS BERV", 5.0, "", 5.0),
        ("HELIO_RV", -3.9, "", -3.9),
        ("VHELIO", 8.0, "", 8.0),
        ("BERV", -12345.0, "[m/s] Earth", -12.345),
        ("BERV", 12345.0, "[km/s] Earth", math.nan),
        ("BERV", 12345.0, "", math.nan),
        ("BERV", 12.5, "[m/s] Earth", 0.0125),
        ("BERV", 12345.0, "m s-1", 12.345),
        ("BERV", "12.3", "", 12.3),
        ("BERV", "unknown", "", math.nan),
        ("BARYVEL", 6.0, "", 6.0),
        ("SSBVEL", 6000.0, "m/s", 6.0),
        ("HELVEL", 7.0, "", 7.0),
        ("HIERARCH BARYCENTRIC CORRECTION (KM/S)", 8.0, "", 8.0),
    ],
)
def test_velocity_of_the_earth(
    tmp_path: Path, keyword: str, value: float | str, comment: str, berv: float
) -> None:
    path = write_image(tmp_path / "a.fits", cards={"SPECSYS": "TOPOCENT"})
    with fits.open(path, mode="update") as hdus:
        hdus[0].header[keyword] = (value, comment)
    assert read_spectrum(path).metadata.berv == pytest.approx(berv, nan_ok=True)


def test_the_velocity_of_an_apogee_star_is_not_that_of_the_earth(
    tmp_path: Path,
) -> None:
    cards = {"VHELIO": -20.0, "VSCATTER": 0.1}
    path = write_image(tmp_path / "a.fits", cards=cards)
    assert math.isnan(read_spectrum(path).metadata.berv)


def test_iraf_adds_the_velocity_of_the_star_to_that_of_the_earth(
    tmp_path: Path,
) -> None:
    cards = {"VOBS": 25.0, "VHELIO": 37.5}
    path = write_image(tmp_path / "a.fits", cards=cards)
    assert read_spectrum(path).metadata.berv == 12.5


LOCATION = "HIERARCH ESO DRS CAL LOC FILE"
DPR = "HIERARCH ESO DPR TYPE"
CATG = "HIERARCH ESO PRO CATG"
SOURCES: list[tuple[str, list[tuple[object, ...]], str]] = [
    # Taken, for the reason is "".
    ("x_s1d_A", [("INSTRUME", "HARPS"), (DPR, "STAR,WAVE,G2")], ""),
    ("x", [("INSTRUME", "HARPS"), (LOCATION, "y_loco_A.fits")], ""),
    ("x_s1d_B", [("INSTRUME", "UVES")], ""),
    ("HD_s1d_Boo", [("INSTRUME", "HARPS")], ""),
    ("x_s1d_B", [("INSTRUME", "HARPS"), (DPR, "STAR,CIRPOL,-45")], ""),
    ("x", [("OBJTYPE", "STAR")], ""),
    *(
        ("x", [("OBJECT", star)], "")
        for star in ("TH Cet", "calibration star", "FP Cnc", "comp. star 2", "AR 5")
    ),
    ("x_vis_A", [("INSTRUME", "CARMENES")], ""),
    ("x", [("INSTRUME", "SPIRou"), ("FIBER", "AB")], ""),
    ("x", [("INSTRUME", "SPIRou"), ("FIBER", "B")], ""),
    ("x", [("INSTRUME", "FEROS"), (DPR, "OBJECT,WAVE")], ""),
    ("x", [("IMAGETYP", "object")], ""),
    ("x", [(CATG, "RED_SCI_POINT_BLUE")], ""),
    ("x_s1d_A", [("INSTRUME", "ESPRESSO"), (CATG, "S1D_SKYSUB_A")], ""),
    # Refused.
    ("x_s1d_B", [("INSTRUME", "HARPS")], "fibre B of HARPS is on"),
    ("x", [("INSTRUME", "HARPS"), (LOCATION, "y_loco_B.fits")], "fibre B of HARPS"),
    ("x_S1D_B", [("INSTRUME", "ESPRESSO")], "fibre B of ESPRESSO"),
    ("x", [("INSTRUME", "ESPRESSO"), ("HIERARCH ESO PRO CATG", "S1D_B")], "fibre B"),
    ("x_s1d_B", [("INSTRUME", "HARPN")], "fibre B of HARPN"),
    (
        "x",
        [("INSTRUME", "HARPN"), ("HIERARCH TNG DRS CAL LOC FILE", "y_loco_B.fits")],
        "fibre B of HARPN",
    ),
    (
        "x_s1d_B",
        [("INSTRUME", "HARPS"), (DPR, "STAR,SKY,G2")],
        r"fibre B of HARPS \(STAR,SKY,G2\)",
    ),
    ("x_s1d_A", [("INSTRUME", "HARPS"), (DPR, "WAVE,WAVE,THAR2")], "fibre A of HARPS"),
    ("x", [("INSTRUME", "HARPS"), (DPR, "LAMP,LAMP,TUN")], "fibre A of HARPS"),
    ("x", [(LOCATION, "y_loco_B.fits")], "fibre B of the spectrograph"),
    ("x", [("INSTRUME", "CORALIE"), (LOCATION, "y_loco_B.fits.gz")], "B of CORALIE"),
    (
        "x",
        [("INSTRUME", "SOPHIE"), ("HIERARCH OHP DRS CAL LOC FILE", "y_loco_B.fits")],
        "fibre B of SOPHIE",
    ),
    ("SOPHIE.2010_s1d_B", [("INSTRUME", "SOPHIE")], "fibre B of SOPHIE"),
    ("x", [("INSTRUME", "NIRPS"), ("FIBER", "B")], "fibre B of NIRPS"),
    ("x", [("INSTRUME", "SPIRou"), ("FIBER", "C")], "fibre C of SPIROU"),
    ("1o_pp_s1d_v_C", [("INSTRUME", "SPIRou")], "fibre C of SPIROU"),
    ("car-sci-vis_B", [("INSTRUME", "CARMENES")], "fibre B of CARMENES"),
    ("x", [("INSTRUME", "UVES"), (DPR, "LAMP,WAVE")], "UVES .LAMP,WAVE. is on"),
    ("x", [("OBJECT", "ThAr")], "no star: OBJECT is ThAr"),
    *(
        ("x", [("OBJECT", source)], f"no star: OBJECT is {source}")
        for source in (
            *("sky", "Sky_12", "SKY FLAT", "sky background", "Th-Ar lamp", "FP_FP"),
            *("HeNeAr lamp", "Flat field", "Th Ar", "Dark Frame", "hcone_hcone"),
        )
    ),
    ("x", [("IMTYPE", "comp")], "no star: IMTYPE is comp"),
    ("x", [("OBS-TYPE", "Cal")], "no star: OBS-TYPE is Cal"),
    ("x", [("IMAGETYP", "Comp lamp")], "no star: IMAGETYP is Comp lamp"),
    ("x", [("OBSTYPE", "CALIBRATION")], "no star: OBSTYPE is CALIB"),
    ("x", [("OBJTYPE", "SKY")], "no star: OBJTYPE is SKY"),
    ("x", [("FIB_TYPE", "Sky")], "no star: FIB_TYPE is Sky"),
    ("x", [("OBS_TYPE", "ARC")], "no star: OBS_TYPE is ARC"),
    ("x", [("IMAGETYP", "comp")], "no star: IMAGETYP is comp"),
    ("x", [(CATG, "FLUXCAL_ERRORBAR_SCI_POINT_BLUE")], "no star: ESO PRO CATG is FLUX"),
    ("x", [(CATG, "MERGED_SKY_POINT_REDL")], "no star: ESO PRO CATG is MERGED_SKY"),
    ("x", [(CATG, "CCF_A")], "no star: ESO PRO CATG is CCF_A"),
]


@pytest.mark.parametrize(("name", "cards", "reason"), SOURCES)
def test_the_sky_and_lamps_are_refused(
    name: str, cards: list[tuple[object, ...]], reason: str
) -> None:
    headers: list[Cards] = [header(*cards)]
    if not reason:
        refuse_other_sources(headers, name)
    else:
        with pytest.raises(SpectrumError, match=reason):
            refuse_other_sources(headers, name)


def test_the_name_of_the_file_tells_the_fibre(tmp_path: Path) -> None:
    cards = {"INSTRUME": "HARPS", "HIERARCH ESO DRS BERV": 1.0, "OBJECT": "HD 1"}
    path = write_image(tmp_path / "HARPS.2007_s1d_B.fits", cards=cards)
    assert scan_file(path)[0].target == "HD 1"
    with pytest.raises(SpectrumError, match="no star: fibre B of HARPS"):
        read_spectrum(path)
