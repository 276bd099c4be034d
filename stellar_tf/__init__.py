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

import os
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
    "analyze": "stellar_tf.api.analysis",
    "analyze_codes": "stellar_tf.api.analysis",
    "compare": "stellar_tf.api.analysis",
    "convert": "stellar_tf.api.records",
    "encode": "stellar_tf.api.encoding",
    "encode_parts": "stellar_tf.api.encoding",
    "export": "stellar_tf.api.exporting",
    "export_page": "stellar_tf.api.exporting",
    "fit": "stellar_tf.api.training",
    "load_model": "stellar_tf.api.encoding",
    "neighbours": "stellar_tf.api.analysis",
    "probe": "stellar_tf.api.analysis",
    "read_spectrum": "stellar_tf.api.records",
    "refine": "stellar_tf.api.training",
    "simulate": "stellar_tf.api.records",
    "verify": "stellar_tf.api.records",
}
"""Where each public name is defined."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


# By itself TensorFlow uses it on some processors only; on another training took a third
# longer without. It asks when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if "keras" in sys.modules:
    # keras.models.load_model finds only layers that have been imported.
    import_module("stellar_tf.network.model")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
