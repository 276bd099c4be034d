"""Cards of the Phase 3 standard: of the product and of its table."""

from __future__ import annotations

import numpy as np

from stellar_tf.simulator.cards import Card
from stellar_tf.simulator.instrument import GAIN, READ_NOISE
from stellar_tf.simulator.record import Record, iso_time, mjd_after
from stellar_tf.simulator.spectrum import SimulatedSpectrum

RESOLUTION = 115_000.0
"""Resolving power of HARPS."""
APERTURE = 1.0 / 3600.0
"""Diameter of the fibre on the sky [deg]."""
TITLE_SUFFIX = "_s1d_A"


def nanometres(wave: float) -> float:
    """
    Convert a wavelength as headers state it.

    Parameters
    ----------
    wave : float
        [Angstrom]

    Returns
    -------
    wave : float
        [nm]
    """
    return round(float(wave) / 10.0, 6)


def archive_cards() -> list[Card]:
    """
    Cards at the beginning of the primary header.

    Returns
    -------
    cards : list of Card
        Values that differ between exposures are still empty.
    """
    return [
        Card("SIMPLE", True, "file does conform to FITS standard"),
        Card("BITPIX", 8, "number of bits per data pixel"),
        Card("NAXIS", 0, "number of data axes"),
        Card("EXTEND", True, "FITS dataset may contain extensions"),
        Card("COMMENT", "  FITS (Flexible Image Transport System): see Astronomy"),
        Card("COMMENT", "  and Astrophysics 376, 359; bibcode 2001A&A...376..359H"),
        Card("DATE", "", "Date this file was written"),
        Card("INSTRUME", "HARPS", "Instrument used"),
        Card("RA", 0.0, "[deg] RA (J2000) pointing"),
        Card("DEC", 0.0, "[deg] DEC (J2000) pointing"),
        Card("EQUINOX", 2000.0, "Standard FK5 (years)"),
        Card("RADECSYS", "FK5", "Coordinate reference frame"),
        Card("EXPTIME", 0.0, "Total integration time"),
        Card("MJD-OBS", 0.0, "MJD start"),
        Card("DATE-OBS", "", "Date of observation"),
        Card("UTC", 0.0, "[s] UTC at start"),
        Card("LST", 0.0, "[s] LST at start"),
        Card("PI-COI", "Simulator", "PI-COI name."),
        Card("ORIGFILE", "", "Original File Name"),
        Card("UT", "", "UT at start"),
        Card("ST", "", "ST at start"),
        Card("AIRMASS", 1.0, "Averaged air mass"),
        Card("IMAGETYP", "STAR,DARK,G2", "Observation type"),
        Card("ORIGIN", "ESO", "European Southern Observatory"),
        Card("TELESCOP", "ESO-3.6", "ESO Telescope Name"),
        Card("M_EPOCH", False, "T if resulting from multiple epochs"),
        Card("SINGLEXP", True, "T if resulting from single exposure"),
        Card("PRODLVL", 2, "Product level: 1-raw 2-science grade 3-advanced"),
        Card("DISPELEM", "HARPS Echelle", "Dispersive element name"),
        Card("SPECSYS", "BARYCENT", "Reference frame"),
        Card("OBJECT", "", "Object"),
        Card("TEXPTIME", 0.0, "[s] Total integration time of all exposures"),
        Card("EXT_OBJ", False, "T if extended"),
        Card("MJD-END", 0.0, "[d] End of observation"),
        Card("PROG_ID", "000.X-0000(A)", "ESO Programme ID"),
        Card("OBID1", 1, "Observation block ID"),
        Card("PROCSOFT", "HARPS_3.5"),
        Card("OBSTECH", "ECHELLE", "Observation technique"),
        Card("PRODCATG", "SCIENCE.SPECTRUM", "Data product category"),
        Card("FLUXCAL", "UNCALIBRATED", "Type of flux calibration"),
        Card("CONTNORM", False, "T if normalised to the continuum"),
        Card("WAVELMIN", 0.0, "[nm] Minimum wavelength"),
        Card("WAVELMAX", 0.0, "[nm] Maximum wavelength"),
        Card("SPEC_BIN", 0.0, "[nm] Wavelength bin size"),
        Card("TOT_FLUX", False, "T if photom. cond. and all src flux captured"),
        Card("FLUXERR", -1.0, "Uncertainty in flux scale (%)"),
        Card("NCOMBINE", 1, "# of combined raw science data files"),
        Card("REFERENC", "", "Bibliographic reference"),
        Card("SNR", 0.0, "Median signal to noise"),
        Card("SPEC_RES", RESOLUTION, "Reference spectral resolving power"),
        Card("GAIN", GAIN, "Conversion from electrons to ADU"),
        Card("DETRON", READ_NOISE, "Readout noise per output (e-)"),
        Card("ASSOC1", "ANCILLARY.HARPSTAR", "Associated file 1 category"),
        Card("ASSON1", "", "Associated file 1 name"),
        Card("ASSOM1", "0" * 32, "Associated file 1 md5sum"),
        Card("PROV1", "", "Originating file name"),
    ]


def table_cards(spectrum: SimulatedSpectrum, record: Record) -> list[Card]:
    """
    Cards of the table's header.

    Parameters
    ----------
    spectrum : SimulatedSpectrum
        The pixels.
    record : Record
        What is known about the exposure.

    Returns
    -------
    cards : list of Card
        All but END.
    """
    wave, flux = spectrum.wave, spectrum.flux
    n_pixels = len(wave)
    return [
        Card("XTENSION", "BINTABLE", "binary table extension"),
        Card("BITPIX", 8, "array data type"),
        Card("NAXIS", 2, "number of array dimensions"),
        Card("NAXIS1", 16 * n_pixels, "length of dimension 1"),
        Card("NAXIS2", 1, "length of dimension 2"),
        Card("PCOUNT", 0, "number of group parameters"),
        Card("GCOUNT", 1, "number of groups"),
        Card("TFIELDS", 3, "number of table fields"),
        Card("TTYPE1", "WAVE"),
        Card("TFORM1", f"{n_pixels}D"),
        Card("TTYPE2", "FLUX"),
        Card("TFORM2", f"{n_pixels}E"),
        Card("TTYPE3", "ERR"),
        Card("TFORM3", f"{n_pixels}E"),
        Card("VOCLASS", "SPECTRUM v1.0", "VO Data Model"),
        Card("VOPUB", "ESO/SAF", "VO Publishing Authority"),
        Card("EXTNAME", "SPECTRUM", "Extension Name"),
        Card("INHERIT", True, "Primary HDU inherited"),
        Card("TITLE", f"{record.target}_HARPS.{iso_time(record.mjd)}{TITLE_SUFFIX}"),
        Card("OBJECT", record.target, "Object"),
        Card("RA", record.ra, "[deg] Right ascension"),
        Card("DEC", record.dec, "[deg] Declination"),
        Card("APERTURE", round(APERTURE, 8), "[deg] Aperture diameter"),
        Card("TELAPSE", record.exptime, "[s] Total elapsed time"),
        Card("TMID", mjd_after(record, 0.5), "[d] MJD mid exposure"),
        Card("NELEM", n_pixels, "Length of the data arrays"),
        Card("SPEC_VAL", nanometres(wave[[0, -1]].mean()), "[nm] Mean wavelength"),
        Card("SPEC_BW", nanometres(wave[-1] - wave[0]), "[nm] Bandpass width"),
        Card("TUTYP1", "Spectrum.Data.SpectralAxis.Value"),
        Card("TUCD1", "em.wl"),
        Card("TUNIT1", "Angstrom"),
        Card("TCOMM1", "Computed from original WCS information"),
        Card("TDMIN1", float(wave[0])),
        Card("TDMAX1", float(wave[-1])),
        Card("TUTYP2", "Spectrum.Data.FluxAxis.Value"),
        Card("TUCD2", "phot.flux.density;em.wl;stat.uncalib"),
        Card("TUNIT2", "adu"),
        Card("TCOMM2", "Converted from 1-d pipeline spectrum (s1d_A)"),
        Card("TDMIN2", round(float(np.min(flux)), 5)),
        Card("TDMAX2", round(float(np.max(flux)), 5)),
        Card("TUTYP3", "Spectrum.Data.FluxAxis.Accuracy.StatError"),
        Card("TUCD3", "stat.error;phot.flux.density;em.wl;stat.uncalib"),
        Card("TUNIT3", "adu"),
        Card("TCOMM3", "Error spectrum not available, filled with NaN"),
        Card("CHECKSUM", "", "HDU checksum"),
        Card("DATASUM", "", "data unit checksum"),
    ]
