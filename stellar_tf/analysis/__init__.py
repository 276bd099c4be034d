"""Statistics that say which latent dimensions carry information, and about what."""
