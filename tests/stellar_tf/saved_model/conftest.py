"""The signatures of a small run, not yet written."""

from __future__ import annotations

import pytest

from stellar_tf.run import Run
from stellar_tf.saved_model.signatures import Signatures


@pytest.fixture(scope="session")
def signatures(run: Run) -> Signatures:
    return Signatures(run.load_model(), run.read_config())
