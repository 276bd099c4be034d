"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL_DATA = Path(
    os.environ.get(
        "STELLAR_TF_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"
    )
)
"""Spectra of real stars, which the project does not ship."""


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real/, labels/ and so on; skips the test where there is none."""
    if not (REAL_DATA / "real").is_dir():
        pytest.skip(f"no real data in {REAL_DATA} (set STELLAR_TF_REAL_DATA)")
    return REAL_DATA


@pytest.fixture(scope="session")
def cases(real_data: Path) -> Path:
    """Folder of small files that were once read wrongly, a folder a kind of fault."""
    folder = real_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"no cases in {folder}")
    return folder
