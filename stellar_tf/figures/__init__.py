"""Figures for the report, the explorer and notebooks."""
