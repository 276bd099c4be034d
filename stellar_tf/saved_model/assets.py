"""Files beside the graph that say what its numbers mean."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from stellar_tf.analysis.dimensions import Dimension
from stellar_tf.analysis.labels.units import UnitMap, name_label
from stellar_tf.config import Config
from stellar_tf.flags import MEANINGS
from tfrecords_tools.errors import UserError

EXTRA = Path("assets.extra")
"""Inside a version folder: what is not TensorFlow's."""
GRID_FILE = EXTRA / "grid.json"
"""Inside a version folder: the wavelengths its inputs stand on."""
CONVERT_FILE = EXTRA / "convert.json"
"""Inside a version folder: how files are brought there."""
FLAGS_FILE = EXTRA / "flags.json"
"""Inside a version folder: what each bit of ``flags`` means."""
DIMENSIONS_FILE = EXTRA / "dimensions.json"
"""Inside a version folder: what each latent dimension means."""


class ModelError(UserError):
    """A folder holds no trained model; the message names it."""


def write_assets(
    config: Config,
    dimensions: Sequence[Dimension],
    unit_maps: Mapping[int, UnitMap],
    folder: Path,
) -> None:
    """
    Write the grid, its files' way there, flags and meaning of dimensions as JSON.

    Parameters
    ----------
    config : Config
        Settings of the run.
    dimensions : sequence of Dimension
        What the verdict says; empty if the run has not been analysed.
    unit_maps : mapping of int to UnitMap
        What values of dimensions mean in the units of labels, by dimension.
    folder : Path
        The version's folder.
    """
    described = {dimension.index: dimension for dimension in dimensions}
    _write(folder / GRID_FILE, config.grid.model_dump())
    _write(folder / CONVERT_FILE, config.convert.model_dump(mode="json"))
    _write(
        folder / FLAGS_FILE,
        [
            {"bit": flag.value, "name": str(flag.name), "meaning": meaning}
            for flag, meaning in MEANINGS.items()
        ],
    )
    _write(
        folder / DIMENSIONS_FILE,
        [
            {
                **_describe(index, described.get(index)),
                "unit_map": _list_map(unit_maps.get(index)),
            }
            for index in range(config.model.n_latent)
        ],
    )


def find_version(folder: Path) -> Path:
    """
    Find an exported model.

    Parameters
    ----------
    folder : Path
        MODELS/NAME, whose newest version is taken, or a version.

    Returns
    -------
    version : Path
        The version's folder.

    Raises
    ------
    ModelError
        If there is none.
    """
    if (folder / "saved_model.pb").is_file():
        return folder
    versions = [path.parent for path in folder.glob("*/saved_model.pb")]
    numbered = [path for path in versions if path.name.isdecimal()]
    if not numbered:
        raise ModelError(
            f"{folder}: is neither a run folder nor an exported model (MODELS/NAME)"
        )
    return max(numbered, key=lambda path: int(path.name))


def read_settings(version: Path) -> dict[str, dict[str, Any]]:
    """
    Read what a client needs to prepare spectra for an exported model.

    Parameters
    ----------
    version : Path
        Folder of one version.

    Returns
    -------
    settings : dict
        ``grid`` and ``convert``, as in the run's settings; what is not there is left
        out.
    """
    paths = {"grid": version / GRID_FILE, "convert": version / CONVERT_FILE}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.is_file()
    }


def read_informative(version: Path) -> list[dict[str, Any]]:
    """
    Read what the informative dimensions of an exported model mean.

    Parameters
    ----------
    version : Path
        Folder of one version.

    Returns
    -------
    dimensions : list of dict
        As in `DIMENSIONS_FILE`; empty if the run had not been analysed.
    """
    path = version / DIMENSIONS_FILE
    if not path.is_file():
        return []
    dimensions: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [dimension for dimension in dimensions if dimension["informative"]]


def read_version_maps(version: Path) -> list[UnitMap]:
    """
    Read what values of dimensions mean in the units of labels.

    Parameters
    ----------
    version : Path
        Folder of one version.

    Returns
    -------
    maps : list of UnitMap
        To the six digits of `DIMENSIONS_FILE`; empty if there are none.
    """
    path = version / DIMENSIONS_FILE
    if not path.is_file():
        return []
    maps = []
    for dimension in json.loads(path.read_text(encoding="utf-8")):
        found = dimension["unit_map"]
        if found is None:
            continue
        error, width = (
            math.nan if found[name] is None else found[name]
            for name in ("error", "width")
        )
        z, value = np.array(found["z"]), np.array(found["value"])
        n_held_out = found["n_held_out"]
        label, index = found["label"], dimension["index"]
        maps.append(UnitMap(index, label, z, value, error, n_held_out, width))
    return maps


def _describe(index: int, dimension: Dimension | None) -> dict[str, Any]:
    if dimension is None:
        nothing = dict.fromkeys(field.name for field in fields(Dimension))
        return {"name": f"z{index}", "title": None, **nothing, "index": index}
    known = {key: _plain(value) for key, value in asdict(dimension).items()}
    return {"name": dimension.name, "title": dimension.title, **known}


def _list_map(found: UnitMap | None) -> dict[str, Any] | None:
    if found is None:
        return None
    name, unit = name_label(found.label)
    return {
        "label": found.label,
        "name": name,
        "unit": unit,
        "z": [float(f"{z:.6g}") for z in found.z],
        "value": [float(f"{value:.6g}") for value in found.value],
        "error": _plain(found.error),
        "n_held_out": found.n_held_out,
        "width": _plain(found.width),
    }


def _plain(value: Any) -> Any:
    """Turn what JSON has no word for into null."""
    unknown = value == "" or (isinstance(value, float) and not math.isfinite(value))
    return None if unknown else value


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
