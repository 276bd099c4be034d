"""The analysis as one HTML file that opens anywhere."""
