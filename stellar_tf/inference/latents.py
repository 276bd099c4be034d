"""What encoding gives, a posterior for each spectrum, and files on the way to it."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from stellar_tf.analysis.labels.estimates import estimate_labels
from stellar_tf.flags import add_spikes, explain_flags
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import PreparedSpectrum, prepare_spectrum
from tfrecords_tools.grid import Grid
from tfrecords_tools.progress import show_progress
from tfrecords_tools.readers import scan_file
from tfrecords_tools.spectrum import Metadata, SpectrumError
from tfrecords_tools.star import star_of

if TYPE_CHECKING:
    from stellar_tf.analysis.labels.joint_maps import JointMap
    from stellar_tf.analysis.labels.units import UnitMap

Columns = Mapping[str, NDArray[np.generic]]
"""Values by name, as many in each as there are spectra."""

OUTPUTS = ("z_mean", "z_log_var", "median_flux", "valid_fraction", "flags")
"""What the encoder says of each spectrum."""
_FIRST = ("dp_id", "target", "star", "split", *OUTPUTS)


@dataclass(frozen=True, eq=False)
class Latents:
    """Posteriors of spectra: normal, with a mean and a variance per dimension."""

    z_mean: NDArray[np.float32]
    """Means, shape (n, n_latent)."""
    z_log_var: NDArray[np.float32]
    """Natural logarithms of the variances, shape (n, n_latent)."""
    median_flux: NDArray[np.float32]
    """What each spectrum was divided by, shape (n,) [unit of the flux]; or 0."""
    valid_fraction: NDArray[np.float32]
    """Share of the grid's pixels that are valid, shape (n,)."""
    flags: NDArray[np.int32]
    """Bits of `stellar_tf.flags.Flag`, shape (n,); 0 is a good spectrum."""
    metadata: Table = field(default_factory=Table)
    """Identifiers, header values and labels, n rows; without columns for arrays."""
    rejects: tuple[tuple[Path, str], ...] = ()
    """Files that were not encoded, each with the reason."""
    unit_maps: tuple[UnitMap, ...] = ()
    """What values of dimensions mean in the units of labels, once it is known."""
    joint_maps: tuple[JointMap, ...] = ()
    """What those of all informative dimensions mean together."""
    width_scale: NDArray[np.floating] | None = None
    """What the deviations have been multiplied by, shape (n_latent,)."""

    def __len__(self) -> int:
        return len(self.z_mean)

    def __repr__(self) -> str:
        told = f"{len(self)} spectra, {self.z_mean.shape[1]} dimensions"
        told += f", {np.count_nonzero(self.flags)} flagged"
        if self.rejects:
            told += f", {len(self.rejects)} not taken"
        return f"<Latents: {told}>"

    @property
    def table(self) -> Table:
        """Everything as one table, a row a spectrum."""
        columns = {name: getattr(self, name) for name in OUTPUTS}
        for table in (self.estimates, self.metadata):
            columns.update({c.name: c for c in table.itercols()})
        return Table(sort_columns(columns))

    @property
    def estimates(self) -> Table:
        """Labels that dimensions track, as of `estimate_labels`, n rows."""
        scale, z_log_var = self.width_scale, self.z_log_var
        if scale is not None:
            z_log_var = scale_log_var(z_log_var, 1.0 / scale)
        maps = self.unit_maps, self.joint_maps
        return estimate_labels(self.z_mean, z_log_var, self.flags, *maps, scale)

    def scale_widths(self, scale: NDArray[np.floating]) -> Latents:
        """
        Multiply the standard deviations of the posteriors.

        Parameters
        ----------
        scale : ndarray of float, shape (n_latent,)
            A factor for each dimension.

        Returns
        -------
        latents : Latents
            With other log variances; estimates of labels by joint maps, which have
            learned from visits already, stay as they are.
        """
        wider = scale_log_var(self.z_log_var, scale)
        before = 1.0 if self.width_scale is None else self.width_scale
        return replace(self, z_log_var=wider, width_scale=before * scale)

    def explain(self) -> list[list[str]]:
        """
        Put the flags into words.

        Returns
        -------
        meanings : list of list of str
            Of each spectrum; empty for a good one.

        Examples
        --------
        >>> model = st.load_model("run")
        >>> model.encode(wave[:300], flux[:300]).explain()
        [["fewer than 50 % of the grid's pixels are valid"]]
        """
        return [explain_flags(int(flags)) for flags in self.flags]


def sort_columns(columns: Columns) -> Columns:
    """Put the columns of a table of latents in their order: who, what, all the rest."""
    first = [name for name in _FIRST if name in columns]
    return {name: columns[name] for name in dict.fromkeys([*first, *columns])}


def scale_log_var(
    z_log_var: NDArray[Any], scale: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Multiply the standard deviations of each dimension, shape (n, n_latent)."""
    return np.asarray(z_log_var + 2.0 * np.log(scale), np.float32)


def build_latents(
    batches: Mapping[str, Sequence[NDArray[np.generic]]],
    rejects: Sequence[tuple[Path, str]] = (),
) -> Latents:
    """
    Join batches, and take the outputs of the encoder and the metadata apart.

    Parameters
    ----------
    batches : mapping of str to sequence of ndarray
        The encoder's outputs, and whatever else is known of the spectra, batch by
        batch.
    rejects : sequence of (Path, str)
        Files that were not encoded.

    Returns
    -------
    latents : Latents
        With all other columns as metadata; of no spectrum if there is no batch.
    """
    if not batches:
        code, one = np.empty((0, 0), np.float32), np.empty(0, np.float32)
        nothing = (code, code, one, one, np.empty(0, np.int32))
        return Latents(*nothing, rejects=tuple(rejects))
    columns = {name: np.concatenate(values) for name, values in batches.items()}
    metadata = Table({n: v for n, v in columns.items() if n not in OUTPUTS})
    outputs: dict[str, Any] = {name: columns[name] for name in OUTPUTS}
    return Latents(**outputs, metadata=metadata, rejects=tuple(rejects))


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
        for table in encode_files(paths, grid, config, batch_size, encode, rejects):
            for name, values in table.items():
                columns.setdefault(name, []).append(values)
            advance(len(table["flags"]))
    return build_latents(columns, rejects)


def encode_files(
    paths: Sequence[Path],
    grid: Grid,
    config: ConvertConfig,
    batch_size: int,
    encode: Callable[[Batch], Columns],
    rejects: list[tuple[Path, str]],
) -> Iterator[Columns]:
    """
    Encode the spectra of files, a batch at a time.

    Parameters
    ----------
    paths, grid, config, batch_size, encode
        As of `encode_prepared`.
    rejects : list of (Path, str)
        What is not taken is appended, with the reason.

    Yields
    ------
    columns : mapping of str to ndarray
        The outputs of the encoder and the metadata of a batch.
    """
    for batch in _read_batches(paths, grid, config, batch_size, rejects):
        table = _tabulate(batch.metadata, config)
        outputs = dict(encode(batch))
        outputs["flags"] = add_spikes(outputs["flags"], batch.n_spikes)
        yield {name: np.asarray(v) for name, v in {**table, **outputs}.items()}


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
