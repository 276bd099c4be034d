"""Spectra of the ESO archive: found by TAP, linked by DataLink, fetched by HTTP."""
