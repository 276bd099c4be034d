"""The trained network from raw flux to latents and back, as TensorFlow operations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import keras
import tensorflow as tf

from stellar_tf.batches.normalisation import (
    NormalisedFlux,
    mask_spikes,
    mask_zero_runs,
    normalise_flux,
)
from stellar_tf.config import Config
from stellar_tf.flags import MIN_VALID_FRACTION, UNUSABLE, Flag
from stellar_tf.inference.placement import place_flux
from stellar_tf.network.gauss_newton import measure_codes
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run

Outputs = dict[str, tf.Tensor]
"""Named outputs."""


@dataclass(frozen=True, eq=False)
class ModelGraph:
    """A trained network and its settings; every output is finite, bad input flagged."""

    autoencoder: keras.Model
    """As `stellar_tf.network.model.build_autoencoder` builds it, trained."""
    config: Config
    """Settings of its run."""

    def encode(self, flux: tf.Tensor) -> Outputs:
        """
        Encode spectra on the grid.

        Parameters
        ----------
        flux : Tensor of float32, shape (batch, n_pixels)
            In any unit, on the grid; NaN or long runs of zeros at bad pixels. Pixels
            beyond ``convert.max_flux_ratio`` medians are bad, too.

        Returns
        -------
        outputs : dict
            ``z_mean`` and ``z_log_var`` (batch, n_latent); ``median_flux``, which the
            spectrum was divided by, in its unit, 0 if there is none, and
            ``valid_fraction`` (batch,); ``flags``, int32 (batch,), of `Flag`. With
            `UNUSABLE` flags the posterior is the prior.
        """
        return self._encode(*self._mask(flux))[0]

    def encode_spectrum(self, wave: tf.Tensor, flux: tf.Tensor) -> Outputs:
        """
        Encode one spectrum of any wavelengths.

        Parameters
        ----------
        wave : Tensor of float64, shape (n,)
            Wavelengths in air, barycentric, increasing [Angstrom].
        flux : Tensor of float32, shape (n,)
            Flux density in any unit; bad pixels as in `encode`.

        Returns
        -------
        outputs : dict
            As of `encode`, with a batch of 1.

        Raises
        ------
        InvalidArgumentError
            If `wave` and `flux` differ in length.
        """
        tf.debugging.assert_equal(
            tf.size(wave), tf.size(flux), "wave and flux must have the same length"
        )
        finite, flags = _blank_infinities(flux[tf.newaxis])
        config = self.config
        placed = place_flux(wave, finite[0], config.grid, config.convert)
        return self.encode_prepared(placed.flux[tf.newaxis], flags + placed.flags)

    def decode(self, z: tf.Tensor) -> Outputs:
        """
        Decode latent codes.

        Parameters
        ----------
        z : Tensor of float32, shape (batch, n_latent)
            Finite.

        Returns
        -------
        outputs : dict
            ``flux`` (batch, n_pixels), normalised: in units of the median, or of
            the continuum if the run divides by it.

        Raises
        ------
        InvalidArgumentError
            If a code is not finite, or so large that the flux is not.
        """
        z = tf.debugging.check_numerics(z, "z must be finite")
        decoder = self.autoencoder.get_layer("decoder")
        flux = decoder(z, training=False)
        return {"flux": tf.debugging.check_numerics(flux, "z is too large to decode")}

    def reconstruct(self, flux: tf.Tensor) -> Outputs:
        """
        Decode what was encoded.

        Parameters
        ----------
        flux : Tensor of float32, shape (batch, n_pixels)
            As of `encode`.

        Returns
        -------
        outputs : dict
            ``flux`` (batch, n_pixels), in the unit of the input; zero with
            `UNUSABLE` flags and where there is no continuum; ``flags`` as of `encode`.
        """
        code, unit = self._encode(*self._mask(flux))
        usable = tf.equal(tf.bitwise.bitwise_and(code["flags"], int(UNUSABLE)), 0)
        has_unit = usable[:, tf.newaxis] & tf.math.is_finite(unit)
        normalised = self.decode(code["z_mean"])["flux"]
        return {
            "flux": tf.where(has_unit, normalised * unit, 0.0),
            "flags": code["flags"],
        }

    def normalise(self, flux: tf.Tensor) -> Outputs:
        """
        Find what spectra are divided by before they are encoded.

        Parameters
        ----------
        flux : Tensor of float32, shape (batch, n_pixels)
            As of `encode`.

        Returns
        -------
        outputs : dict
            ``unit`` (batch, n_pixels), the median or the continuum, in the unit of the
            input; 0 where there is none.
        """
        masked, _ = self._mask(flux)
        unit = self._normalise(masked).unit
        unit = tf.where(tf.math.is_finite(unit) & (unit > 0.0), unit, 0.0)
        return {"unit": tf.broadcast_to(unit, tf.shape(flux))}

    def encode_prepared(
        self,
        flux: tf.Tensor,
        flags: tf.Tensor | None = None,
        median_flux: tf.Tensor | None = None,
        error: tf.Tensor | None = None,
    ) -> Outputs:
        """
        Encode spectra as the converter prepares them.

        Parameters
        ----------
        flux : Tensor of float32, shape (batch, n_pixels)
            On the grid, in any unit, finite or NaN, its gaps marked.
        flags : Tensor of int32, shape (batch,), optional
            What is known of each spectrum already.
        median_flux : Tensor of float32, shape (batch,), optional
            Over the valid pixels, where it is known.
        error : Tensor of float32, shape (batch, n_pixels), optional
            Standard deviation of the flux, in its unit, NaN where it is unknown. It
            counts in a refined run.

        Returns
        -------
        outputs : dict
            As of `encode`.
        """
        return self._encode(flux, flags, median_flux, error)[0]

    def _mask(self, flux: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mark gaps and spikes; return also the flags."""
        finite, flags = _blank_infinities(flux)
        convert = self.config.convert
        masked = mask_zero_runs(finite, convert.min_zero_run)
        masked, has_spikes = mask_spikes(masked, convert.max_flux_ratio)
        return masked, flags + _flag(has_spikes, Flag.SPIKES_MASKED)

    def _normalise(
        self, flux: tf.Tensor, median_flux: tf.Tensor | None = None
    ) -> NormalisedFlux:
        config = self.config
        n_zeros = sum(config.model.padding(config.grid.n_pixels))
        kind = config.dataset.normalise
        return normalise_flux(flux, config.grid, kind, median_flux, n_zeros)

    def _encode(
        self,
        flux: tf.Tensor,
        flags: tf.Tensor | None = None,
        median_flux: tf.Tensor | None = None,
        error: tf.Tensor | None = None,
    ) -> tuple[Outputs, tf.Tensor]:
        """Encode; return also what the flux was divided by."""
        normalised = self._normalise(flux, median_flux)
        encoder = self.autoencoder.get_layer("encoder")
        posterior = encoder(normalised.flux, training=False)
        measured = tf.zeros(tf.shape(flux)[:1], tf.int32)
        if self.config.inference.n_steps:
            posterior, measured = self._measure(normalised, posterior, error)
        n_valid = tf.math.count_nonzero(tf.math.is_finite(flux), axis=-1)
        median_flux = normalised.median_flux
        has_median = tf.math.is_finite(median_flux) & (median_flux > 0.0)
        is_finite = tf.reduce_all(
            tf.math.is_finite(posterior["z_mean"] + posterior["z_log_var"]), axis=-1
        )
        told = _flag(n_valid == 0, Flag.NO_VALID_PIXEL)
        flags = told + measured if flags is None else flags + told + measured
        flags += _flag((n_valid > 0) & ~has_median, Flag.MEDIAN_NOT_POSITIVE)
        few = normalised.valid_fraction < MIN_VALID_FRACTION
        flags += _flag(few, Flag.FEW_VALID_PIXELS)
        flags += _flag(has_median & ~is_finite, Flag.LATENT_NOT_FINITE)
        known = (has_median & is_finite)[:, tf.newaxis]
        outputs = {
            # The prior is a unit normal: mean 0, logarithm of the variance 0.
            "z_mean": tf.where(known, posterior["z_mean"], 0.0),
            "z_log_var": tf.where(known, posterior["z_log_var"], 0.0),
            # JSON has no NaN.
            "median_flux": tf.where(tf.math.is_finite(median_flux), median_flux, 0.0),
            "valid_fraction": normalised.valid_fraction,
            "flags": flags,
        }
        return outputs, normalised.unit

    def _measure(
        self, normalised: NormalisedFlux, start: Outputs, error: tf.Tensor | None
    ) -> tuple[Outputs, tf.Tensor]:
        """Go from the encoder's code to the most likely one; return also flags."""
        decoder = self.autoencoder.get_layer("decoder")
        found = measure_codes(
            partial(decoder, training=False),
            normalised.flux,
            start["z_mean"],
            None if error is None else error / normalised.unit,
            n_steps=self.config.inference.n_steps,
        )
        variance = tf.linalg.diag_part(found.covariance)
        posterior = {"z_mean": found.z, "z_log_var": tf.math.log(variance)}
        return posterior, _flag(~found.has_converged, Flag.NOT_CONVERGED)


def load_graph(run: Run) -> ModelGraph:
    """
    Load the best model of a run.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    graph : ModelGraph
        With the run's settings.

    Raises
    ------
    RunError
        If the folder is no run, has no model yet, or its file is damaged.
    """
    config = run.read_config()
    return ModelGraph(load_autoencoder(run), config)


def _blank_infinities(flux: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mark infinities as bad; return also the flags, int32 (batch,)."""
    is_infinite = tf.math.is_inf(flux)
    flags = _flag(tf.reduce_any(is_infinite, axis=-1), Flag.INFINITE_FLUX)
    return tf.where(is_infinite, float("nan"), flux), flags


def _flag(condition: tf.Tensor, flag: Flag) -> tf.Tensor:
    return tf.where(condition, int(flag), 0)
