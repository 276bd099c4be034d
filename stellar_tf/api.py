"""The public functions: what each command of the command line calls.

They are reached as ``stellar_tf.NAME``. Paths may be str or Path; settings are a
`Config`, a YAML file or the name of one that comes with the package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stellar_tf.config import AnalysisConfig, Config, load_config, load_label_config
from stellar_tf.run import Run, RunError, is_run, open_records
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.conversion.prepare import correct_spectrum
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import hash_file, is_records
from tfrecords_tools.spectrum import Spectrum

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf
    from numpy.typing import NDArray

    from stellar_tf.analysis.codes_alone import CodesResult
    from stellar_tf.analysis.comparison import Comparison
    from stellar_tf.analysis.neighbours.retrieval import Similar
    from stellar_tf.inference.latents import Latents
    from stellar_tf.inference.parts.encode import PartsSummary
    from stellar_tf.inference.parts.work import ModelSource
    from stellar_tf.inference.spectrum_model import SpectrumModel
    from stellar_tf.report.probes import RunProbes
    from stellar_tf.report.run_analysis import RunAnalysis
    from stellar_tf.simulator.simulate import SimulationSummary
    from tfrecords_tools.conversion.engine import Engine
    from tfrecords_tools.conversion.summary import ConversionSummary
    from tfrecords_tools.conversion.verify import Verification

StrPath = str | Path
Settings = Mapping[str, Any] | Iterable[str]
"""Dotted keys and values, such as ``{"training.batch_size": 8}``."""

# TensorFlow, and all else that is slow, is imported in the functions, so that
# ``import stellar_tf`` and ``--help`` answer at once.


def simulate(
    out: StrPath,
    *,
    config: Config | StrPath = "default",
    settings: Settings = (),
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> SimulationSummary:
    """
    Write FITS files of simulated stars and a table of the truth.

    Parameters
    ----------
    out : str or Path
        Folder of the files; made if it does not exist.
    config : Config, str or Path, default "default"
        Settings, a YAML file, or the name of one that comes with the package.
    settings : mapping or iterable of str
        Changes to it: ``{"simulate.n_stars": 10}`` or ``["simulate.n_stars=10"]``.
    seed : int, default 0
        Another seed, another survey.
    overwrite : bool, default False
        Whether to replace another simulation in the folder.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    summary : SimulationSummary
        Counts, and the path of the table.

    Raises
    ------
    ConfigError
        If a setting is wrong, or the factors reach beyond the synthetic spectra.
    FolderError
        If the folder holds anything but this simulation.

    Examples
    --------
    >>> survey = {"simulate.n_stars": 2, "simulate.n_pixels": 1000}
    >>> st.simulate("two_stars", settings=survey).n_files
    2
    """
    from stellar_tf.simulator.simulate import simulate as simulate_survey

    resolved = load_config(config, settings)
    return simulate_survey(
        Path(out),
        resolved.simulate,
        seed=seed,
        overwrite=overwrite,
        progress=progress,
    )


def convert(
    inputs: StrPath | Sequence[StrPath],
    out: StrPath,
    *,
    labels: StrPath | None = None,
    config: Config | StrPath = "default",
    settings: Settings = (),
    workers: int = 1,
    engine: AbstractContextManager[Engine] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> ConversionSummary:
    """
    Put spectra on one grid and write them as TFRecords.

    Parameters
    ----------
    inputs : str, Path or sequence of these
        Files, and folders that are searched for files.
    out : str or Path
        Folder of the records; it appears when it is complete.
    labels : str or Path, optional
        Table of known parameters, by exposure or by star.
    config : Config, str or Path, default "default"
        Settings, a YAML file, or the name of one that comes with the package.
    settings : mapping or iterable of str
        Changes to it.
    workers : int, default 1
        Processes of this machine.
    engine : context manager, optional
        What does the work instead, such as Apache Beam.
    overwrite : bool, default False
        Whether to replace records that are there.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    summary : ConversionSummary
        What was taken; rejects.csv in the folder has the reason of every other file.

    Raises
    ------
    ConfigError
        If a setting is wrong.
    ConvertError
        If the output exists and may not be replaced, or the disk is full.
    InputError
        If an input is missing.
    LabelError
        If the table of labels cannot be used.

    Notes
    -----
    However a conversion ends early, the same call goes on with it.

    Examples
    --------
    >>> summary = st.convert("fits", "my_records", labels="fits/truth.ecsv",
    ...                      config="small.yaml")
    >>> summary.n_taken, summary.n_rejected
    (80, 0)
    """
    from tfrecords_tools.conversion.convert import convert as convert_files
    from tfrecords_tools.conversion.engine import local_engine

    resolved = load_config(config, settings)
    return convert_files(
        _paths(inputs),
        Path(out),
        resolved.grid,
        resolved.convert,
        labels=_path(labels),
        engine=engine or local_engine(workers),
        overwrite=overwrite,
        progress=progress,
    )


def verify(
    records: StrPath, *, deep: bool = False, workers: int = 1, progress: bool = True
) -> Verification:
    """
    Check every byte of a folder of records.

    Parameters
    ----------
    records : str or Path
        Folder that `convert` wrote.
    deep : bool, default False
        Whether to read every source again and compare each flux with it.
    workers : int, default 1
        Processes.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    verification : Verification
        The number of good records, and the problems.

    Raises
    ------
    ManifestError
        If the folder is no data set of this version.

    Examples
    --------
    >>> st.verify("records").problems
    []
    """
    from tfrecords_tools.conversion.verify import verify as verify_records

    return verify_records(
        Path(records), deep=deep, n_workers=workers, progress=progress
    )


def fit(
    records: StrPath,
    run: StrPath,
    *,
    config: Config | StrPath = "default",
    settings: Settings = (),
    strategy: str | tf.distribute.Strategy = "single",
    devices: int | None = None,
    minutes: float | None = None,
    init_from: StrPath | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Train on records, without labels, or go on with a run that was interrupted.

    Parameters
    ----------
    records : str or Path
        Folder that `convert` wrote.
    run : str or Path
        Folder of the run.
    config : Config, str or Path, default "default"
        Settings, a YAML file, or the name of one that comes with the package; the
        grid is that of the records, and what is left open is filled for it.
    settings : mapping or iterable of str
        Changes to it.
    strategy : tf.distribute.Strategy or str, default "single"
        One device, a replica on each of this machine ("mirrored"), or of all machines
        in TF_CONFIG ("multiworker").
    devices : int, optional
        Replicas of "mirrored": GPUs, or logical CPUs without any.
    minutes : float, optional
        Train for as many steps as this time holds, counted when the run begins [min].
    init_from : str or Path, optional
        A run whose best weights to begin with.
    skip_corrupt : bool, default False
        Whether to look for corrupt records first and do without them.
    overwrite : bool, default False
        Whether to replace a run that is there instead of going on with it.
    progress : bool, default True
        Whether to show steps, rate and the terms of the loss on stderr.
    callbacks : sequence of keras.callbacks.Callback
        Further observers.

    Returns
    -------
    run : Run
        Where the best model, the history and the checkpoints are.

    Raises
    ------
    ConfigError
        If a setting is wrong or does not fit the records.
    RunError
        If the folder belongs to other settings or records.
    CorruptRecordsError
        If a record is corrupt, unless such are skipped.
    TrainingError
        If the loss is not finite.

    Examples
    --------
    >>> run = st.fit("records", "my_run", config="small.yaml",
    ...              settings={"training.n_steps": 3})
    >>> run.model_path.is_file()
    True
    """
    from stellar_tf.training.fit import fit as fit_records

    return fit_records(
        Path(records),
        Path(run),
        load_config(config, settings),
        strategy,
        devices=devices,
        minutes=minutes,
        init_from=_path(init_from),
        skip_corrupt=skip_corrupt,
        overwrite=overwrite,
        progress=progress,
        extra_callbacks=callbacks,
    )


def refine(
    source: StrPath,
    run: StrPath | None = None,
    *,
    records: StrPath | None = None,
    config: Config | StrPath | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
    strategy: str | tf.distribute.Strategy = "single",
    devices: int | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Go on from an analysed run to measure what it discovered.

    Parameters
    ----------
    source : str or Path
        A run that is finished, encoded and analysed; its informative dimensions are
        kept.
    run : str or Path, optional
        Folder of the refined run; by default "refined" in the source.
    records : str or Path, optional
        Records to train on; by default those of the source.
    config : Config, str or Path, optional
        Settings that shall differ from those of a refinement.
    settings : mapping or iterable of str
        Changes to it.
    strategy, devices, skip_corrupt, overwrite, progress, callbacks
        As of `fit`.

    Returns
    -------
    run : Run
        The refined run. It encodes by Gauss-Newton steps from the encoder's code to the
        most likely one; widths are those of the likelihood there.

    Raises
    ------
    RunError
        If the source is not finished or has no verdict; and as of `fit`.
    ConfigError, CorruptRecordsError, TrainingError
        As of `fit`.

    Examples
    --------
    >>> st.refine("run", "refined", settings={"training.n_steps": 2}).folder.name
    'refined'
    """
    from stellar_tf.training.refine import refine as refine_run

    return refine_run(
        Path(source),
        _path(run),
        load_config(config, settings),
        strategy,
        records=_path(records),
        devices=devices,
        skip_corrupt=skip_corrupt,
        overwrite=overwrite,
        progress=progress,
        extra_callbacks=callbacks,
    )


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


def read_spectrum(path: StrPath) -> Spectrum:
    """
    Read one file as `convert` does, before it is put on a grid.

    Parameters
    ----------
    path : str or Path
        A spectrum in any form that `convert` takes.

    Returns
    -------
    spectrum : Spectrum
        Wavelengths in air and barycentric, flux with NaN at bad pixels, metadata, and
        the history of what was done.

    Raises
    ------
    SpectrumError
        If the file is not taken; the message is the reason.

    Examples
    --------
    >>> spectrum = st.read_spectrum(sorted(Path("fits").glob("*.fits"))[0])
    >>> spectrum.wave.shape == spectrum.flux.shape
    True
    >>> spectrum.metadata.instrument
    'HARPS'
    """
    from tfrecords_tools.readers import read_spectrum as read

    return correct_spectrum(read(Path(path)), ConvertConfig())


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

    Examples
    --------
    >>> latents = st.encode("run", "records", out="latents.parquet")
    >>> latents.table["dp_id", "z_mean", "flags"].colnames
    ['dp_id', 'z_mean', 'flags']
    """
    from stellar_tf.tables import check_table_path, write_table

    if out is not None:
        check_table_path(Path(out), overwrite=overwrite)
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

    paths = _paths(inputs)
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
    from stellar_tf.inference.parts.work import ModelSource

    if is_run(folder):
        run = Run(folder)
        files = [run.config_path, run.find_model()]
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


def analyze(
    run: StrPath | Run,
    *,
    latents: StrPath | None = None,
    labels: StrPath | None = None,
    truth: StrPath | None = None,
    settings: Settings = (),
    save: bool = False,
    overwrite: bool = False,
) -> RunAnalysis:
    """
    Say which latent dimensions carry information, and about what.

    Parameters
    ----------
    run : str, Path or Run
        A run whose spectra have been encoded.
    latents : str or Path, optional
        Table that `encode` or `encode_parts` wrote; by default RUN/latents.parquet.
    labels : str or Path, optional
        Table of known parameters, by exposure or by star; by default the labels of
        the records.
    truth : str or Path, optional
        truth.ecsv of simulated spectra: scores the verdict against it.
    settings : mapping or iterable of str
        Changes to how tables of labels are read and looked up, such as
        ``{"convert.missing_values": [-9999]}``.
    save : bool, default False
        Whether to write tables and report into RUN/analysis, where `export`,
        `compare`, `neighbours` and ``stellar-tf explore`` look for them.
    overwrite : bool, default False
        Whether to replace what is there.

    Returns
    -------
    analysis : RunAnalysis
        The verdict, the tables and the figures.

    Raises
    ------
    RunError
        If the folder is no run.
    TableError, LabelError, LatentsError
        If a table cannot be read or used.

    Examples
    --------
    >>> result = st.analyze("run", labels="fits/truth.ecsv")
    >>> result.verdict["dimension", "information"].colnames
    ['dimension', 'information']
    >>> figure = result.plot_dimensions()
    """
    from stellar_tf.report.run_analysis import analyze_run

    return analyze_run(
        _run(run),
        latents=_path(latents),
        labels=_path(labels),
        truth=_path(truth),
        settings=settings,
        save=save,
        overwrite=overwrite,
    )


def analyze_codes(
    codes: StrPath | NDArray[np.floating],
    *,
    labels: StrPath | None = None,
    settings: Settings = (),
    out: StrPath | None = None,
    overwrite: bool = False,
) -> CodesResult:
    """
    Say what can be said of latent means without posteriors.

    Parameters
    ----------
    codes : str, Path or ndarray of float, shape (n_spectra, n_latent)
        The means, or a file that numpy saved.
    labels : str or Path, optional
        Table with a row per code, in order.
    settings : mapping or iterable of str
        Changes to how it is read, as of `analyze`.
    out : str or Path, optional
        Folder to write the tables to.
    overwrite : bool, default False
        Whether to replace tables that are there.

    Returns
    -------
    result : CodesResult
        Dispersion and labels, but no number of informative dimensions.

    Raises
    ------
    LatentsError
        If the codes are no table of finite numbers.

    Examples
    --------
    >>> codes = np.random.default_rng(0).normal(size=(100, 3))
    >>> len(st.analyze_codes(codes).dispersion_table)
    3
    """
    import numpy as np

    from stellar_tf.analysis.codes_alone import analyze_codes as analyze_means
    from stellar_tf.analysis.files import write_named
    from stellar_tf.tables import read_label_columns

    if isinstance(codes, str | Path):
        try:
            codes = np.load(codes, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise UserError(f"{codes}: is no array of numbers saved by numpy") from None
    table, notes = None, list[str]()
    label_config = load_label_config(None, settings)
    if labels is not None:
        table, notes = read_label_columns(Path(labels), label_config)
    result = analyze_means(np.asarray(codes), table, AnalysisConfig())
    result = replace(result, notes=tuple(notes))
    if out is not None:
        write_named(result.tables, Path(out), overwrite=overwrite)
    return result


def probe(
    run: StrPath | Run,
    *,
    labels: StrPath | None = None,
    names: Sequence[str] = (),
    sizes: Sequence[int] = (10, 30, 100, 300, 1_000),
    network_sizes: Sequence[int] | None = None,
    n_draws: int = 10,
    latents: StrPath | None = None,
    settings: Settings = (),
    save: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> RunProbes:
    """
    Say how well frozen latents predict labels, from few labelled stars.

    Parameters
    ----------
    run : str, Path or Run
        A run whose spectra have been encoded.
    labels : str or Path, optional
        Table of known parameters, by exposure or by star; by default the labels of
        the records.
    names : sequence of str
        Labels to predict; by default all with numbers that do not describe the
        exposure.
    sizes : sequence of int
        Numbers of labelled stars of the training split; those that it does not have
        are cut to what it has, and the notes say so.
    network_sizes : sequence of int, optional
        Those for which a network of the same encoder is trained with the labels from
        nothing; by default all. Empty: none, which saves most of the time.
    n_draws : int, default 10
        Draws of labelled stars; networks are trained for at most 3 of them.
    latents : str or Path, optional
        Table that `encode` wrote; by default RUN/latents.parquet.
    settings : mapping or iterable of str
        Changes to how the table of labels is read and looked up, as of `analyze`.
    save : bool, default False
        Whether to write the table into RUN/analysis, where the next report finds it.
    overwrite : bool, default False
        Whether to replace a table that is there.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    probes : RunProbes
        MAD in the label's unit and R2 on held-out stars, beside those of pixels,
        principal components and the network.

    Raises
    ------
    RunError
        If the folder is no run.
    TableError, LabelError, LatentsError
        If a table cannot be read or used, a label does not exist, or none can be
        predicted.
    TablesExistError
        If a table is there and may not be replaced.
    SizesError
        If a number of labelled stars is below 5, networks are wanted for another one,
        or there are no draws.

    Examples
    --------
    >>> probes = st.probe("run", labels="fits/truth.ecsv", names=["teff"],
    ...                   sizes=[5, 10], network_sizes=[])
    >>> print(*probes.summary.colnames)
    label unit features method 5 10
    >>> figure = probes.plot()
    """
    from stellar_tf.report.probes import probe_run

    return probe_run(
        _run(run),
        labels=_path(labels),
        names=names,
        sizes=sizes,
        network_sizes=network_sizes,
        n_draws=n_draws,
        latents=_path(latents),
        settings=settings,
        save=save,
        overwrite=overwrite,
        progress=progress,
    )


def compare(*runs: StrPath | Run) -> list[Comparison]:
    """
    Match the informative dimensions of runs.

    Parameters
    ----------
    *runs : str, Path or Run
        Two or more, each encoded and analysed on the same spectra.

    Returns
    -------
    comparisons : list of Comparison
        One a pair of runs, with its stability.

    Raises
    ------
    LatentsError
        If there are fewer than two runs, or two have no spectrum in common.
    AnalysisError
        If a run has not been analysed.

    Examples
    --------
    >>> pair, = st.compare("run", "run")
    >>> pair.n_stars
    40
    """
    from stellar_tf.analysis.comparison import compare_runs

    return compare_runs([_run(run) for run in runs])


def neighbours(
    run: StrPath | Run,
    spectrum: StrPath,
    *,
    count: int = 10,
    latents: StrPath | None = None,
    out: StrPath | None = None,
    overwrite: bool = False,
) -> Similar:
    """
    Find the spectra most like a given one.

    Parameters
    ----------
    run : str, Path or Run
        Encoded and analysed.
    spectrum : str or Path
        Identifier (dp_id) of one in the table of latents, a file, or a star in the
        table, of whose spectra the one with the largest S/N is taken.
    count : int, default 10
        Neighbours wanted.
    latents : str or Path, optional
        Table that `encode` or `encode_parts` wrote; by default RUN/latents.parquet.
    out : str or Path, optional
        Table to write.
    overwrite : bool, default False
        Whether `out` may exist.

    Returns
    -------
    similar : Similar
        Its neighbours, and its outlier score.

    Raises
    ------
    LatentsError
        If the spectrum is unknown, or no dimension is informative.
    AnalysisError
        If the run has not been analysed.

    Examples
    --------
    >>> mine = min(Path("fits").glob("*.fits"))
    >>> similar = st.neighbours("run", mine, count=3)
    >>> len(similar.neighbours)
    3
    """
    from stellar_tf.inference.retrieval import find_neighbours
    from stellar_tf.tables import check_table_path, write_table

    if out is not None:
        check_table_path(Path(out), overwrite=overwrite)
    similar = find_neighbours(_run(run), str(spectrum), count, _path(latents))
    if out is not None:
        write_table(similar.neighbours, Path(out), overwrite=overwrite)
    return similar


def export(run: StrPath | Run, out: StrPath) -> Path:
    """
    Write the best model of a run as the next version of a served model.

    Parameters
    ----------
    run : str, Path or Run
        The run.
    out : str or Path
        Folder of the model, MODELS/NAME; versions are numbered folders in it.

    Returns
    -------
    version : Path
        The new version's folder.

    Raises
    ------
    ExportError
        If `out` is no folder.
    RunError
        If the run has no model yet.

    Examples
    --------
    >>> st.export("run", "served/small").name
    '1'
    """
    run = _run(run)
    run.read_config()
    run.find_model()
    from stellar_tf.saved_model.export import export as export_model

    return export_model(run, Path(out))


def export_page(run: StrPath | Run, page: StrPath, *, overwrite: bool = False) -> Path:
    """
    Write the traversals of the informative dimensions as one HTML file of sliders.

    Parameters
    ----------
    run : str, Path or Run
        Encoded and analysed.
    page : str or Path
        The file; it needs no network.
    overwrite : bool, default False
        Whether it may exist.

    Returns
    -------
    page : Path
        The file.

    Raises
    ------
    TableError
        If the file cannot be written there.
    AnalysisError
        If the run has not been analysed, or no dimension is informative.

    Examples
    --------
    >>> st.export_page("run", "sliders.html").name
    'sliders.html'
    """
    from stellar_tf.report.traversal_page import export_page as write_page

    return write_page(_run(run), Path(page), overwrite=overwrite)


def _run(run: StrPath | Run) -> Run:
    return run if isinstance(run, Run) else Run(Path(run))


def _check_files(spectra: Any) -> None:
    """See that there is something to encode, if it is on the disk."""
    paths = [spectra] if isinstance(spectra, str | Path) else spectra
    if not isinstance(paths, Sequence) or not all(
        isinstance(path, str | Path) for path in paths
    ):
        return
    if len(paths) != 1 or not is_records(Path(paths[0])):
        discover([Path(path) for path in paths])


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def _paths(paths: StrPath | Sequence[StrPath]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(p) for p in paths]
