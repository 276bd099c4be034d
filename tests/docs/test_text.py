"""Commands, options and settings in running text are what the program has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from stellar_tf.cli.main import parse_arguments
from stellar_tf.config import Config, load_config
from tests.docs.pages import Code, list_inline, list_pages
from tests.docs.running import options

TEXT = [code for page in list_pages() for code in list_inline(page)]
NUMBERS = {"N": "1", "X": "1.0"}
"""Placeholders of numbers; all others are of files and folders."""
OPTIONS_OF_BEAM = {"--runner", "--environment_type"}


def synopsis_words(text: str) -> list[str]:
    """One command of a synopsis: with all that is optional, and the first choice."""
    text = re.sub(r"\[((?:-|[A-Z])[^][]*)\]", r"\1", text).replace("...", " ")
    words = [word.split("|")[0].removeprefix("~/") for word in shlex.split(text)]
    return [NUMBERS.get(word, word) for word in words]


@pytest.mark.parametrize(
    ("synopsis", "words"),
    [
        ("fit RUN [--strategy a|b]", ["fit", "RUN", "--strategy", "a"]),
        ("compare RUN RUN [RUN ...]", ["compare", "RUN", "RUN", "RUN"]),
        ("convert INPUT... [-- OPTIONS]", ["convert", "INPUT", "--", "OPTIONS"]),
        (
            "fit --devices N --set 'a=[b, C]'",
            ["fit", "--devices", "1", "--set", "a=[b, C]"],
        ),
    ],
)
def test_synopsis(synopsis: str, words: list[str]) -> None:
    assert synopsis_words(synopsis) == words


OURS = [code for code in TEXT if re.match(r"stellar-tf (?!\[)", code.text)]


@pytest.mark.parametrize("code", OURS, ids=str)
def test_commands_are_parsed(
    code: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, *words = synopsis_words(code.text)
    if len(words) == 1:  # it is only named
        assert words[0] in options() or words[0] in ("--help", "--version")
        return
    for word in words[1:]:
        if not word.startswith("-"):
            path = Path(word)
            folder = path.parent if path.suffix else path
            folder.mkdir(parents=True, exist_ok=True)
            if path.suffix:
                path.touch()
    args = parse_arguments(words)
    assert args.command == words[0]
    check_settings(getattr(args, "assignments", []))


def check_settings(assignments: list[str]) -> None:
    real = [assignment for assignment in assignments if assignment != "key=value"]
    load_config("default", real)


def test_options_exist() -> None:
    known = {option for command in options().values() for option in command}
    for code in TEXT:
        if re.match("--[a-z]", code.text):
            option, *_ = re.split(r"[ =]", code.text)
            assert option in known | OPTIONS_OF_BEAM, code
            if option == "--set" and "=" in code.text:
                check_settings([w for w in shlex.split(code.text) if w != "--set"])


def test_settings_exist() -> None:
    """``training.batch_size`` and the like."""
    pattern = rf"((?:{'|'.join(Config.model_fields)})(?:\.\w+)+)(?:$|[=:])"
    keys = [(code, re.match(pattern, code.text)) for code in TEXT]
    found = [(code, key[1]) for code, key in keys if key]
    assert len(found) > 10
    for code, key in found:
        if key not in NAMES_OF_FILES:
            value: object = Config()
            for name in key.split("."):
                assert hasattr(value, name), code
                value = getattr(value, name)


NAMES_OF_FILES = {"model.keras"}
