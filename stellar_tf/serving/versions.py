"""The numbered versions in the folder of a model."""

from __future__ import annotations

from pathlib import Path

from stellar_tf.serving.errors import ServingError

_SAVED_MODEL = "saved_model.pb"


def choose_versions(folder: Path, numbers: list[int]) -> dict[int, Path]:
    """
    Find the versions to serve.

    Parameters
    ----------
    folder : Path
        MODELS/NAME, in which every version is a folder named by its number.
    numbers : list of int
        The versions wanted; none for the highest.

    Returns
    -------
    versions : dict of int to Path
        Their folders by number, in ascending order.

    Raises
    ------
    ServingError
        If the folder is not that of a model, or has not all versions wanted.
    """
    found = _find_versions(folder)
    if not found:
        if (folder / _SAVED_MODEL).is_file():
            raise ServingError(
                f"{folder}: is one version; name the folder of the model, "
                f"{folder.parent}, and the version {folder.name}"
            )
        raise ServingError(
            f"{folder}: holds no model (no 1/{_SAVED_MODEL}); stellar-tf export "
            f"writes one"
        )
    for number in numbers:
        if number not in found:
            listed = ", ".join(map(str, found))
            raise ServingError(f"{folder}: has no version {number}, only {listed}")
    return {number: found[number] for number in sorted(numbers or [max(found)])}


def _find_versions(folder: Path) -> dict[int, Path]:
    versions = {
        int(path.name): path
        for path in folder.iterdir()
        if path.name.isdecimal() and (path / _SAVED_MODEL).is_file()
    }
    return dict(sorted(versions.items()))
