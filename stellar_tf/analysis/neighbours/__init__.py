"""Spectra like a given one, and spectra like no other."""
