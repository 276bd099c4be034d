"""Settings as YAML: those that come with the package, and the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stellar_tf.config.sections import Config
from tfrecords_tools.durable import write_whole
from tfrecords_tools.errors import UserError


class ConfigError(UserError):
    """A setting is unknown, of the wrong type or out of range."""


SHIPPED = Path(str(files("stellar_tf").joinpath("configs")))
"""Folder of the settings that come with the package."""


def load_config(source: Path | str | None, assignments: Iterable[str] = ()) -> Config:
    """
    Read a YAML file and apply ``key=value`` assignments to it.

    Parameters
    ----------
    source : Path or str or None
        YAML file, or the bare name of one that comes with the package; None takes
        the default of every key.
    assignments : iterable of str
        Dotted keys and YAML values, such as ``training.batch_size=8``.

    Returns
    -------
    config : Config
        The validated settings.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not a YAML mapping, or a key is unknown or
        its value invalid; the message names the file and the key.
    """
    tree: dict[str, Any] = {}
    if source is not None:
        tree = _read_mapping(_find(source))
    for assignment in assignments:
        _assign(tree, assignment)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{source or 'settings'}: {describe_error(error)}") from None


def write_config(config: Config, path: Path) -> None:
    """
    Write the settings as YAML that `load_config` reads back unchanged.

    Parameters
    ----------
    config : Config
        The settings.
    path : Path
        The file to write.
    """
    tree = config.model_dump(mode="json")
    write_whole(path, yaml.safe_dump(tree, sort_keys=False))


def _find(source: Path | str) -> Path:
    path = Path(source)
    shipped = SHIPPED / f"{source}.yaml"
    # A folder may well have the name of a shipped file: demo, for one.
    return shipped if not path.is_file() and shipped.is_file() else path


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: is not valid YAML ({reason})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must hold a mapping of sections")
    return tree


def _assign(tree: dict[str, Any], assignment: str) -> None:
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set must be given as key=value, got {assignment!r}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {key}: {text!r} is not a YAML value") from None
    *sections, name = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"--set {key}: {section} is not a section")
    tree[name] = value


def describe_error(error: ValidationError) -> str:
    """
    Put the first mistake into one line.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.

    Returns
    -------
    message : str
        The key and what is wrong with it.
    """
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "settings"
    if first["type"] == "extra_forbidden":
        return f"unknown key {key}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}"
