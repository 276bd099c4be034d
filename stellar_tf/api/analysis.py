"""The public functions that analyse and compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stellar_tf.api.arguments import Settings, StrPath, as_path, as_run
from stellar_tf.config import AnalysisConfig, load_label_config
from stellar_tf.run import Run
from tfrecords_tools.errors import UserError
from tfrecords_tools.lock import writing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stellar_tf.analysis.codes_alone import CodesResult
    from stellar_tf.analysis.comparison import Comparison
    from stellar_tf.analysis.neighbours.retrieval import Similar
    from stellar_tf.report.probes import RunProbes
    from stellar_tf.report.run_analysis import RunAnalysis


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
        as_run(run),
        latents=as_path(latents),
        labels=as_path(labels),
        truth=as_path(truth),
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
    BusyError
        If another process is writing into the folder.

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
        with writing(Path(out)):
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
        as_run(run),
        labels=as_path(labels),
        names=names,
        sizes=sizes,
        network_sizes=network_sizes,
        n_draws=n_draws,
        latents=as_path(latents),
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

    return compare_runs([as_run(run) for run in runs])


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
    from stellar_tf.tables import write_table, writing_table

    with writing_table(as_path(out), overwrite=overwrite):
        similar = find_neighbours(as_run(run), str(spectrum), count, as_path(latents))
        if out is not None:
            write_table(similar.neighbours, Path(out), overwrite=overwrite)
    return similar
