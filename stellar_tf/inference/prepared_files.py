"""FITS files on the way to an encoder: read ahead, in batches, and back as a table."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import PreparedSpectrum, prepare_spectrum
from tfrecords_tools.grid import Grid
from tfrecords_tools.readers import scan_file
from tfrecords_tools.spectrum import Metadata, SpectrumError
from tfrecords_tools.star import star_name

Columns = Mapping[str, NDArray[np.generic]]
"""Values by name, as many in each as there are spectra."""


class EncodedFiles(NamedTuple):
    """Latents of FITS files, and the files that have none."""

    latents: Table
    """As of `stellar_tf.inference.encoding.encode_records`, with an empty ``split``."""
    rejects: list[tuple[Path, str]]
    """File and reason; of a file of several spectra the reason names which."""


class Batch(NamedTuple):
    """Some spectra on the grid, as their records would store them."""

    flux: NDArray[np.float32]
    """Shape (batch, n_pixels), NaN at bad pixels [flux_unit of the metadata]."""
    median_flux: NDArray[np.float32]
    """Shape (batch,): over the valid pixels, in the unit of the flux."""
    metadata: list[Metadata]


def encode_prepared(
    paths: Sequence[Path],
    grid: Grid,
    config: ConvertConfig,
    batch_size: int,
    encode: Callable[[Batch], Columns],
) -> EncodedFiles:
    """
    Encode the spectra of files with any encoder.

    Parameters
    ----------
    paths : sequence of Path
        Files of any form that `stellar-tf convert` reads.
    grid : Grid
        The encoder's wavelengths.
    config : ConvertConfig
        How files are prepared for it.
    batch_size : int
        Spectra encoded at a time.
    encode : callable
        From a batch to ``z_mean``, ``z_log_var`` and ``median_flux``.

    Returns
    -------
    encoded : EncodedFiles
        Latents, in the order of the files, and what was rejected.

    Notes
    -----
    Files are read in threads while the encoder works: reading, checksums and numpy
    leave Python's lock alone most of the time.
    """
    rejects: list[tuple[Path, str]] = []
    columns: dict[str, list[NDArray[np.generic]]] = {}
    for batch in _read_batches(paths, grid, config, batch_size, rejects):
        table = _tabulate(batch.metadata, config)
        for name, values in {**table, **encode(batch)}.items():
            columns.setdefault(name, []).append(np.asarray(values))
    if not columns:
        return EncodedFiles(Table(), rejects)
    latents = build_latents({n: np.concatenate(v) for n, v in columns.items()})
    return EncodedFiles(latents, rejects)


def build_latents(columns: Columns) -> Table:
    """
    Make the table of latents, its leading columns in their order.

    Parameters
    ----------
    columns : mapping of str to ndarray
        With ``dp_id``, ``target``, ``star``, ``split``, ``z_mean`` and ``z_log_var``.

    Returns
    -------
    latents : Table
        Those first, then the others as they come.
    """
    first = ("dp_id", "target", "star", "split", "z_mean", "z_log_var")
    names = [*first, *(name for name in columns if name not in first)]
    table = Table()
    for name in names:
        values = columns[name]
        if values.dtype.kind == "O":  # TensorFlow's strings
            values = np.array([value.decode("utf-8") for value in values])
        table[name] = values
    return table


def _read_batches(
    paths: Sequence[Path],
    grid: Grid,
    config: ConvertConfig,
    batch_size: int,
    rejects: list[tuple[Path, str]],
) -> Iterator[Batch]:
    spectra: list[PreparedSpectrum] = []
    with warnings.catch_warnings():
        # The readers do so for a moment at a time, which threads undo for each other.
        warnings.simplefilter("ignore", AstropyWarning)
        sources = _list_sources(paths, rejects)
        for source, reading in _read_ahead(sources, grid, config, 2 * batch_size):
            try:
                spectra.append(reading.result())
            except SpectrumError as error:
                which = f"{source.dp_id}: " if source.is_one_of_many else ""
                rejects.append((source.path, f"{which}{error}"))
                continue
            if len(spectra) == batch_size:
                yield _stack(spectra)
                spectra = []
    if spectra:
        yield _stack(spectra)


class _Source(NamedTuple):
    """A spectrum in a file."""

    path: Path
    number: int
    dp_id: str
    is_one_of_many: bool


def _list_sources(
    paths: Sequence[Path], rejects: list[tuple[Path, str]]
) -> Iterator[_Source]:
    for path in paths:
        try:
            spectra = scan_file(path)
        except SpectrumError as error:
            rejects.append((path, str(error)))
            continue
        for number, identity in enumerate(spectra):
            yield _Source(path, number, identity.dp_id, len(spectra) > 1)


def _read_ahead(
    sources: Iterable[_Source], grid: Grid, config: ConvertConfig, n_ahead: int
) -> Iterator[tuple[_Source, Future[PreparedSpectrum]]]:
    """Read files in threads, no more than so many before they are asked for."""
    pending: deque[tuple[_Source, Future[PreparedSpectrum]]] = deque()
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    try:
        for source in sources:
            reading = pool.submit(
                prepare_spectrum, source.path, grid, config, source.number
            )
            pending.append((source, reading))
            if len(pending) > n_ahead:
                yield pending.popleft()
        yield from pending
    finally:
        pool.shutdown(cancel_futures=True)


def _stack(spectra: list[PreparedSpectrum]) -> Batch:
    return Batch(
        np.stack([spectrum.flux for spectrum in spectra]),
        np.array([spectrum.median_flux for spectrum in spectra], np.float32),
        [spectrum.metadata for spectrum in spectra],
    )


def _tabulate(
    metadata: list[Metadata], config: ConvertConfig
) -> dict[str, NDArray[np.generic]]:
    rows = [asdict(row) for row in metadata]
    table = {
        field.name: np.array([row[field.name] for row in rows])
        for field in fields(Metadata)
    }
    aliases = config.aliases
    stars = [star_name(row.target, aliases) or row.dp_id for row in metadata]
    return {**table, "star": np.array(stars), "split": np.full(len(rows), "")}
