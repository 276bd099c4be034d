"""From files of spectra to a data set of records."""
