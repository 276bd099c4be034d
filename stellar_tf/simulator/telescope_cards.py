"""Cards about the observation block, the template and the telescope."""

from __future__ import annotations

from stellar_tf.simulator.cards import Card, group


def telescope_cards() -> list[Card]:
    """
    Cards of observation, template and telescope.

    Returns
    -------
    cards : list of Card
        Keywords of ESO's dictionaries with made-up but plausible values.
    """
    return [*_observation_cards(), *_pointing_cards(), *_ambient_cards()]


def _observation_cards() -> list[Card]:
    return [
        *group(
            "ESO OBS",
            ("DID", "ESO-VLT-DIC.OBS-1.11", "OBS Dictionary"),
            ("GRP", "SIM", "linked blocks"),
            ("ID", 1, "Observation block ID"),
            ("NAME", "OB_SIM", "OB name"),
            ("PI-COI ID", 0, "ESO internal PI-COI ID"),
            ("PI-COI NAME", "Simulator", "PI-COI name"),
            ("PROG ID", "000.X-0000(A)", "ESO program identification"),
            ("START", "", "OB start time"),
            ("TARG NAME", "", "OB target name"),
            ("TPLNO", 1, "Template number within OB"),
        ),
        *group(
            "ESO TPL",
            ("DID", "ESO-VLT-DIC.TPL-1.9", "Data dictionary for TPL"),
            ("EXPNO", 1, "Exposure number within template"),
            ("ID", "HARPS_ech_obs_all", "Template signature ID"),
            ("NAME", "HARPS_ech_obs_objA", "Template name"),
            ("NEXP", 1, "Number of exposures within template"),
            ("PRESEQ", "HARPS_ech_obs_all.seq", "Sequencer script"),
            ("START", "", "TPL start time"),
            ("VERSION", "1.0", "Version of the template"),
        ),
        *group(
            "ESO DPR",
            ("CATG", "SCIENCE", "Observation category"),
            ("TECH", "ECHELLE", "Observation technique"),
            ("TYPE", "STAR,DARK,G2", "Observation type"),
        ),
    ]


def _pointing_cards() -> list[Card]:
    return [
        *group(
            "ESO TEL",
            ("AIRM END", 1.0, "Airmass at end"),
            ("AIRM START", 1.0, "Airmass at start"),
            ("ALT", 90.0, "Alt angle at start (deg)"),
            ("AZ", 180.0, "Az angle at start (deg) S=0,W=90"),
            ("CHOP ST", False, "True when chopping is active"),
            ("DATE", "not set", "TCS installation date"),
            ("DID", "ESO-VLT-DIC.TCS", "Data dictionary for TEL"),
            ("DOME STATUS", "FULLY-OPEN", "Dome status"),
            ("FOCU ID", "CA", "Telescope focus station ID"),
            ("FOCU LEN", 28.9, "Focal length (m)"),
            ("FOCU SCALE", 7.12, "Focal scale (arcsec/mm)"),
            ("FOCU VALUE", 13.0, "M2 setting (mm)"),
            ("GEOELEV", 2400.0, "Elevation above sea level (m)"),
            ("GEOLAT", -29.2584, "Tel geo latitute (+=North) (deg)"),
            ("GEOLON", -70.7345, "Tel geo longitude (+=East) (deg)"),
            ("ID", "v 6.0+", "TCS version number"),
            ("MOON DEC", 0.0, "DEC (J2000) (deg)"),
            ("MOON RA", 0.0, "RA (J2000) (deg)"),
            ("OPER", "Simulator", "Telescope Operator"),
            ("PARANG END", 1.0, "Parallactic angle at end (deg)"),
            ("PARANG START", 0.0, "Parallactic angle at start (deg)"),
            ("TARG ALPHA", 0.0, "Alpha coordinate for the target"),
            ("TARG COORDTYPE", "M", "Coordinate type (M=mean A=apparent)"),
            ("TARG DELTA", 0.0, "Delta coordinate for the target"),
            ("TARG EPOCH", 2000.0, "Epoch"),
            ("TARG EPOCHSYSTEM", "J", "Epoch system (default J=Julian)"),
            ("TARG EQUINOX", 2000.0, "Equinox"),
            ("TARG PARALLAX", 0.0, "Parallax"),
            ("TARG PMA", 0.0, "Proper Motion Alpha"),
            ("TARG PMD", 0.0, "Proper motion Delta"),
            ("TARG RADVEL", 0.0, "Radial velocity"),
            ("TRAK STATUS", "NORMAL", "Tracking status"),
        ),
        *group(
            "ESO ADA",
            ("ABSROT END", 90.0, "Abs rot angle at exp end (deg)"),
            ("ABSROT START", 90.0, "Abs rot angle at exp start (deg)"),
            ("GUID DEC", 0.0, "Guide star DEC J2000"),
            ("GUID RA", 0.0, "Guide star RA J2000"),
            ("GUID STATUS", "ON", "Status of autoguider"),
            ("POSANG", 0.0, "Position angle at start"),
        ),
    ]


def _ambient_cards() -> list[Card]:
    return group(
        "ESO TEL",
        ("AMBI FWHM END", 1.0, "Observatory Seeing"),
        ("AMBI FWHM START", 1.0, "Observatory Seeing"),
        ("AMBI PRES END", 772.0, "Observatory ambient air pressure"),
        ("AMBI PRES START", 772.0, "Observatory ambient air pressure"),
        ("AMBI RHUM", 20.0, "Observatory ambient relative humidity"),
        ("AMBI TEMP", 12.0, "Observatory ambient temperature"),
        ("AMBI WINDDIR", 0.0, "Observatory ambient wind direction"),
        ("AMBI WINDSP", 5.0, "Observatory ambient wind speed"),
        ("TH M1 TEMP", 12.0, "M1 superficial temperature"),
    )
