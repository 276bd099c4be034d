"""Simulated HARPS spectra of stars whose parameters are known."""
