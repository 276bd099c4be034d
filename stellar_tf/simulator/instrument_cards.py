"""Cards about the spectrograph and its detectors."""

from __future__ import annotations

from stellar_tf.simulator.cards import Card, group

SENSORS = (
    *((f"CF{i}", "Front end") for i in range(1, 3)),
    *((f"PA{i}", "Vacuum vessel") for i in range(1, 19)),
    *((f"PB{i}", "Optical bench") for i in range(1, 19)),
)
"""Identity and place of the temperature sensors 1 to 38."""
LATE_SENSORS = (
    ("CCD1", "CCD control reference"),
    ("CCD2", "CCD secondary"),
    ("IBX1", "Isolation box control reference"),
    ("IBX2", "Isolation box secondary"),
)
"""The same of 40 to 43; there is no 39."""
UNSAMPLED = frozenset({19, 20, 38})
"""Spare sensors: a value, but no statistics over the exposure."""
BENCH_TEMPERATURE = 17.0
"""The vacuum vessel is held at this [degrees Celsius]."""
CCD_TEMPERATURE = 148.0
"""[K]"""


def instrument_cards() -> list[Card]:
    """
    Cards of the spectrograph and its detectors.

    Returns
    -------
    cards : list of Card
        Keywords of ESO's dictionaries with made-up but plausible values.
    """
    return [
        *_setup_cards(),
        *_monitor_cards(),
        *_sensor_cards(),
        *_detector_cards(),
        *_readout_cards(),
    ]


def _setup_cards() -> list[Card]:
    cards = group(
        "ESO INS",
        ("ADCS NAME", "IN", "ADC slide position."),
        ("ADCS NO", 2, "ADC slide position."),
        ("DATE", "2000-06-16", "Instrument release date (yyyy-mm-dd)"),
        ("DID", "ESO-VLT-DIC.HARPS_ICS-1.17", "Data dictionary for INS"),
        ("ID", "HARPS/1.56", "Instrument ID."),
        ("LAMP5 ID", "THAR2", "Lamp ID."),
        ("LAMP5 NAME", "THAR2", "Lamp name."),
        ("LAMP5 ST", False, "Lamp activated."),
        ("LAMP7 ST", False, "Lamp activated."),
        ("MIRR1 ID", "FIBB", "Mirror unique ID."),
        ("MIRR1 NAME", "FIBB", "Mirror name."),
        ("MIRR1 NO", 4, "Mirror slide position."),
        ("MODE", "HARPS", "Instrument mode used."),
        ("PATH", "DEFAULT", "Optical path used."),
        ("ROT1 ENC", 70, "Absolute position [Enc]."),
        ("ROT1 POS", 0.02, "Density [density]."),
        ("SHUT1 ID", "PMSH", "Shutter ID."),
        ("SHUT1 NAME", "PM_Shutter", "Shutter name."),
        ("SHUT1 ST", True, "Shutter open."),
        ("SWSIM", "NORMAL", "Software simulation."),
    )
    for i in (1, 2):
        cards += group(
            f"ESO INS ADC{i}",
            ("DEC", 0.0, "DEC (J2000) pointing"),
            ("END", 0.0, "Position angle at end [deg]."),
            ("MODE", "AUTO", "ADC mode."),
            ("RA", 0.0, "RA (J2000) pointing"),
        )
    elements = ("FIBHEAD", "COVER", "I2CELL", "LAMPSELA", "LAMPSELB")
    states = ("HARPS", "OUT", "OUT", "NONE", "NONE")
    for i, (element, state) in enumerate(zip(elements, states, strict=True), start=2):
        cards += group(
            f"ESO INS OPTI{i}",
            ("ID", state, "OPTIi unique ID."),
            ("NAME", state, "OPTIi name."),
            ("NO", 1, "OPTIi slot number."),
            ("TYPE", element, "OPTIi element."),
        )
    return cards


def _monitor_cards() -> list[Card]:
    """Cards of the two exposure meters."""
    cards = []
    for i, mean in ((1, 2000.0), (2, 20.0)):
        cards += group(
            f"ESO INS DET{i}",
            ("CTMAX", 1.5 * mean, "Maximum count during exposure."),
            ("CTMEAN", mean, "Average counts during exposure."),
            ("CTMIN", 0.0, "Minimum count during exposure."),
            ("CTRMS", 0.3 * mean, "RMS of counts during exposure."),
            ("CTTOT", 300.0 * mean, "Total counts during exposure."),
            ("OFFDRK", 0.0, "Average dark background counts."),
            ("OFFSKY", 1.0, "Average sky background counts."),
            ("TMMEAN", 0.5, "Normalised mean exposure time."),
            ("UIT", 1.0, "User defined Integration time [sec]."),
        )
    return cards


def _sensor_cards() -> list[Card]:
    cards = []
    numbers = (*range(1, 39), *range(40, 44))
    for i, (identity, name) in zip(numbers, SENSORS + LATE_SENSORS, strict=True):
        # A few hundredths of a degree between the sensors, the same every time.
        value = CCD_TEMPERATURE if "CCD" in identity else BENCH_TEMPERATURE
        value = round(value + 0.01 * (7 * i % 11), 3)
        stem = f"ESO INS TEMP{i}"
        kind = "Temperature sensor"
        if i not in UNSAMPLED:
            cards += _statistics_cards(stem, value)
        cards += _identity_cards(stem, kind, identity, name, value)
    for i, identity, name, value in (
        (1, "PRSS", "Vacuum vessel pressure", 0.006),
        (2, "LNLV", "LN2 level", 42.0),
    ):
        stem = f"ESO INS SENS{i}"
        cards += _statistics_cards(stem, value)
        cards += _identity_cards(stem, "Sensor", identity, name, value)
    comment = "If T, function is software simulated."
    cards += [
        Card(f"ESO INS SENSOR{i} SWSIM", i == 2, comment) for i in (2, 4, 5, 6, 7)
    ]
    return cards


def _statistics_cards(stem: str, value: float) -> list[Card]:
    return group(
        stem,
        ("DETCOEF", 0.5, "RMS of linear regression slope."),
        ("GRAD", 0.0, "Linear regression slope."),
        ("LRCONST", value, "Linear regression constant."),
        ("LRRMS", 0.001, "Linear regression RMS."),
        ("MAX", value, "Maximum value."),
        ("MEAN", value, "Average value."),
        ("MIN", value, "Minimum value."),
        ("RMS", 0.001, "RMS of samples over exposure."),
    )


def _identity_cards(
    stem: str, kind: str, identity: str, name: str, value: float
) -> list[Card]:
    return group(
        stem,
        ("ID", identity, f"{kind} ID."),
        ("NAME", name, f"{kind} name."),
        ("VAL", value, f"{kind} numeric value."),
    )


def _detector_cards() -> list[Card]:
    return group(
        "ESO DET",
        ("BITS", 16, "Bits per pixel readout"),
        ("CHIPS", 2, "# of chips in detector array"),
        ("DATE", "01-11-01", "Installation date"),
        ("DEC", 0.0, "Apparent DEC at start"),
        ("DID", "ESO-VLT-DIC.CCDDCS,ESO-VLT-DIC.FCDDCS", "Dictionary"),
        ("EXP NO", 1, "Unique exposure ID number"),
        ("EXP RDTTIME", 22.5, "image readout time"),
        ("EXP TYPE", "Normal", "Exposure type"),
        ("EXP XFERTIM", 22.5, "image transfer time"),
        ("FRAM ID", 1, "Image sequencial number"),
        ("FRAM TYPE", "Normal", "Type of frame"),
        ("ID", "CCD FIERA - Rev: 3.82.1.1", "Detector system Id"),
        ("NAME", "harps - Harps", "Name of detector system"),
        ("OUTPUTS", 2, "# of outputs"),
        ("OUTREF", 0, "reference output"),
        ("RA", 0.0, "Apparent RA at start"),
        ("SHUT ID", "SESO", "Shutter unique identifier"),
        ("SHUT TMCLOS", 0.04, "Time taken to close shutter"),
        ("SHUT TMOPEN", 0.03, "Time taken to open shutter"),
        ("SHUT TYPE", "IRIS", "type of shutter"),
        ("SOFW MODE", "Normal", "CCD sw operational mode"),
        ("TELE INT", 600.0, "Interval between two successive telemetries"),
        ("TELE NO", 3, "# of sources active"),
    )


def _readout_cards() -> list[Card]:
    cards = group(
        "ESO DET",
        ("READ CLOCK", "416kpx/rr", "Readout clock pattern used"),
        ("READ MODE", "normal", "Readout method"),
        ("READ NFRAM", 1, "Number of readouts buffered in single frame"),
        ("READ SPEED", "416kHz,1,high", "Readout speed"),
        ("WIN1 BINX", 1, "Binning factor along X"),
        ("WIN1 BINY", 1, "Binning factor along Y"),
        ("WIN1 DIT1", 0.0, "actual subintegration time"),
        ("WIN1 DKTM", 0.0, "Dark current time"),
        ("WIN1 NDIT", 1, "# of subintegrations"),
        ("WIN1 NX", 4296, "# of pixels along X"),
        ("WIN1 NY", 4096, "# of pixels along Y"),
        ("WIN1 ST", True, "If T, window enabled"),
        ("WIN1 STRX", 1, "Lower left pixel in X"),
        ("WIN1 STRY", 1, "Lower left pixel in Y"),
        ("WIN1 UIT1", 0.0, "user defined subintegration time"),
        ("WINDOWS", 1, "# of windows readout"),
    )
    telemetry = (("CCD T1", 150.7), ("EBOX T", 284.0), ("CCD Vacuum", 0.0))
    for i, (name, value) in enumerate(telemetry, start=1):
        cards += group(
            f"ESO DET TLM{i}",
            ("END", value, "Telemetry value at read completion"),
            ("ID", name, "ID of telemetry sensor"),
            ("NAME", name, "Description of telemetry param."),
            ("START", value, "Telemetry value at read start"),
        )
    cards += group(
        "ESO OCS DET1",
        ("IMGNAME", "HARPS_ech_obs_all", "Data File Name."),
        ("NAMING", "Sequence-Naming", "Data File Naming Type."),
    )
    return cards
