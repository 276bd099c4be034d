from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from stellar_tf.batches.normalisation import crop_flux
from stellar_tf.inference.decoding import build_decode, reconstruct_examples
from stellar_tf.inference.encoding import encode_records
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from tfrecords_tools.records.manifest import read_manifest


def test_decode_is_the_models_decoder(run: Run) -> None:
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    decoder = load_autoencoder(run).get_layer("decoder")
    expected = crop_flux(decoder(tf.constant(z)), run.read_config().grid)
    np.testing.assert_allclose(build_decode(run)(z), expected, rtol=1e-5)


def test_examples_are_test_spectra_and_their_reconstructions(
    run: Run, records: Path
) -> None:
    examples = reconstruct_examples(run, read_manifest(records), 3)
    latents = encode_records(run, records)
    rows = latents[latents["split"] == "test"][:3]
    assert [name.split("(")[1][:-1] for name in examples.names] == list(rows["dp_id"])
    decoded = build_decode(run)(np.asarray(rows["z_mean"]))
    np.testing.assert_allclose(examples.reconstruction, decoded, rtol=1e-4)
    np.testing.assert_allclose(np.nanmedian(examples.flux, axis=1), 1.0, rtol=1e-6)
