"""Two visits of a star: what they share, and what each has for itself."""

from __future__ import annotations

import tensorflow as tf


def exchange_stellar(z: tf.Tensor, paired: tf.Tensor, n_stellar: int) -> tf.Tensor:
    """
    Give each spectrum the star's dimensions as the other visit tells them.

    Parameters
    ----------
    z : Tensor of float32, shape (batch, n_latent)
        Draws from the posterior of each spectrum; rows 2 i and 2 i + 1 belong together.
    paired : Tensor of bool, shape (batch,)
        Whether both are visits of one star.
    n_stellar : int
        Dimensions of the star: the first ones.

    Returns
    -------
    z : Tensor of float32, shape (batch, n_latent)
        With the first dimensions exchanged within each pair.

    Notes
    -----
    What belongs to one visit is of no use to the reconstruction of the other, but costs
    divergence: so the star's dimensions do not take it in. Each posterior is trained as
    it is used later, by itself.
    """
    star = z[:, :n_stellar]
    other = tf.reshape(
        tf.reverse(tf.reshape(star, (-1, 2, n_stellar)), axis=[1]), (-1, n_stellar)
    )
    star = tf.where(paired[:, tf.newaxis], other, star)
    return tf.concat([star, z[:, n_stellar:]], axis=-1)


def count_stellar_once(kl: tf.Tensor, paired: tf.Tensor, n_stellar: int) -> tf.Tensor:
    """
    Count the divergence of the star's dimensions once a pair.

    Parameters
    ----------
    kl : Tensor of float32, shape (batch, n_latent)
        Divergence of each spectrum and dimension from the prior [nat].
    paired : Tensor of bool, shape (batch,)
        Whether the spectrum stands beside another visit of its star.
    n_stellar : int
        Dimensions of the star: the first ones.

    Returns
    -------
    kl : Tensor of float32, shape (batch, n_latent)
        With half of that of the star's dimensions in pairs [nat].

    Notes
    -----
    A pair has one star (Bouchacourt et al. 2018, arXiv 1705.08841; Hosoya 2019, arXiv
    1809.02383). What does not change between visits is so cheaper in the star's
    dimensions than in the others, and goes there.
    """
    is_star = tf.range(kl.shape[-1]) < n_stellar
    halved = paired[:, tf.newaxis] & is_star
    return tf.where(halved, 0.5 * kl, kl)
