"""Runs the commands of the pages, one after the other, in the current folder."""

from __future__ import annotations

import ast
import asyncio
import configparser
import inspect
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

PORTS = {
    "serve": {"--port": "8501", "--grpc-port": "8500"},
    "explore": {"--port": "5006"},
}
"""Options and ports, as documented, of the commands that do not end by themselves."""


class Runner:
    """What a reader who follows the pages has done so far."""

    def __init__(
        self, replaced: dict[str, str], names: dict[str, dict[str, object]]
    ) -> None:
        # The ports may be taken here.
        ports = [port for options in PORTS.values() for port in options.values()]
        self.replaced = {**replaced, **{port: free_port() for port in ports}}
        self._done: set[str] = set()
        self._servers: dict[str, tuple[set[str], subprocess.Popen[str]]] = {}
        self._made: dict[Path, str] = {}
        self._names = names

    def run(self, code: Code) -> None:
        """Run a command, a program, or write settings, unless it was done before."""
        if code.text in self._done:
            return
        self._done.add(code.text)
        text = code.text
        for documented, here in self.replaced.items():
            text = text.replace(documented, here)
        code = code._replace(text=text)
        if code.language == "python":
            run_python(code, self._names.setdefault(code.page, {}))
        elif code.language == "yaml":
            write_settings(code)
        else:
            self._run_shell(code)

    def stop(self) -> None:
        """End the servers."""
        while self._servers:
            _, (_, server) = self._servers.popitem()
            server.terminate()
            server.communicate()

    def _run_shell(self, code: Code) -> None:
        parts = shlex.split(code.text, comments=True)
        program, *words = map(os.path.expanduser, parts)
        if program == "stellar-tf":
            self._run_ours(code, words)
        elif program in ("curl", "python", "saved_model_cli"):
            run_in_shell(code.text)
        elif program == "pip":
            check_extras(code)
        elif program == "make":
            dry = ["make", "-C", str(ROOT), "--dry-run", *words]
            subprocess.run(dry, check=True, capture_output=True)
        else:
            raise AssertionError(f"{code}: not known here: run it or list it")

    def _run_ours(self, code: Code, words: list[str]) -> None:
        if words[0] in PORTS:
            self._serve(code, words)
            return
        for path in outputs(words):
            # What an earlier page made stands in the way of this one's reader.
            if self._made.setdefault(path, code.page) != code.page:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                self._made[path] = code.page
        assert status_of(words) == 0, code

    def _serve(self, code: Code, words: list[str]) -> None:
        words = [word for word in words if word != "&"]
        for option, port in PORTS[words[0]].items():
            if option not in words:
                words += [option, self.replaced[port]]
        if words[0] in self._servers:
            asked, server = self._servers[words[0]]
            if asked == set(words):
                return
            self.stop()
        start = "from stellar_tf.cli.main import run; run()"
        server = subprocess.Popen(
            [sys.executable, "-c", start, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._servers[words[0]] = set(words), server
        assert server.stdout
        # They name their address when they are ready.
        assert "http" in server.stdout.readline(), code


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


def run_python(code: Code, names: dict[str, object]) -> None:
    """Run a program that may await outside functions, as in a notebook."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    program = compile(code.text, f"{code.page}:{code.line}", "exec", flags)
    awaited = eval(program, names)
    if inspect.iscoroutine(awaited):
        asyncio.run(awaited)


def run_in_shell(text: str) -> None:
    scripts = Path(sys.executable).parent
    subprocess.run(
        # An answer that is an error must be one here, too.
        ["bash", "-o", "pipefail", "-c", text.replace("curl ", "curl --fail -sS ")],
        env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"},
        check=True,
        timeout=300,
    )


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
