"""
Weakly disentangled variational autoencoders for high-resolution stellar spectra.

The public functions, each of which a command of ``stellar-tf`` calls, and what they
return. Nothing slow is imported before it is used.

Examples
--------
>>> import stellar_tf as st
>>> model = st.load_model("run")
>>> model.encode("records").z_mean.shape
(80, 4)
"""

import sys
from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "Config": "stellar_tf.config",
    "Latents": "stellar_tf.inference.latents",
    "Run": "stellar_tf.run",
    "RunAnalysis": "stellar_tf.report.run_analysis",
    "RunProbes": "stellar_tf.report.probes",
    "SpectrumModel": "stellar_tf.inference.spectrum_model",
    "load_config": "stellar_tf.config",
    "analyze": "stellar_tf.api",
    "analyze_codes": "stellar_tf.api",
    "compare": "stellar_tf.api",
    "convert": "stellar_tf.api",
    "encode": "stellar_tf.api",
    "encode_parts": "stellar_tf.api",
    "export": "stellar_tf.api",
    "export_page": "stellar_tf.api",
    "fit": "stellar_tf.api",
    "load_model": "stellar_tf.api",
    "neighbours": "stellar_tf.api",
    "probe": "stellar_tf.api",
    "read_spectrum": "stellar_tf.api",
    "refine": "stellar_tf.api",
    "simulate": "stellar_tf.api",
    "verify": "stellar_tf.api",
}
"""Where each public name is defined."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


if "keras" in sys.modules:
    # keras.models.load_model finds only layers that have been imported.
    import_module("stellar_tf.network.model")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
