"""How long gradients may be: as long as those before, within a factor."""

from __future__ import annotations

import tensorflow as tf

_N_AVERAGED = 50.0
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

    def find_share(
        self, step: tf.Tensor, norm: tf.Tensor, mean: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """
        Say by what to multiply a gradient.

        Parameters
        ----------
        step : Tensor
            Updates made before it, scalar float64.
        norm : Tensor
            Its length, finite, scalar float64.
        mean : Tensor
            Running mean of the lengths applied, scalar float64; 0 in the beginning.

        Returns
        -------
        share : Tensor
            At most 1.
        mean : Tensor
            With this gradient.
        """
        if self._max_ratio is None:
            return tf.ones_like(norm), mean
        longest = tf.where(step < _N_FREE, norm, self._max_ratio * mean)
        applied = tf.minimum(norm, longest)
        followed = mean + (applied - mean) / tf.minimum(step + 1.0, _N_AVERAGED)
        is_any = norm > 0.0
        share = tf.where(is_any, tf.math.divide_no_nan(applied, norm), 1.0)
        return share, tf.where(is_any, followed, mean)
