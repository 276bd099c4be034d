"""The one wrapper of a trained model: spectra to latents, latents to spectra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from stellar_tf.analysis.files import read_joint_maps, read_unit_maps
from stellar_tf.analysis.labels.joint_maps import JointMap
from stellar_tf.analysis.labels.units import UnitMap
from stellar_tf.analysis.traversal import Traversal, traverse
from stellar_tf.batches.reading import read_split
from stellar_tf.figures.spectra import Reconstructions, draw_traversal
from stellar_tf.flags import add_spikes
from stellar_tf.inference.functions import Functions, compile_graph
from stellar_tf.inference.graph import Outputs, load_graph
from stellar_tf.inference.in_memory import (
    ArraySpectrum,
    Medium,
    SpectraError,
    read_arrays,
    read_spectra,
)
from stellar_tf.inference.latents import (
    Batch,
    Columns,
    Latents,
    build_latents,
    encode_files,
    encode_prepared,
)
from stellar_tf.run import GridError, Run
from stellar_tf.tables import read_table
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.grid import Grid
from tfrecords_tools.progress import show_progress
from tfrecords_tools.records.manifest import Manifest, is_records, read_manifest
from tfrecords_tools.split import SPLITS, Split

if TYPE_CHECKING:
    import plotly.graph_objects as go

BATCH_SIZE = 16
"""Spectra encoded at a time."""
_PRIOR = np.array([[-2.0], [2.0]], np.float32)
"""How far a model without latents is moved, in deviations of the prior."""
_MAX_PIXELS = 4_000


class SpectrumModel:
    """
    A trained model at work.

    Parameters
    ----------
    functions : Functions
        What it computes.
    grid : Grid
        Its wavelengths.
    convert : ConvertConfig
        How files are prepared for it.
    n_latent : int
        Latent dimensions.
    folder : Path
        Where it comes from: a run, or a version of an exported model.
    unit_maps : sequence of UnitMap, optional
        What values of dimensions mean in the units of labels; by default what the
        analysis in the folder says, once there is one.
    joint_maps : sequence of JointMap, optional
        What those of all informative dimensions mean together; by default likewise.

    Notes
    -----
    `stellar_tf.load_model` makes one of a run folder or of an exported SavedModel.

    Examples
    --------
    >>> model = st.load_model("run")
    >>> latents = model.encode(wave, flux)
    >>> latents.z_mean.shape
    (1, 4)
    >>> model.decode(latents.z_mean).shape == (1, model.wave.size)
    True
    """

    def __init__(
        self,
        functions: Functions,
        grid: Grid,
        convert: ConvertConfig,
        n_latent: int,
        folder: Path,
        unit_maps: Sequence[UnitMap] | None = None,
        joint_maps: Sequence[JointMap] | None = None,
    ) -> None:
        self._functions = functions
        self.grid = grid
        self.convert = convert
        self.n_latent = n_latent
        self.folder = folder
        self._unit_maps = unit_maps
        self._joint_maps = joint_maps

    @classmethod
    def from_run(cls, run: Run) -> SpectrumModel:
        """
        Load the best model of a run.

        Parameters
        ----------
        run : Run
            The run.

        Returns
        -------
        model : SpectrumModel
            Compiled at its first use.

        Raises
        ------
        RunError
            If the folder is no run, or has no model yet.
        """
        graph = load_graph(run)
        config = graph.config
        return cls(
            compile_graph(graph),
            config.grid,
            config.convert,
            config.model.n_latent,
            run.folder,
        )

    @property
    def wave(self) -> NDArray[np.float64]:
        """Wavelengths of the pixels in air, shape (n_pixels,) [Angstrom]."""
        return self.grid.wave

    @property
    def unit_maps(self) -> tuple[UnitMap, ...]:
        """What values of dimensions mean in the units of labels; empty if unknown."""
        if self._unit_maps is not None:
            return tuple(self._unit_maps)
        return tuple(read_unit_maps(Run(self.folder).analysis).values())

    @property
    def joint_maps(self) -> tuple[JointMap, ...]:
        """What values of all informative dimensions mean together; empty if unknown."""
        if self._joint_maps is not None:
            return tuple(self._joint_maps)
        return tuple(read_joint_maps(Run(self.folder).analysis))

    def encode(
        self,
        spectra: Any,
        flux: Any = None,
        *,
        medium: Medium = "air",
        batch_size: int = BATCH_SIZE,
        progress: bool = True,
    ) -> Latents:
        """
        Encode spectra, from memory, from files or from records.

        Parameters
        ----------
        spectra : array_like, Quantity, Spectrum1D, path or a sequence of these
            With `flux`: wavelengths, barycentric, shape (n,) or (n_spectra, n)
            [Angstrom, or the unit they have]. Without: objects with ``spectral_axis``
            and ``flux`` as specutils makes them; or one folder of records; or files
            and folders of files.
        flux : array_like or Quantity, optional
            Flux density in any unit, shape (n,) or (n_spectra, n); NaN, masked or
            long runs of zeros where it is bad.
        medium : {"air", "vacuum"}, default "air"
            Of wavelengths in memory; files say it themselves.
        batch_size : int, default 16
            Spectra encoded at a time.
        progress : bool, default True
            Whether to show a bar for files and records, where stderr is a terminal or
            a notebook.

        Returns
        -------
        latents : Latents
            In the order given; records and files with their metadata. Of an analysed
            run also with estimates of the labels that dimensions track.

        Raises
        ------
        SpectraError
            If arrays do not fit each other.
        GridError
            If records stand on another grid.
        InputError
            If a file does not exist.
        RecordError
            If a record does not fit its CRCs.
        TableError
            If the analysis of the run is damaged.
        """
        # A damaged map is named before the work, not after it.
        unit_maps, joint_maps = self.unit_maps, self.joint_maps
        latents = self._encode(spectra, flux, medium, batch_size, progress)
        return replace(latents, unit_maps=unit_maps, joint_maps=joint_maps)

    def _encode(
        self, spectra: Any, flux: Any, medium: Medium, batch_size: int, progress: bool
    ) -> Latents:
        if flux is not None:
            return self._encode_arrays(read_arrays(spectra, flux, medium), batch_size)
        if isinstance(spectra, str | Path):
            spectra = [spectra]
        if not _are_paths(spectra):
            return self._encode_arrays(read_spectra(spectra, medium), batch_size)
        paths = [Path(path) for path in spectra]
        if len(paths) == 1 and is_records(paths[0]):
            return self._encode_records(paths[0], batch_size, progress)
        return self._encode_files(discover(paths), batch_size, progress)

    def encode_files(
        self,
        paths: Sequence[Path],
        rejects: list[tuple[Path, str]],
        batch_size: int,
        *,
        fill: bool = False,
    ) -> Iterator[Columns]:
        """
        Encode the spectra of files, a batch at a time.

        Parameters
        ----------
        paths : sequence of Path
            Files of any form that `stellar-tf convert` reads.
        rejects : list of (Path, str)
            What is not taken is appended, with the reason.
        batch_size : int
            Spectra encoded at a time.
        fill : bool, default False
            Whether to fill the last batch up: the last digits depend on its size.

        Returns
        -------
        batches : iterator of mapping of str to ndarray
            The columns of a table of latents.
        """

        def encode(batch: Batch) -> Columns:
            n_rows = batch_size if fill else 0
            return self._encode_batch(batch.flux, batch.median_flux, n_rows)

        grid, convert = self.grid, self.convert
        return encode_files(paths, grid, convert, batch_size, encode, rejects)

    def encode_split(
        self,
        manifest: Manifest,
        split: Split,
        batch_size: int,
        *,
        fill: bool = False,
    ) -> Iterator[Columns]:
        """
        Encode the records of a split, a batch at a time.

        Parameters
        ----------
        manifest : Manifest
            The data set.
        split : {"train", "validation", "test"}
            The split.
        batch_size, fill
            As of `encode_files`.

        Yields
        ------
        columns : mapping of str to ndarray
            Of a table of latents.

        Raises
        ------
        GridError
            If the records stand on another grid.
        RecordError
            If a record cannot be read.
        """
        if manifest.grid != self.grid:
            raise GridError(f"{manifest.folder}: has another grid than {self.folder}")
        has_errors = manifest.counts.get("with errors", 0) > 0
        counts_errors = has_errors and self._functions.encode_with_errors is not None
        n_rows = batch_size if fill else 0
        for stored in read_split(
            manifest, split, batch_size, with_errors=counts_errors
        ):
            flux, median = stored.pop("flux"), stored.pop("median_flux")
            n_spikes = stored.pop("n_spikes", np.zeros(len(flux)))
            error = stored.pop("error", None)
            outputs = self._encode_batch(flux, median, n_rows, error)
            flags = add_spikes(outputs["flags"], n_spikes)
            splits = np.full(len(flux), split)
            yield {**stored, "split": splits, **outputs, "flags": flags}

    def encode_flux(self, flux: NDArray[np.float32]) -> Latents:
        """
        Encode one spectrum as the converter prepares it.

        Parameters
        ----------
        flux : ndarray of float32, shape (n_pixels,)
            On the grid, in any unit, NaN at bad pixels.

        Returns
        -------
        latents : Latents
            Of one spectrum.
        """
        return _collect([self._functions.encode(tf.constant(flux[np.newaxis]))])

    def decode(self, z: ArrayLike) -> NDArray[np.float32]:
        """
        Decode latent codes.

        Parameters
        ----------
        z : array_like, shape (n_latent,) or (m, n_latent)
            The codes, finite.

        Returns
        -------
        flux : ndarray of float32, shape (n_pixels,) or (m, n_pixels)
            Normalised: in units of the median, or of the continuum.

        Raises
        ------
        SpectraError
            If the codes have another number of dimensions or are not finite.
        """
        codes = np.asarray(z, np.float32)
        if codes.ndim not in (1, 2) or codes.shape[-1] != self.n_latent:
            raise SpectraError(
                f"z must have shape ({self.n_latent},) or (m, {self.n_latent}), got "
                f"{codes.shape}"
            )
        rows = np.atleast_2d(codes)
        flux = np.empty((len(rows), self.grid.n_pixels), np.float32)
        for first in range(0, len(rows), BATCH_SIZE):
            batch = slice(first, first + BATCH_SIZE)
            try:
                flux[batch] = self._functions.decode(tf.constant(rows[batch]))["flux"]
            except tf.errors.InvalidArgumentError:
                raise SpectraError(
                    "z must be finite, and not too large to decode"
                ) from None
        return flux[0] if codes.ndim == 1 else flux

    def normalise(self, flux: NDArray[np.float32]) -> NDArray[np.float32]:
        """
        Divide a spectrum as the model does before it encodes it.

        Parameters
        ----------
        flux : ndarray of float32, shape (n_pixels,)
            On the grid, NaN at bad pixels.

        Returns
        -------
        normalised : ndarray of float32, shape (n_pixels,)
            In units of the median, or of the continuum; NaN at bad pixels, and
            everywhere if the median is not positive.
        """
        (normalised,) = self._normalise(flux[np.newaxis])
        return np.asarray(normalised)

    def reconstruct_records(
        self, manifest: Manifest, n_spectra: int
    ) -> Reconstructions:
        """
        Reconstruct the first spectra of a split that training has not seen.

        Parameters
        ----------
        manifest : Manifest
            Records on the model's grid.
        n_spectra : int
            Spectra wanted.

        Returns
        -------
        reconstructions : Reconstructions
            As many as the split has, at most `n_spectra`.
        """
        split: Split = "test" if manifest.n_spectra("test") else "validation"
        batch = next(read_split(manifest, split, n_spectra))
        names = [
            f"{target} ({dp_id})"
            for target, dp_id in zip(batch["target"], batch["dp_id"], strict=True)
        ]
        outputs = self._functions.encode_prepared(batch["flux"], batch["median_flux"])
        return Reconstructions(
            self.wave,
            tuple(names),
            self._normalise(batch["flux"]),
            self.decode(np.asarray(outputs["z_mean"])),
            np.asarray(batch.get("rv", np.full(len(names), np.nan)), np.float32),
        )

    def traverse(self, dimensions: int | Sequence[int], *, n: int = 7) -> Traversal:
        """
        Decode spectra while one dimension moves and the others rest.

        Parameters
        ----------
        dimensions : int or sequence of int
            The dimensions to move, one after the other.
        n : int, default 7
            Positions along each.

        Returns
        -------
        traversal : Traversal
            From the 1st to the 99th percentile of the run's latents, the others at
            their medians; where there are none, from -2 to 2 deviations of the prior.

        Raises
        ------
        ValueError
            If a dimension does not exist, or `n` is below 2.

        Examples
        --------
        >>> traversal = st.load_model("run").traverse(2, n=5)
        >>> traversal.positions.shape, traversal.flux.shape
        ((1, 5), (1, 5, 1000))
        """
        z_mean = np.repeat(_PRIOR, self.n_latent, axis=1)
        path = Run(self.folder).latents_path
        if path.exists():
            z_mean = np.asarray(read_table(path)["z_mean"], np.float32)
        return traverse(self.decode, self.wave, z_mean, np.atleast_1d(dimensions), n=n)

    def plot_traversal(self, dimension: int, *, n: int = 7) -> go.Figure:
        """
        Draw what moving one dimension does to the spectrum.

        Parameters
        ----------
        dimension : int
            The dimension.
        n : int, default 7
            Positions along it.

        Returns
        -------
        figure : plotly.graph_objects.Figure
            Where the spectrum changes, the spectra, and their differences.
        """
        return draw_traversal(self.traverse(dimension, n=n), 0, max_pixels=_MAX_PIXELS)

    def _normalise(self, flux: Any) -> NDArray[np.float32]:
        unit = np.asarray(self._functions.normalise(tf.constant(flux))["unit"])
        return np.asarray(flux / np.where(unit > 0.0, unit, np.nan), np.float32)

    def _encode_arrays(
        self, spectra: Sequence[ArraySpectrum], batch_size: int
    ) -> Latents:
        on_grid = [np.array_equal(s.wave, self.wave) for s in spectra]
        if spectra and all(on_grid):
            outputs = [
                self._functions.encode(
                    tf.constant(np.stack([s.flux for s in spectra[i : i + batch_size]]))
                )
                for i in range(0, len(spectra), batch_size)
            ]
        else:
            outputs = [
                self._functions.encode_spectrum(tf.constant(wave), tf.constant(flux))
                for wave, flux in spectra
            ]
        return _collect(outputs)

    def _encode_files(
        self, paths: Sequence[Path], batch_size: int, progress: bool
    ) -> Latents:
        def encode(batch: Batch) -> Columns:
            return self._encode_batch(batch.flux, batch.median_flux)

        return encode_prepared(
            paths, self.grid, self.convert, batch_size, encode, progress
        )

    def _encode_records(self, folder: Path, batch_size: int, progress: bool) -> Latents:
        manifest = read_manifest(folder)
        columns: dict[str, list[NDArray[np.generic]]] = {}
        splits = [split for split in SPLITS if manifest.n_spectra(split)]
        n_spectra = sum(manifest.n_spectra(split) for split in splits)
        with show_progress("encoding", n_spectra, progress) as advance:
            for split in splits:
                for table in self.encode_split(manifest, split, batch_size):
                    for name, values in table.items():
                        columns.setdefault(name, []).append(values)
                    advance(len(table["flags"]))
        return build_latents(columns)

    def _encode_batch(
        self,
        flux: NDArray[Any],
        median: NDArray[Any],
        n_rows: int = 0,
        error: NDArray[Any] | None = None,
    ) -> Columns:
        """Encode spectra as the converter prepares them, filled up to so many rows."""
        n, n_missing = len(flux), max(0, n_rows - len(flux))
        inputs = [x for x in (flux, median, error) if x is not None]
        if n_missing:
            inputs = [
                np.pad(x, ((0, n_missing), *[(0, 0)] * (x.ndim - 1)), "edge")
                for x in inputs
            ]
        encode = self._functions.encode_prepared
        if error is not None and self._functions.encode_with_errors is not None:
            encode = self._functions.encode_with_errors
        outputs = _to_numpy(encode(*inputs))
        return {name: values[:n] for name, values in outputs.items()}


def _are_paths(spectra: Any) -> bool:
    return isinstance(spectra, Sequence) and all(
        isinstance(path, str | Path) for path in spectra
    )


def _collect(batches: Sequence[Outputs]) -> Latents:
    columns: dict[str, list[NDArray[np.generic]]] = {}
    for outputs in batches:
        for name, values in _to_numpy(outputs).items():
            columns.setdefault(name, []).append(values)
    return build_latents(columns)


def _to_numpy(outputs: Outputs) -> dict[str, NDArray[np.generic]]:
    return {name: np.asarray(values) for name, values in outputs.items()}
