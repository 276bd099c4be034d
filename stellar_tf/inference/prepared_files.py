"""FITS files on the way to an encoder: read ahead, in batches, and back as a table."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from stellar_tf.flags import add_spikes
from stellar_tf.inference.latents import Columns, Latents, build_latents
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import PreparedSpectrum, prepare_spectrum
from tfrecords_tools.grid import Grid
from tfrecords_tools.progress import show_progress
from tfrecords_tools.readers import scan_file
from tfrecords_tools.spectrum import Metadata, SpectrumError
from tfrecords_tools.star import star_of


class Batch(NamedTuple):
    """Some spectra on the grid, as their records would store them."""

    flux: NDArray[np.float32]
    """Shape (batch, n_pixels), NaN at bad pixels [flux_unit of the metadata]."""
    median_flux: NDArray[np.float32]
    """Shape (batch,): over the valid pixels, in the unit of the flux."""
    metadata: list[Metadata]
    n_spikes: NDArray[np.int32]
    """Shape (batch,): pixels masked for being far from all others."""


def encode_prepared(
    paths: Sequence[Path],
    grid: Grid,
    config: ConvertConfig,
    batch_size: int,
    encode: Callable[[Batch], Columns],
    progress: bool = True,
) -> Latents:
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
        From a batch to the outputs of the encoder, by name.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    latents : Latents
        In the order of the files, with what was rejected.

    Notes
    -----
    Files are read in threads while the encoder works: reading, checksums and numpy
    leave Python's lock alone most of the time.
    """
    rejects: list[tuple[Path, str]] = []
    columns: dict[str, list[NDArray[np.generic]]] = {}
    with show_progress("encoding", len(paths), progress) as advance:
        for batch in _read_batches(paths, grid, config, batch_size, rejects):
            table = _tabulate(batch.metadata, config)
            outputs = dict(encode(batch))
            outputs["flags"] = add_spikes(outputs["flags"], batch.n_spikes)
            for name, values in {**table, **outputs}.items():
                columns.setdefault(name, []).append(np.asarray(values))
            advance(len(batch.flux))
    return build_latents(columns, rejects)


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
        np.array([spectrum.n_spikes for spectrum in spectra], np.int32),
    )


def _tabulate(
    metadata: list[Metadata], config: ConvertConfig
) -> dict[str, NDArray[np.generic]]:
    rows = [asdict(row) for row in metadata]
    table = {
        field.name: np.array([row[field.name] for row in rows])
        for field in fields(Metadata)
    }
    stars = [star_of(row.target, row.dp_id, config.aliases) for row in metadata]
    return {**table, "star": np.array(stars), "split": np.full(len(rows), "")}
