"""ESO Phase 3 spectra (ADP), as bytes of a FITS file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stellar_tf.simulator.archive_cards import table_cards
from stellar_tf.simulator.cards import BLOCK, HeaderTemplate
from stellar_tf.simulator.header import primary_cards, primary_values
from stellar_tf.simulator.record import Record
from stellar_tf.simulator.spectrum import Spectrum
from tfrecords_tools.durable import write_whole


class AdpWriter:
    """
    Writes spectra as ESO Phase 3 products.

    Parameters
    ----------
    full_header : bool
        Write all cards of the real products, or only those that readers use.

    Notes
    -----
    A product has a primary HDU without data and a binary table of one row, which
    holds the arrays WAVE (float64), FLUX and ERR (float32; HARPS leaves it NaN). The
    primary header is formatted once and only its changing cards are replaced: with
    its 3,000 cards it would otherwise cost more than the spectrum.
    """

    def __init__(self, full_header: bool) -> None:
        self._primary = HeaderTemplate(primary_cards(full_header))

    def write(self, path: Path, spectrum: Spectrum, record: Record) -> None:
        """
        Write one file.

        Parameters
        ----------
        path : Path
            Its final name; it appears under that name only when complete.
        spectrum : Spectrum
            The pixels.
        record : Record
            What the header says about them.
        """
        primary = self._primary.fill(primary_values(spectrum, record))
        self._primary.sign(primary, b"")
        data = _table_bytes(spectrum.wave, spectrum.flux)
        template = HeaderTemplate(table_cards(spectrum, record))
        table = template.fill({})
        template.sign(table, data)
        write_whole(path, b"".join((primary, table, data)))


def _table_bytes(wave: NDArray[np.float64], flux: NDArray[np.float32]) -> bytes:
    """Concatenate the one row of the table, padded to whole blocks."""
    n_pixels = len(wave)
    size = n_pixels * (8 + 4 + 4)
    row = np.zeros(-(-size // BLOCK) * BLOCK, np.uint8)
    row[: 8 * n_pixels].view(">f8")[:] = wave
    row[8 * n_pixels : 12 * n_pixels].view(">f4")[:] = flux
    row[12 * n_pixels : size].view(">f4")[:] = np.nan
    return row.tobytes()
