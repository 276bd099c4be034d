"""Weakly disentangled variational autoencoders for high-resolution stellar spectra."""

__version__ = "0.1.0"
