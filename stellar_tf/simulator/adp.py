"""ESO Phase 3 spectra (ADP), as bytes of a FITS file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stellar_tf.simulator.header import (
    order_snr,
    primary_values,
    read_template,
    table_values,
)
from stellar_tf.simulator.record import Record
from stellar_tf.simulator.spectrum import SimulatedSpectrum
from tfrecords_tools.durable import write_whole
from tfrecords_tools.readers.fits_unit import BLOCK


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
    headers are read once, and only the cards that vary are set for every file: to
    make 3,000 cards anew would cost more than the spectrum.
    """

    def __init__(self, full_header: bool) -> None:
        self._primary = read_template("primary", full_header)
        self._table = read_template("table", full_header)
        self._order_snr = order_snr(self._primary)

    def write(self, path: Path, spectrum: SimulatedSpectrum, record: Record) -> None:
        """
        Write one file.

        Parameters
        ----------
        path : Path
            Its final name; it appears under that name only when complete.
        spectrum : SimulatedSpectrum
            The pixels.
        record : Record
            What the header says about them.
        """
        self._primary.fill(primary_values(spectrum, record, self._order_snr))
        self._table.fill(table_values(spectrum, record))
        data = _table_data(spectrum.wave, spectrum.flux)
        headers = (self._primary.sign(b""), self._table.sign(data))
        write_whole(path, b"".join((*headers, data)))


def _table_data(wave: NDArray[np.float64], flux: NDArray[np.float32]) -> bytearray:
    """Concatenate the one row of the table, padded to whole blocks."""
    n_pixels = len(wave)
    size = n_pixels * (8 + 4 + 4)
    row = bytearray(-(-size // BLOCK) * BLOCK)
    np.frombuffer(row, ">f8", n_pixels)[:] = wave
    np.frombuffer(row, ">f4", n_pixels, 8 * n_pixels)[:] = flux
    np.frombuffer(row, ">f4", n_pixels, 12 * n_pixels)[:] = np.nan
    return row
