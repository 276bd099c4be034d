"""The public functions for spectra and records."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.api.arguments import Settings, StrPath, as_path, as_paths
from stellar_tf.config import Config, load_config
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.prepare import correct_spectrum
from tfrecords_tools.spectrum import Spectrum

if TYPE_CHECKING:
    from stellar_tf.simulator.simulate import SimulationSummary
    from tfrecords_tools.conversion.engine import Engine
    from tfrecords_tools.conversion.summary import ConversionSummary
    from tfrecords_tools.conversion.verify import Verification


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
        as_paths(inputs),
        Path(out),
        resolved.grid,
        resolved.convert,
        labels=as_path(labels),
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
