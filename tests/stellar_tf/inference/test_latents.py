from __future__ import annotations

from pathlib import Path

import numpy as np

from stellar_tf.flags import Flag
from stellar_tf.inference.latents import Columns, build_latents


def outputs(*flags: int) -> Columns:
    n = len(flags)
    return {
        "z_mean": np.zeros((n, 4), np.float32),
        "z_log_var": np.zeros((n, 4), np.float32),
        "median_flux": np.ones(n, np.float32),
        "valid_fraction": np.ones(n, np.float32),
        "flags": np.array(flags, np.int32),
    }


def test_shown_in_a_notebook_they_are_counted_not_listed() -> None:
    batches = outputs(0, 0), outputs(int(Flag.NO_OVERLAP))
    columns = {name: [batch[name] for batch in batches] for name in batches[0]}
    assert repr(build_latents(columns)) == (
        "<Latents: 3 spectra, 4 dimensions, 1 flagged>"
    )
    rejected = build_latents(columns, [(Path("bias.fits"), "no star")])
    assert repr(rejected).endswith(", 1 flagged, 1 not taken>")
    assert repr(build_latents({})) == "<Latents: 0 spectra, 0 dimensions, 0 flagged>"
