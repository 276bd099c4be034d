"""Cards that the HARPS pipeline writes: calibration, extraction and velocity."""

from __future__ import annotations

from stellar_tf.simulator.cards import Card, group
from stellar_tf.simulator.factors import LIMITS
from stellar_tf.simulator.instrument import EXTRACTION_WIDTH, GAIN, READ_NOISE

N_ORDERS = 72
N_BLUE, N_GAP, N_RED = 46, 1, 26
"""Orders on the blue detector, in the gap, on the red detector."""
FIRST_ORDER = 161
"""The bluest."""
START_WAVE = 3779.5
"""First wavelength of the bluest order [Angstrom]."""
DISPERSION = (0.01205, -4.1e-7, -8.6e-13)
"""Of the bluest order: Angstrom per pixel, per pixel^2, per pixel^3."""
CENTRE = (34.0, 0.0235, -5.2e-6, -1.0e-10, 5.0e-15)
"""Place of the orders on the detector [pixel]: spacing, then terms along an order."""
WIDTH = (4.5, -5.0e-4, -1.5e-6, 1.3e-9, 1.0e-15, -4.0e-16, 2.0e-19, -4.0e-23, 3.0e-27)
"""Terms of an order's width across the dispersion [pixel]."""
PROFILE_ERROR = (0.012, -5.0e-6, 2.0e-9, -1.9e-13)
N_TH_TERMS = 4
"""Terms of each order's wavelength solution."""
N_SPOTS = 48
NIGHT = "HARPS.2006-07-01T22:00:00.000"
"""Name that the calibrations share."""
MAX_BERV = LIMITS["berv"][1]
"""[km/s]"""


def order_wave(order: int) -> float:
    """
    Wavelength in the middle of an order, by the grating equation.

    Parameters
    ----------
    order : int
        Counted from zero at the bluest.

    Returns
    -------
    wave : float
        [Angstrom]
    """
    return (START_WAVE + 2048.0 * DISPERSION[0]) * _stretch(order)


def calibration_cards() -> list[Card]:
    """
    Cards of the pipeline.

    Returns
    -------
    cards : list of Card
        Of the groups of real products, with values that are made up by the
        geometry of an echelle.
    """
    return [
        *_general_cards(),
        *_localisation_cards(),
        *_flat_field_cards(),
        *_extraction_cards(),
        *_wavelength_cards(),
        *_littrow_cards(),
    ]


def _stretch(order: int) -> float:
    """Wavelengths scale with the inverse of the order's number."""
    number = FIRST_ORDER - order - (N_GAP if order >= N_BLUE else 0)
    return FIRST_ORDER / number


def _general_cards() -> list[Card]:
    return group(
        "ESO DRS",
        ("VERSION", "HARPS_3.5", "DRS version"),
        ("CCD SIGDET", READ_NOISE, "CCD Readout Noise [e-]"),
        ("CCD CONAD", GAIN, "CCD conv factor [e-/ADU]"),
        ("BERV", 0.0, "Barycentric Earth Radial Velocity"),
        ("BJD", 0.0, "Barycentric Julian Day"),
        ("BERVMX", MAX_BERV, "Maximum BERV"),
        ("BLAZE FILE", f"{NIGHT}_blaze_A.fits", "Blaze file"),
    )


def _localisation_cards() -> list[Card]:
    cards = group(
        "ESO DRS CAL LOC",
        ("FILE", f"{NIGHT}_loco_A.fits", "Localization file"),
        ("BCKGRD", -0.03, "mean background [%]"),
        ("NBO", N_ORDERS, "nb orders localised"),
        ("DEG CTR", len(CENTRE) - 1, "degree fit ctr ord"),
        ("DEG FWHM", len(WIDTH) - 1, "degree fit width ord"),
        ("DEG ERROR", len(PROFILE_ERROR) - 1, "degree fit profile error"),
        ("PROFIL DELTA", 1.1, "param model 3gau"),
        ("FLX MAX", 55000.0, "max flux in order [ADU]"),
        ("PTS CTR MAX", 13.0, "max rm pts ctr"),
        ("PTS WID MAX", 14.0, "max rm pts width"),
        ("RMS CTR", 12.0, "max rms ctr"),
        ("RMS WID", 20.0, "max rms width"),
    )
    for order in range(N_ORDERS):
        centre = (CENTRE[0] * order * _stretch(order) ** 0.5, *CENTRE[1:])
        for name, terms, comment in (
            ("CTR", centre, "Coeff center order"),
            ("FWHM", WIDTH, "Coeff fwhm order"),
            ("ERROR", PROFILE_ERROR, "Coeff profile error order"),
        ):
            first = order * len(terms)
            cards += [
                Card(f"ESO DRS CAL LOC {name}{first + i}", term, f"{comment}{order}")
                for i, term in enumerate(terms)
            ]
    return cards


def _flat_field_cards() -> list[Card]:
    cards = group(
        "ESO DRS CAL FLAT",
        ("FILE", f"{NIGHT}_flat_A.fits", "Flat file"),
        ("NBFILES", 5, "Nb of Flat files used"),
        ("WIN", 120, "half size blaze window"),
    )
    for order in range(N_ORDERS):
        rms = round(0.02 / _stretch(order), 6)
        cards.append(Card(f"ESO DRS CAL FLAT RMS{order}", rms, f"FF RMS order{order}"))
    return cards


def _extraction_cards() -> list[Card]:
    cards = group(
        "ESO DRS SPE EXT",
        ("OPT", 3, "Option extraction"),
        ("WINDOW", EXTRACTION_WIDTH, "Size of extraction window"),
        ("COSM", 3.5, "threshold cosmic detection"),
    )
    for i in range(N_ORDERS):
        cards.append(Card(f"ESO DRS SPE EXT SN{i}", 0.0, f"S_N order center{i}"))
        cards.append(Card(f"ESO DRS SPE NBCOS{i}", 0, f"NbCos detected order{i}"))
    return cards


def _wavelength_cards() -> list[Card]:
    stem = "ESO DRS CAL TH"
    cards = []
    for order in range(N_ORDERS):
        terms = (START_WAVE, *DISPERSION)
        for i, term in enumerate(terms):
            value = term * _stretch(order)
            number = order * N_TH_TERMS + i
            cards += group(
                stem,
                (f"COEFF LL{number}", value, "coeff ll(x,order)"),
                (f"COEFF X{number}", 0.0, "coeff x=(ll,order)"),
            )
        cards += group(
            stem,
            (f"RMS ORDER{order}", 8.0, "rms around fit (m/s)"),
            (f"CHISQ ORDER{order}", 1.8, "reduced chi-square"),
        )
    for spot in range(N_SPOTS):
        value = 3.5 if spot % 3 == 2 else 230.0 * (spot // 3 + 1)
        cards.append(Card(f"{stem} LINE SPOT{spot}", value, f"th line #{spot // 3}"))
    return cards


def _littrow_cards() -> list[Card]:
    cards = group(
        "ESO DRS CAL TH",
        ("FILE", f"{NIGHT}_wave_A.fits", "Wavelength file"),
        ("LAMP USED", "THAR1", "Lamp used for wavelength calibration"),
        ("LAMP OFFSET", 0.0, "ThAr lamp RV offset"),
        ("FLUX RATIO", 1.2, "flux ratio relative to reference"),
        ("GUESS LINES", "none", "filename guess lines"),
        ("GUESS ORDER", 36, "# guess order"),
        ("ORDER NGAP", N_GAP, "nb orders in the gap"),
        ("ORDER START", FIRST_ORDER, "num first blue order"),
        ("ORDER NBR", N_ORDERS, "nb orders in total"),
        ("ORDER NBLUE", N_BLUE, "nb blue orders"),
        ("ORDER NRED", N_RED, "nb red orders"),
        ("NBR LINES", 9900, "nr lines used"),
        ("FIT RMS", 10.0, "rms value res (mpix)"),
        ("FIT MEAN", 0.0, "mean value res (mpix)"),
        ("ERROR", 0.2, "estim err on wave sol(m/s)"),
        ("DEG LL", N_TH_TERMS - 1, "degre polyn fit ll(x,order)"),
        ("DEG X", N_TH_TERMS - 1, "degre polyn fit x(ll,order)"),
        ("ABSOLUTE DV", 70.0, "absolute shift (m/s)"),
        ("FILE LINES", "line_list_HARPS_A.dat", "file name cal lines"),
    )
    for i, name in enumerate(("ONE", "TWO", "THREE")):
        cards += group(
            f"ESO DRS CAL TH LITTROW {name}",
            ("RMS", 10.0 + i, "Littrow (m/s)"),
            ("MEAN", 0.1 * i, "Littrow (m/s)"),
            ("MINDEV", -20.0 - i, "Littrow (m/s)"),
            ("MAXDEV", 25.0 + i, "Littrow (m/s)"),
        )
    return cards
