"""By what the rows of a label table are found: identifiers, names or positions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.lookup import Exposure
from tfrecords_tools.labels.positions import Positions, find_near
from tfrecords_tools.labels.values import Cells, is_number, read_values, to_texts
from tfrecords_tools.star import star_name

DP_ID, AUTO, POSITION = "dp_id", "auto", "position"
STAR_COLUMNS = (
    *("target", "star", "object", "name", "star_name", "main_id", "primary"),
    *("target_name", "object_name", "source_name", "identifier", "hostname"),
    *("targname", "objname", "starname", "name_of_star", "simbad_name", "star_id"),
)
"""Columns with names of stars, in lower case; the first go first."""
_FILE_COLUMNS = ("arcfile", "filename", "file_name", "file")
"""Columns with names of files; the first go first."""
_CATALOGUES = ("hd", "hip", "tic", "kic")
"""Columns with names of stars that may be numbers alone."""
GAIA_COLUMNS = (
    *("source_id", "gaia_source_id", "gaia_dr3_source_id", "dr3_source_id"),
    *("gaia_dr3", "gaiadr3", "gaia_id", "gaia", "source"),
)
"""Columns with identifiers of Gaia."""
_GAIA = re.compile(
    r".*gaia[\s_-]*(?:e?dr[0-9][\s_-]*)?([0-9]{8,19})(?![0-9]).*|([0-9]{8,19})",
    re.IGNORECASE,
)
_FITS_ENDING = re.compile(r"\.(fits|fit|fts)(\.(gz|fz))?$", re.IGNORECASE)


class ColumnKey(NamedTuple):
    """A column that says what its rows are about."""

    cells: Cells
    normalise: Callable[[str], str]
    """From what stands in the column to what is compared; "" for no key."""
    ask: Callable[[Exposure], str]
    """What is compared of a spectrum."""

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.cells.name

    def find(self, exposures: Sequence[Exposure]) -> list[list[int]]:
        """
        Find the rows of spectra.

        Parameters
        ----------
        exposures : sequence of Exposure
            The spectra.

        Returns
        -------
        rows : list of list of int
            Row numbers for each of them.
        """
        asked = [self.ask(exposure) for exposure in exposures]
        rows: dict[str, list[int]] = {key: [] for key in asked}
        for row, text in enumerate(to_texts(self.cells.content)):
            key = self.normalise(text)
            if key and key in rows:
                rows[key].append(row)
        return [rows[key] for key in asked]

    def compare(self, exposures: Sequence[Exposure]) -> str:
        """
        Show why nothing is found.

        Parameters
        ----------
        exposures : sequence of Exposure
            The spectra, at least one.

        Returns
        -------
        text : str
            The first name here and there.
        """
        here = map(self.normalise, to_texts(self.cells.content))
        there = map(self.ask, exposures)
        names = [
            next((repr(k) for k in keys if k), "nothing") for keys in (here, there)
        ]
        return f"{self.name} has {names[0]}, a spectrum {names[1]}"


class PositionKey(NamedTuple):
    """The positions of the rows on the sky."""

    positions: Positions
    radius: float
    """How near a row must be [arcsec]."""
    name: str = POSITION

    def find(self, exposures: Sequence[Exposure]) -> list[list[int]]:
        """Find the rows of spectra."""
        ra = np.array([exposure.ra for exposure in exposures], np.float64)
        dec = np.array([exposure.dec for exposure in exposures], np.float64)
        return find_near(ra, dec, self.positions, self.radius)

    def compare(self, exposures: Sequence[Exposure]) -> str:
        """
        Show why nothing is found.

        Parameters
        ----------
        exposures : sequence of Exposure
            The spectra, at least one.

        Returns
        -------
        text : str
            What is missing.
        """
        if not any(np.isfinite(e.ra + e.dec) for e in exposures):
            return "the spectra have no ra and dec"
        names = " and ".join(self.positions.names)
        return f"{names} are all more than {self.radius:g} arcsec away"


Key = ColumnKey | PositionKey


def list_keys(
    columns: Sequence[Cells], positions: Positions | None, config: ConvertConfig
) -> list[Key]:
    """
    List what rows can be found by, the first to be tried first.

    Parameters
    ----------
    columns : sequence of Cells
        All columns.
    positions : Positions or None
        Those of the table.
    config : ConvertConfig
        Its `label_key`, `match_radius` and `aliases`.

    Returns
    -------
    keys : list of Key
        A column ``dp_id`` alone, else names, identifiers of Gaia and positions; or
        what `label_key` names.
    """
    names = {_plain(cells.name): cells for cells in reversed(columns)}
    near = [] if positions is None else [PositionKey(positions, config.match_radius)]
    if config.label_key == POSITION:
        return [*near]
    if config.label_key != AUTO:
        chosen = [cells for cells in columns if cells.name == config.label_key]
        return [key for cells in chosen for key in _all_keys(cells, config.aliases)]
    if DP_ID in names:
        # It is about exposures: by the star another exposure would be found.
        return [_dp_id_key(names[DP_ID])]
    stars = [names[name] for name in STAR_COLUMNS if name in names]
    if [cells.name for cells in columns] == [
        f"col{i + 1}" for i in range(len(columns))
    ]:
        stars = [columns[0]]  # a table without header
    stars = [cells for cells in stars if read_values(cells).values.dtype.kind == "U"]
    stars += [names[name] for name in _CATALOGUES if name in names]
    gaia = [names[name] for name in GAIA_COLUMNS if name in names]
    return [
        *(_star_key(cells, config.aliases) for cells in stars),
        *(_gaia_key(cells) for cells in gaia),
        *(_dp_id_key(names[name]) for name in _FILE_COLUMNS if name in names),
        *near,
    ]


def _plain(name: str) -> str:
    """Write a column's name as the lists here do."""
    return re.sub(r"[ .-]+", "_", name.strip().lower())


def has_lost_digits(cells: Cells) -> bool:
    """Tell whether identifiers of Gaia went through floats."""
    texts = to_texts(cells.content)
    has_exponents = any("e" in text.lower() and is_number(text) for text in texts)
    return has_exponents and not any(map(gaia_id, texts))


def gaia_id(text: str) -> str:
    """Find an identifier of Gaia."""
    match = _GAIA.fullmatch(text)
    return "" if match is None else (match[1] or match[2])


def _all_keys(cells: Cells, aliases: Mapping[str, str]) -> Iterator[ColumnKey]:
    yield _dp_id_key(cells)
    yield _star_key(cells, aliases)
    yield _gaia_key(cells)


def _dp_id_key(cells: Cells) -> ColumnKey:
    # A file's name may stand there as it is.
    def normalise(text: str) -> str:
        return _FITS_ENDING.sub("", text.replace("\\", "/").rpartition("/")[2])

    return ColumnKey(cells, normalise, lambda e: e.dp_id)


def _star_key(cells: Cells, aliases: Mapping[str, str]) -> ColumnKey:
    prefix = f"{cells.name} " if cells.name.lower() in _CATALOGUES else ""

    def normalise(text: str) -> str:
        return star_name(prefix * text.isdecimal() + text, aliases)

    return ColumnKey(cells, normalise, lambda e: e.star)


def _gaia_key(cells: Cells) -> ColumnKey:
    return ColumnKey(cells, gaia_id, lambda e: gaia_id(e.target) or gaia_id(e.dp_id))
