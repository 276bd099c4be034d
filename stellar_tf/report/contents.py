"""What a report shows beside the analysis itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from; printed at the end of the report."""

    version: str
    """Version of stellar-tf."""
    run: str
    """The run folder, or another name of the model."""
    manifest_sha256: str
    """SHA-256 of the manifest of the records; empty if there was none."""
    seed: int
    """Seed of the analysis."""
    splits: tuple[str, ...]
    """Splits whose stars the statistics use."""
    created: str
    """Date and time, ISO 8601."""
    config: str
    """The resolved settings, YAML."""
