"""How long gradients may be: as long as those before, within a factor."""

from __future__ import annotations

_N_AVERAGED = 50
"""Steps of the running mean, and fewer at the beginning."""
_N_FREE = 20
"""Steps before a mean is worth comparing with."""


class GradientLimit:
    """
    Shorten gradients that are much longer than those before them.

    Parameters
    ----------
    max_ratio : float or None
        How many times longer than their running mean they may be; None: any length.

    Notes
    -----
    How long gradients are depends on grid, noise and stage of training, so that no
    length can be set beforehand. One that is a thousand times the usual throws the
    posteriors of all spectra to where nothing brings them back.
    """

    def __init__(self, max_ratio: float | None) -> None:
        self._max_ratio = max_ratio
        self.mean = 0.0
        """Running mean of the lengths applied: all there is to restore."""

    def find_share(self, step: int, norm: float) -> float:
        """
        Say by what to multiply a gradient.

        Parameters
        ----------
        step : int
            Updates made before it.
        norm : float
            Its length, finite.

        Returns
        -------
        share : float
            At most 1.
        """
        if self._max_ratio is None or norm == 0.0:
            return 1.0
        longest = norm if step < _N_FREE else self._max_ratio * self.mean
        applied = min(norm, longest)
        self.mean += (applied - self.mean) / min(step + 1, _N_AVERAGED)
        return applied / norm
