"""Conversion of stellar spectra in FITS files to TFRecords, without TensorFlow."""
