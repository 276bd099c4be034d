"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real/, labels/ and so on; skips the test where there is none."""
    folder = Path(os.environ.get("STELLAR_TF_REAL_DATA", _DEFAULT))
    if not (folder / "real").is_dir():
        pytest.skip(f"no real data in {folder} (set STELLAR_TF_REAL_DATA)")
    return folder
