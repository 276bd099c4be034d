"""Runs the commands of the pages, one after the other, in the current folder."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from stellar_tf.cli.main import build_parser, run_command
from stellar_tf.config import load_config
from tests.docs.pages import ROOT, Code

SERVERS = ("serve", "explore")
"""Commands that do not end by themselves; they say so on stdout when they are ready."""


class Runner:
    """What a reader who follows the pages has done so far."""

    def __init__(self, replaced: dict[str, str]) -> None:
        self.replaced = {**replaced, **{port: free_port() for port in PORTS}}
        self._done: set[str] = set()
        self._servers: list[subprocess.Popen[str]] = []
        self._made: dict[Path, str] = {}
        self._names: dict[str, dict[str, object]] = {}

    def run(self, code: Code) -> None:
        """Run a command, a program, or write settings, unless it was done before."""
        if code.text in self._done:
            return
        self._done.add(code.text)
        if code.language == "python":
            names = self._names.setdefault(code.page, {})
            exec(compile(code.text, f"{code.page}:{code.line}", "exec"), names)
        elif code.language == "yaml":
            write_settings(code)
        else:
            self._run_shell(code)

    def stop(self) -> None:
        """End the servers."""
        for server in self._servers:
            server.terminate()
            server.communicate()

    def _run_shell(self, code: Code) -> None:
        text = code.text
        for documented, here in self.replaced.items():
            text = text.replace(documented, here)
        program, *words = map(os.path.expanduser, shlex.split(text, comments=True))
        if program == "stellar-tf":
            self._run_ours(code, words)
        elif program == "curl":
            subprocess.run([program, "--silent", *words], check=True, timeout=60)
        elif program == "pip":
            check_extras(code)
        elif program == "make":
            dry = ["make", "-C", str(ROOT), "--dry-run", *words]
            subprocess.run(dry, check=True, capture_output=True)
        else:
            raise AssertionError(f"{code}: not known here: run it or list it")

    def _run_ours(self, code: Code, words: list[str]) -> None:
        if words[0] in SERVERS:
            self._serve(code, words)
            return
        for path in outputs(words):
            # What an earlier page made stands in the way of this one's reader.
            if self._made.setdefault(path, code.page) != code.page:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                self._made[path] = code.page
        assert status_of(words) == 0, code

    def _serve(self, code: Code, words: list[str]) -> None:
        start = "from stellar_tf.cli.main import run; run()"
        server = subprocess.Popen(
            [sys.executable, "-c", start, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._servers.append(server)
        assert server.stdout
        assert "http" in server.stdout.readline(), code


PORTS = ("8501", "8500", "5006")
"""Of the servers on the pages; here they may be taken."""


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def status_of(words: list[str]) -> int | str | None:
    try:
        return run_command(words)
    except SystemExit as stopped:  # --version, or a mistake
        return stopped.code


def outputs(words: list[str]) -> list[Path]:
    """What a command refuses to replace."""
    if "--overwrite" in words or words[0] == "export":
        return []
    if words[0] == "analyze":
        return [Path(words[1]) / "analysis"]
    return [Path(words[words.index("--out") + 1])] if "--out" in words else []


def write_settings(code: Code) -> None:
    """Settings are valid, and written to the file that their first line names."""
    named = re.match(r"# (\S+\.yaml)\n", code.text)
    if named:
        path = Path(named[1])
        path.write_text(code.text, encoding="utf-8")
        load_config(path)
    else:
        tree = yaml.safe_load(code.text)
        assert "apiVersion" in tree, f"{code}: name its file in a comment on top"


def check_extras(code: Code) -> None:
    """Extras of ``pip install`` are those of setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for extras in re.findall(r"\[([\w,]+)\]", code.text):
        for extra in extras.split(","):
            assert setup.has_option("options.extras_require", extra), code


def options() -> dict[str, set[str]]:
    """Options of each command."""
    (action,) = (a for a in build_parser()._actions if a.dest == "command")
    return {
        name: {option for a in parser._actions for option in a.option_strings}
        for name, parser in dict(action.choices or {}).items()
    }
