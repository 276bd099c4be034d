"""Tables of labels: reading them, and finding the rows of spectra."""
