from __future__ import annotations

from pathlib import Path

import pytest

from stellar_tf.serving.errors import ServingError
from stellar_tf.serving.versions import choose_versions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1", "2", "10", "part-11", "x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "12").mkdir()  # being copied
    return tmp_path


def test_the_highest_is_chosen(folder: Path) -> None:
    assert choose_versions(folder, []) == {10: folder / "10"}


def test_or_those_that_are_named(folder: Path) -> None:
    assert list(choose_versions(folder, [2])) == [2]
    assert list(choose_versions(folder, [10, 1, 10])) == [1, 10]


@pytest.mark.parametrize(
    ("path", "numbers", "reason"),
    [
        ("", [3], "has no version 3, only 1, 2, 10"),
        ("1", [], "is one version; name the folder of the model, .* the version 1"),
        ("12", [], "holds no model"),
    ],
)
def test_what_is_not_there(
    path: str, numbers: list[int], reason: str, folder: Path
) -> None:
    with pytest.raises(ServingError, match=reason):
        choose_versions(folder / path, numbers)
