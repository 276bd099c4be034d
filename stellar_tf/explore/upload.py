"""A FITS file that was sent to the page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.config import Config
from tfrecords_tools.conversion.prepare import prepare_spectrum
from tfrecords_tools.errors import UserError
from tfrecords_tools.spectrum import SpectrumError

MAX_UPLOAD_MB = 64
"""No larger file is taken [MB]; a HARPS product has 5, an ESPRESSO S1D 20."""


class UploadError(UserError):
    """A file that was sent is not taken; the message names it and says why."""


class Upload(NamedTuple):
    """A spectrum that was sent."""

    dp_id: str
    """Its name, which is its identifier if it is the archive's."""
    target: str
    """Name of the target as the observer wrote it, or ``""``."""
    flux: NDArray[np.float32]
    """On the run's grid, not normalised, NaN at bad pixels, shape (n_pixels,)."""


def read_upload(name: str, content: bytes, config: Config) -> Upload:
    """
    Put the spectrum of a file that was sent onto the run's grid.

    Parameters
    ----------
    name : str
        What the sender calls the file; only shown, never used as a path.
    content : bytes
        FITS, plain or gzipped.
    config : Config
        Of the run.

    Returns
    -------
    upload : Upload
        Its flux as `stellar-tf convert` and `stellar-tf encode` read it.

    Raises
    ------
    UploadError
        If the file is too large, empty or no spectrum on the run's grid.
    """
    name = " ".join(Path(name).name.split()) or "the file"
    if len(content) > MAX_UPLOAD_MB * 1_000_000:
        raise UploadError(f"{name}: is larger than {MAX_UPLOAD_MB} MB; send a spectrum")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload.fits"
        path.write_bytes(content)
        try:
            prepared = prepare_spectrum(path, config.grid, config.convert)
        except SpectrumError as error:
            raise UploadError(f"{name}: {error}") from None
    if not prepared.median_flux > 0.0:
        raise UploadError(f"{name}: its median flux is not positive")
    dp_id = name.removesuffix(".gz").removesuffix(".fits")
    return Upload(dp_id, prepared.metadata.target, prepared.flux)
