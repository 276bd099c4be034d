"""Which commit of the sources is at work."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def find_commit() -> str:
    """
    Find the commit that this stellar-tf was installed from, or runs from.

    Returns
    -------
    commit : str
        40 digits, with ``-dirty`` behind them if files have been changed since; empty
        where it is not known, such as for a wheel.
    """
    sources = Path(__file__).resolve().parents[2]
    if (sources / ".git").exists():
        return _ask_git(sources)
    try:
        text = distribution("stellar-tf").read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    origin = json.loads(text or "{}")
    return str(origin.get("vcs_info", {}).get("commit_id", ""))


def _ask_git(sources: Path) -> str:
    command = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    try:
        done = subprocess.run(
            command, cwd=sources, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or not its owner
        return ""
    return done.stdout.strip()
