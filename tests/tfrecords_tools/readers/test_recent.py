from __future__ import annotations

import os
from pathlib import Path

from tfrecords_tools.readers.recent import Recent, version_of


def test_the_oldest_values_are_forgotten_first() -> None:
    recent: Recent[str] = Recent(2)
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name.upper()

    for name in ("a", "b", "a", "c", "b", "a"):
        assert recent.get(name, lambda name=name: make(name)) == name.upper()
    assert made == ["a", "b", "c", "a"]
    assert recent.find("a") == "A"
    assert recent.find("b") is None


def test_a_changed_file_has_another_version(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    first = version_of(path)
    assert version_of(path) == first
    path.write_text("three")
    assert version_of(path) != first
    second = version_of(path)
    os.utime(path, ns=(0, 0))
    assert version_of(path) != second
