"""Settings as YAML: those that come with the package, and the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib.resources import files
from operator import eq
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from stellar_tf.config.sections import Config
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.durable import write_whole
from tfrecords_tools.errors import UserError


class ConfigError(UserError):
    """A setting is unknown, of the wrong type or out of range."""


_SHOWN = 60
"""Characters of a wrong value that a message shows."""
SHIPPED = Path(str(files("stellar_tf").joinpath("configs")))
"""Folder of the settings that come with the package."""


def load_config(
    source: Config | Path | str | None,
    settings: Mapping[str, Any] | Iterable[str] = (),
) -> Config:
    """
    Read settings and change some of them.

    Parameters
    ----------
    source : Config, Path, str or None
        Settings, a YAML file, or the bare name of one that comes with the package;
        None takes the default of every key.
    settings : mapping of str or iterable of str
        Changes: dotted keys and their values, such as ``{"training.batch_size": 8}``,
        or both in one string with the value in YAML, ``"training.batch_size=8"``.

    Returns
    -------
    config : Config
        The validated settings.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not a YAML mapping, or a key is unknown or
        its value invalid; the message names the file and the key.

    Examples
    --------
    >>> config = st.load_config("demo", {"training.batch_size": 8})
    >>> config.training.batch_size, config.grid.n_pixels
    (8, 8192)
    """
    tree: dict[str, Any] = {}
    if isinstance(source, Config):
        tree = source.model_dump(exclude_unset=True)
    elif source is not None:
        tree = _read_mapping(_find(source))
    if isinstance(settings, Mapping):
        changes = list(settings.items())
    else:
        changes = [_parse_assignment(text) for text in settings]
    for key, value in changes:
        _assign(tree, key, value)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        keys = [key for key, _ in changes]
        is_change = isinstance(source, Config | None) or _comes_from(error, keys)
        name = "settings" if is_change else source
        raise ConfigError(f"{name}: {describe_error(error)}") from None


LABEL_SETTINGS = tuple(
    f"convert.{name}"
    for name in ("aliases", "label_key", "match_radius", "missing_values")
)
"""Settings that decide how tables of labels are read and looked up."""


def load_label_config(
    source: Config | Path | str | None,
    settings: Mapping[str, Any] | Iterable[str] = (),
) -> ConvertConfig:
    """
    Read how tables of labels are read and looked up.

    Parameters
    ----------
    source : Config, Path, str or None
        As of `load_config`.
    settings : mapping of str or iterable of str
        Changes, as of `load_config`, to `LABEL_SETTINGS` alone.

    Returns
    -------
    config : ConvertConfig
        The validated settings.

    Raises
    ------
    ConfigError
        If another setting is to be changed, or a value is invalid.
    """
    settings = settings if isinstance(settings, Mapping) else list(settings)
    for key in (text.partition("=")[0] for text in settings):
        if key not in LABEL_SETTINGS:
            listed = ", ".join(LABEL_SETTINGS)
            raise ConfigError(
                f"settings: {key}: may not be changed here, only {listed}"
            )
    return load_config(source, settings).convert


def write_config(config: Config, path: Path) -> None:
    """Write the settings as YAML that `load_config` reads back unchanged."""
    tree = config.model_dump(mode="json")
    write_whole(path, yaml.safe_dump(tree, sort_keys=False))


def _comes_from(error: ValidationError, keys: Iterable[str]) -> bool:
    """Tell whether the first mistake is in one of these keys, or around it."""
    wrong = error.errors(include_url=False)[0]["loc"]
    parts = (key.split(".") for key in keys)
    return any(all(map(eq, map(str, wrong), key)) for key in parts)


def _find(source: Path | str) -> Path:
    path = Path(source)
    shipped = SHIPPED / f"{source}.yaml"
    # A folder may well have the name of a shipped file: demo, for one.
    if path.is_file() or not (shipped.is_file() or is_bare_name(source)):
        return path
    if shipped.is_file():
        return shipped
    names = sorted(file.stem for file in SHIPPED.glob("*.yaml"))
    raise ConfigError(
        f"{source}: no such file, and those that come with stellar-tf are "
        f"{', '.join(names)}{suggest(str(source), names)}"
    )


def is_bare_name(source: Path | str) -> bool:
    """Tell a name such as ``demo`` from the path of a file that is not there."""
    path = Path(source)
    return path.name == str(source) and not path.suffix and not path.exists()


def suggest(wrong: str, names: Iterable[str]) -> str:
    """
    Guess what was meant.

    Parameters
    ----------
    wrong : str
        What was written.
    names : iterable of str
        What may be written.

    Returns
    -------
    question : str
        To put behind a message, or ``""``.

    Examples
    --------
    >>> from stellar_tf.config.files import suggest
    >>> suggest("batchsize", ["batch_size", "seed"])
    '; did you mean batch_size?'
    """
    near = get_close_matches(wrong, list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would take the last."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} is there twice", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deep") from None
    # Numbers of thousands of digits and the 99th of a month are plain ValueErrors.
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: is not valid YAML ({reason})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must hold a mapping of sections")
    return tree


def _parse_assignment(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"settings must be given as key=value, got {text!r}")
    try:
        return key, yaml.load(value, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        shown = repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
        raise ConfigError(f"settings: {key}: {shown} is not a YAML value") from None


def _assign(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"settings: {key}: {section} is not a section")
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
        return f"unknown key {key}{suggest(key, _list_keys(Config))}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}"


def _list_keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """List the dotted keys of the settings, sections too."""
    for name, field in section.model_fields.items():
        yield prefix + name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _list_keys(kind, f"{prefix}{name}.")
