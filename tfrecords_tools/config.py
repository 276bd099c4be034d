"""Settings of the conversion and the base class of every settings section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

AutoOrNo = Annotated[
    Literal["auto", "no"],
    # A bare no is false to YAML.
    BeforeValidator(lambda value: "no" if value is False else value),
]
"""Whether to do what the data allow, or never."""
Count = Annotated[int, Field(ge=1)]
"""At least one."""
MAX_PIXELS = 2**22
"""Pixels of a spectrum, and spectra of a file, that are read: more are told by few
bytes in a compressed file, and what is built of each takes a hundred."""


class Section(BaseModel):
    """
    Base of all settings: immutable; unknown keys, NaN and infinity are errors.

    Notes
    -----
    Subclasses document their keys as pydantic fields.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )


class SplitFractions(Section):
    """Shares of the stars (not of the spectra) that go into each split."""

    train: float = Field(default=0.9, gt=0.0, le=1.0)
    validation: float = Field(default=0.05, ge=0.0, lt=1.0)
    test: float = Field(default=0.05, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _sum_to_one(self) -> SplitFractions:
        total = self.train + self.validation + self.test
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, got {total:g}")
        return self


class ConvertConfig(Section):
    """What the converter keeps, and how it lays out the shards."""

    min_median_flux: float = Field(default=50.0, ge=0.0)
    """Spectra in ADU with a smaller median flux are noise only and are rejected."""
    verify_checksums: bool = True
    """Reject files that do not fit their CHECKSUM: damaged, or edited without it."""
    medium: Literal["auto", "air", "vacuum"] = "auto"
    """What wavelengths are measured in where a file says nothing of it: ``auto`` takes
    them for air and counts such files."""
    max_flux_ratio: float = Field(default=1000.0, gt=1.0)
    """Pixels of more than so many medians are bad: cosmics, overshooting splines."""
    max_spikes: float = Field(default=0.01, ge=0.0, le=1.0)
    """A file with a larger share of such pixels is rejected: the rest is no better."""
    min_valid_fraction: float = Field(default=0.5, ge=0.0, le=1.0)
    """A file with a smaller share of valid pixels on the grid is rejected; gaps between
    detectors do not count."""
    max_drift: float = Field(default=0.05, gt=0.0)
    """Pixels: a file whose step drifts less than this over the grid is only shifted."""
    min_zero_run: int = Field(default=100, ge=1)
    """This many exact zeros in a row are a gap between detectors, not data."""
    shard_mib: float = Field(default=128.0, gt=0.0)
    """Size a shard is planned for, in MiB."""
    flux_dtype: Literal["float32", "float16"] = "float32"
    """How records store the flux; float16 halves them and keeps 3.3 digits."""
    store_errors: AutoOrNo = "auto"
    """Whether records hold the errors of the flux: ``auto`` where a file has them."""
    split: SplitFractions = SplitFractions()
    split_by: Literal["star", "visit"] = "star"
    """What goes to one split as a whole; ``visit`` is for series of a few stars, whose
    exposures are then in all splits."""
    split_salt: str = "stellar-tf"
    """Changing it draws other splits."""
    aliases: dict[str, str] = Field(default_factory=dict)
    """Other names of stars: alias to name."""
    label_key: str = "auto"
    """By what rows of a label table are found: a column (dp_ids, names of stars or
    Gaia's identifiers), ``position``, or ``auto``: the first of them that finds any."""
    match_radius: float = Field(default=3.0, gt=0.0)
    """Arcsec: how near a row found by its position must be."""
    missing_values: tuple[float | str, ...] = ()
    """Values of a label table, or of the columns of a catalogue of spectra, that mean
    unknown, beside those that always do."""
