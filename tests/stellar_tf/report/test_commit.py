"""Tests of the commit that a report names."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from stellar_tf.report import commit
from stellar_tf.report.commit import find_commit


class Installed:
    """A distribution that was installed from a repository, or was not."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.text


def test_of_sources_it_is_what_git_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "stellar_tf" / "report" / "commit.py"
    module.parent.mkdir(parents=True)
    module.touch()
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "First")):
        subprocess.run((*git, *words), cwd=tmp_path, check=True)
    head = subprocess.check_output(
        ("git", "rev-parse", "HEAD"), cwd=tmp_path, text=True
    ).strip()
    monkeypatch.setattr(commit, "__file__", str(module))
    assert find_commit() == head
    module.write_text("changed")
    assert find_commit() == f"{head}-dirty"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"url": "x", "vcs_info": {"commit_id": "ab" * 20}}), "ab" * 20),
        (json.dumps({"url": "x", "dir_info": {}}), ""),
        (None, ""),
    ],
)
def test_of_an_installation_it_is_what_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, expected: str
) -> None:
    monkeypatch.setattr(commit, "__file__", str(tmp_path / "a" / "b" / "commit.py"))
    monkeypatch.setattr(commit, "distribution", lambda name: Installed(text))
    assert find_commit() == expected


def test_away_from_any_installation_it_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> Installed:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(commit, "__file__", str(tmp_path / "a" / "b" / "commit.py"))
    monkeypatch.setattr(commit, "distribution", find)
    assert find_commit() == ""
