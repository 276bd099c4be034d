"""What a served model says of an input it cannot use as it is."""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

MIN_VALID_FRACTION = 0.5
"""With fewer valid pixels than this share of the grid a latent is a guess."""


class Flag(IntFlag):
    """The bits of ``flags``; 0 is a good spectrum."""

    NO_VALID_PIXEL = 1
    MEDIAN_NOT_POSITIVE = 2
    FEW_VALID_PIXELS = 4
    INFINITE_FLUX = 8
    LATENT_NOT_FINITE = 16
    WAVE_INVALID = 32
    NO_OVERLAP = 64
    SPIKES_MASKED = 128
    NOT_CONVERGED = 256


UNUSABLE = Flag.NO_VALID_PIXEL | Flag.MEDIAN_NOT_POSITIVE | Flag.LATENT_NOT_FINITE
"""With any of these nothing is known of the spectrum: its posterior is the prior."""

MEANINGS = {
    Flag.NO_VALID_PIXEL: "no pixel of the grid has a finite flux",
    Flag.MEDIAN_NOT_POSITIVE: "the median flux is not a positive number",
    Flag.FEW_VALID_PIXELS: f"fewer than {100 * MIN_VALID_FRACTION:g} % of the grid's "
    "pixels are valid",
    Flag.INFINITE_FLUX: "infinite fluxes were taken for bad pixels",
    Flag.LATENT_NOT_FINITE: "the network's answer was not finite",
    Flag.WAVE_INVALID: "wavelengths are fewer than two, or not finite, positive and "
    "increasing",
    Flag.NO_OVERLAP: "no wavelength lies on the grid",
    Flag.SPIKES_MASKED: "pixels beyond convert.max_flux_ratio medians were taken for "
    "bad ones",
    Flag.NOT_CONVERGED: "the most likely code was not reached within inference.n_steps "
    "steps",
}
"""One line for each bit."""


def add_spikes(
    flags: NDArray[np.generic], n_spikes: NDArray[np.generic]
) -> NDArray[np.int32]:
    """
    Flag spectra that the converter has masked spikes of, which no one sees any more.

    Parameters
    ----------
    flags : ndarray of int32, shape (n,)
        As encoded.
    n_spikes : ndarray, shape (n,)
        Pixels masked for being far from all others.

    Returns
    -------
    flags : ndarray of int32, shape (n,)
        With `Flag.SPIKES_MASKED` where there are any.
    """
    bits = np.asarray(flags, np.int32)
    has_spikes = np.asarray(n_spikes, np.float32) > 0.0
    return np.where(has_spikes, bits | int(Flag.SPIKES_MASKED), bits)


def explain_flags(flags: int) -> list[str]:
    """
    Put flags into words.

    Parameters
    ----------
    flags : int
        Of one spectrum.

    Returns
    -------
    meanings : list of str
        One line per bit that is set, from the lowest; empty for a good spectrum.

    Examples
    --------
    >>> from stellar_tf.flags import Flag, explain_flags
    >>> explain_flags(Flag.NO_VALID_PIXEL | Flag.NO_OVERLAP)
    ['no pixel of the grid has a finite flux', 'no wavelength lies on the grid']
    """
    return [meaning for flag, meaning in MEANINGS.items() if flags & flag]
