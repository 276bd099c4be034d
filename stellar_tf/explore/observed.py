"""The observed flux of the survey's spectra, read from the records one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stellar_tf.run import Run, open_records
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.split import SPLITS


class Observed:
    """
    Flux by identifier.

    Parameters
    ----------
    manifest : Manifest or None
        The data set; None if there is none, and then no flux either.

    Raises
    ------
    RecordError
        If the index of a shard is missing or does not fit the manifest.
    """

    def __init__(self, manifest: Manifest | None) -> None:
        self._locations: dict[str, tuple[RecordTable, int]] = {}
        if manifest is None:
            return
        for split in SPLITS:
            table = RecordTable(manifest, split)
            for number in range(len(table)):
                self._locations[table.locate(number).dp_id] = (table, number)

    def __bool__(self) -> bool:
        """Tell whether there is any flux."""
        return bool(self._locations)

    def read(self, dp_id: str) -> NDArray[np.float32] | None:
        """
        Read a flux.

        Parameters
        ----------
        dp_id : str
            Identifier of the data product.

        Returns
        -------
        flux : ndarray of float32, shape (n_pixels,), or None
            Not normalised, NaN at bad pixels; None if the records do not have it.

        Raises
        ------
        RecordError
            If the record is corrupt or cannot be read.
        """
        if dp_id not in self._locations:
            return None
        table, number = self._locations[dp_id]
        return table.read(number, names=())[0]


def open_observed(run: Run, records: Path | None) -> Observed:
    """
    Open the records of a run.

    Parameters
    ----------
    run : Run
        The run.
    records : Path or None
        Folder that `stellar-tf convert` wrote; None: the one the run was fitted to, if
        it is still there.

    Returns
    -------
    observed : Observed
        Without any flux if the run's own records are gone.

    Raises
    ------
    GridError
        If the records stand on another grid than the run's.
    ManifestError
        If the folder that was named is no data set.
    """
    folder = records or Path(run.read_records()["folder"])
    if records is None and not folder.is_dir():
        return Observed(None)
    return Observed(open_records(run, folder))
