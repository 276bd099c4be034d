"""A trained model at work: spectra to latents, latents to spectra."""
