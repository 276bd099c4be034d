"""The public functions for models and latents."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stellar_tf.api.arguments import StrPath, as_path, as_paths
from stellar_tf.run import Run, RunError, is_run, open_records
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.records.manifest import hash_file, is_records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stellar_tf.inference.latents import Latents
    from stellar_tf.inference.parts.encode import PartsSummary
    from stellar_tf.inference.parts.work import ModelSource
    from stellar_tf.inference.spectrum_model import SpectrumModel
    from tfrecords_tools.conversion.engine import Engine


def load_model(source: StrPath | Run) -> SpectrumModel:
    """
    Load a trained model.

    Parameters
    ----------
    source : str, Path or Run
        A run, whose best model is taken; or an exported model, MODELS/NAME, whose
        newest version is taken; or one of its versions.

    Returns
    -------
    model : SpectrumModel
        Encodes and decodes; both kinds give the same numbers.

    Raises
    ------
    ModelError
        If the folder is neither.
    RunError
        If the run has no model yet.

    Examples
    --------
    >>> model = st.load_model("run")
    >>> latents = model.encode("records")
    >>> len(latents), latents.z_mean.shape
    (80, (80, 4))
    >>> served = st.load_model("models/small")
    >>> np.allclose(served.decode(latents.z_mean[0]), model.decode(latents.z_mean[0]),
    ...             atol=1e-5)
    True
    """
    folder = source.folder if isinstance(source, Run) else Path(source)
    # TensorFlow comes after what a mistake is seen without.
    if is_run(folder):
        Run(folder).find_model()
        from stellar_tf.inference.spectrum_model import SpectrumModel

        return SpectrumModel.from_run(Run(folder))
    from stellar_tf.saved_model.assets import find_version

    version = find_version(folder)
    from stellar_tf.saved_model.loading import load_version

    return load_version(version)


def encode(
    model: StrPath | Run | SpectrumModel,
    spectra: Any,
    flux: Any = None,
    *,
    out: StrPath | None = None,
    medium: Literal["air", "vacuum"] = "air",
    calibrated: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> Latents:
    """
    Encode spectra, from memory, from files or from records.

    Parameters
    ----------
    model : str, Path, Run or SpectrumModel
        A run, an exported model, or what `load_model` returned.
    spectra : array_like, Quantity, Spectrum1D, path or a sequence of these
        As of `SpectrumModel.encode`.
    flux : array_like or Quantity, optional
        Flux of the wavelengths in `spectra`.
    out : str or Path, optional
        Table to write: .parquet, .fits, .ecsv or .csv.
    medium : {"air", "vacuum"}, default "air"
        Of wavelengths in memory.
    calibrated : bool, default False
        Multiply the posterior widths of stellar dimensions by what the run's analysis
        found from repeat visits.
    overwrite : bool, default False
        Whether `out` may exist.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    latents : Latents
        Means, log variances and flags, with the metadata of records and files.

    Raises
    ------
    ModelError, RunError
        If there is no model, or no run whose widths have been checked.
    AnalysisError
        If the run's widths have not been checked.
    SpectraError
        If arrays do not fit each other, or records stand on another grid.
    TableError
        If `out` cannot be written.
    BusyError
        If another process is writing it.

    Examples
    --------
    >>> latents = st.encode("run", "records", out="latents.parquet")
    >>> latents.table["dp_id", "z_mean", "flags"].colnames
    ['dp_id', 'z_mean', 'flags']
    """
    from stellar_tf.tables import write_table, writing_table

    with writing_table(as_path(out), overwrite=overwrite):
        if flux is None:
            _check_files(spectra)
        scale = _read_width_scales(model) if calibrated else None
        if isinstance(model, str | Path | Run):
            model = load_model(model)
        latents = model.encode(spectra, flux, medium=medium, progress=progress)
        if scale is not None:
            latents = latents.scale_widths(scale)
        if out is not None and len(latents):
            write_table(latents.table, Path(out), overwrite=overwrite)
    return latents


def encode_parts(
    model: StrPath | Run,
    inputs: StrPath | Sequence[StrPath],
    out: StrPath,
    *,
    workers: int = 1,
    engine: AbstractContextManager[Engine] | None = None,
    calibrated: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> PartsSummary:
    """
    Encode more spectra than memory holds into a table in parts, by several processes.

    Parameters
    ----------
    model : str, Path or Run
        A run, or an exported model.
    inputs : str, Path or sequence of these
        One folder of records; or files, and folders that are searched for files.
    out : str or Path
        Folder of Parquet files, whose name ends in .parquet; it appears when it is
        complete. All that reads a table of latents reads it, too.
    workers : int, default 1
        Processes of this machine; the bytes do not depend on their number.
    engine : context manager, optional
        What does the work instead, such as Apache Beam.
    calibrated : bool, default False
        As of `encode`.
    overwrite : bool, default False
        Whether to replace a table that is there.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    summary : PartsSummary
        How many spectra, flags and parts, and the files that were not taken.

    Raises
    ------
    ModelError, RunError
        If there is no model, or no run whose widths have been checked.
    PartsError
        If the output exists and may not be replaced.
    InputError
        If an input is missing, or changes on the way.
    GridError
        If records stand on another grid.

    Notes
    -----
    However an encoding ends early, the same call goes on with it.

    Examples
    --------
    >>> summary = st.encode_parts("run", "records", "many.parquet")
    >>> summary.n_spectra, summary.rejects
    (80, ())
    """
    from stellar_tf.inference.parts.encode import encode_parts as encode_all
    from tfrecords_tools.conversion.engine import worker_engine

    paths = as_paths(inputs)
    scale = _read_width_scales(model) if calibrated else None
    folder = model.folder if isinstance(model, Run) else Path(model)
    if is_run(folder) and len(paths) == 1 and is_records(paths[0]):
        open_records(Run(folder), paths[0])
    return encode_all(
        _find_source(folder),
        paths,
        Path(out),
        scale=None if scale is None else scale.tolist(),
        engine=engine or worker_engine(workers),
        overwrite=overwrite,
        progress=progress,
    )


def _find_source(folder: Path) -> ModelSource:
    """Name a model such that workers load this one and no other."""
    from stellar_tf.analysis.files import JOINT_MAPS_NAME, UNIT_MAPS, table_path
    from stellar_tf.inference.parts.work import ModelSource

    if is_run(folder):
        run = Run(folder)
        files = [run.config_path, run.find_model()]
        # The columns depend on them, once they are there.
        maps = table_path(run.analysis, UNIT_MAPS), run.analysis / JOINT_MAPS_NAME
        files += [path for path in maps if path.is_file()]
    else:
        from stellar_tf.saved_model.assets import find_version

        folder = find_version(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashed = tuple((path.absolute(), hash_file(path)) for path in files)
    return ModelSource(_load_in_worker, folder.absolute(), hashed)


def _load_in_worker(folder: Path) -> SpectrumModel:
    from stellar_tf.serving.allocator import keep_freed_memory

    keep_freed_memory()
    return load_model(folder)


def _read_width_scales(model: StrPath | Run | SpectrumModel) -> NDArray[np.float64]:
    from stellar_tf.analysis.files import read_width_scales

    if isinstance(model, str | Path) and is_run(Path(model)):
        model = Run(Path(model))
    if not isinstance(model, Run):
        raise RunError("model must be an analysed run for calibrated latents")
    return read_width_scales(model.analysis, model.read_config().model.n_latent)


def _check_files(spectra: Any) -> None:
    """See that there is something to encode, if it is on the disk."""
    paths = [spectra] if isinstance(spectra, str | Path) else spectra
    if not isinstance(paths, Sequence) or not all(
        isinstance(path, str | Path) for path in paths
    ):
        return
    if len(paths) != 1 or not is_records(Path(paths[0])):
        discover([Path(path) for path in paths])
