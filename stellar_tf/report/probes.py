"""What the frozen latents of a run predict from few labels."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import ESTIMATES, NUISANCES, LatentsError
from stellar_tf.analysis.files import (
    MODEL_SHA256,
    PROBES,
    check_new,
    table_path,
    write_named,
)
from stellar_tf.analysis.labels.baselines import (
    average_pixels,
    fill_bad_pixels,
    find_principal_components,
)
from stellar_tf.analysis.labels.probe_table import (
    NETWORK,
    describe_probes,
    list_mad,
    tabulate_probes,
)
from stellar_tf.analysis.labels.probes import (
    N_DRAWS,
    SIZES,
    TRAINING,
    Probe,
    ProbePlan,
    SizesError,
    build_probes,
    check_sizes,
    count_fits,
    plan_probes,
    predict_group,
)
from stellar_tf.analysis.latents import HELD_OUT, Codes, read_codes
from stellar_tf.config import AnalysisConfig, Config, load_label_config
from stellar_tf.config.files import suggest
from stellar_tf.figures.probes import draw_probes
from stellar_tf.report.star_spectra import read_spectra
from stellar_tf.run import Run
from stellar_tf.tables import join_labels, read_table
from tfrecords_tools.lock import writing
from tfrecords_tools.progress import show_progress
from tfrecords_tools.records.manifest import ManifestError, hash_file, read_manifest
from tfrecords_tools.records.schema import SPECTRUM_NAMES

if TYPE_CHECKING:
    import keras
    import plotly.graph_objects as go

N_NETWORK_DRAWS = 3
"""Draws of labelled stars for which a network is trained."""
MAX_TRAINING, MAX_HELD_OUT = 4_000, 2_000
"""Stars of these splits that enter, at most, drawn at random."""


@dataclass(frozen=True, eq=False)
class RunProbes:
    """How well the latents of a run predict labels, beside what else does."""

    run: Run
    """The run."""
    table: Table
    """A row per label, features, method and number of labelled stars."""
    notes: tuple[str, ...]
    """What there is to say of labels and stars, in lines."""

    @property
    def path(self) -> Path:
        """Where `save` writes the table, and the report looks for it."""
        return table_path(self.run.analysis, PROBES)

    @property
    def summary(self) -> Table:
        """MAD, a column per number of labelled stars."""
        return list_mad(self.table)

    @property
    def sentences(self) -> list[str]:
        """What the labels are worth with latents, and without them."""
        return describe_probes(self.table)

    def save(self, *, overwrite: bool = False) -> Path:
        """
        Write the table into the run; its next report shows the curves.

        Parameters
        ----------
        overwrite : bool, default False
            Whether to replace a table that is there.

        Returns
        -------
        path : Path
            The table.

        Raises
        ------
        TablesExistError
            If the table exists and may not be replaced.
        """
        write_named({PROBES: self.table}, self.run.analysis, overwrite=overwrite)
        return self.path

    def plot(self) -> go.Figure:
        """
        Draw the scores against the number of labelled stars.

        Returns
        -------
        figure : plotly.graph_objects.Figure
            A row a label.
        """
        return draw_probes(self.table)


def probe_run(
    run: Run,
    *,
    latents: Path | None = None,
    labels: Path | None = None,
    names: Sequence[str] = (),
    sizes: Sequence[int] = SIZES,
    network_sizes: Sequence[int] | None = None,
    n_draws: int = N_DRAWS,
    settings: Mapping[str, Any] | Iterable[str] = (),
    save: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> RunProbes:
    """
    Predict labels from the frozen latents of a run, and from what else there is.

    Parameters
    ----------
    run : Run
        Encoded.
    latents : Path, optional
        Table of latents; by default the run's.
    labels : Path, optional
        Table of known parameters; by default the labels of the records.
    names : sequence of str
        Labels to predict; by default all with numbers that do not describe the
        exposure.
    sizes : sequence of int
        Numbers of labelled stars.
    network_sizes : sequence of int, optional
        Those with which networks are trained, too; by default all, none if empty.
    n_draws : int
        Draws of labelled stars, `N_NETWORK_DRAWS` of them for networks.
    settings : mapping of str or iterable of str
        Changes to how tables of labels are read.
    save : bool, default False
        Whether to write the table into the run.
    overwrite : bool, default False
        Whether to replace one that is there.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    probes : RunProbes
        Table and notes; of latents alone if the records have been moved.

    Raises
    ------
    RunError
        If the folder is no run, or has no model.
    TableError
        If the latents cannot be read.
    LabelError
        If the table of labels cannot be used.
    LatentsError
        If a label does not exist, or none can be predicted.
    TablesExistError
        If there is a table that may not be replaced.
    SizesError
        If a number of labelled stars is too small, networks are wanted for another, or
        there are no draws.
    BusyError
        If another process is writing such a table.
    """
    sizes = check_sizes(sizes)
    if n_draws < 1:
        raise SizesError(f"n_draws must be 1 or more, got {n_draws}")
    wanted = frozenset(sizes if network_sizes is None else network_sizes)
    if not wanted <= set(sizes):
        raise SizesError(
            f"network_sizes must be some of sizes, {list(sizes)}, got {sorted(wanted)}"
        )
    config = run.read_config()
    model_sha256 = hash_file(run.find_model())
    with ExitStack() as stack:
        if save:  # refused before the work, not after it
            check_new([PROBES], run.analysis, overwrite=overwrite)
            stack.enter_context(writing(run.analysis))
            check_new([PROBES], run.analysis, overwrite=overwrite)
        read = _read_stars(run, latents, labels, names, settings)
        found = _probe(run, config, *read, sizes, wanted, n_draws, progress=progress)
        found.table.meta[MODEL_SHA256] = model_sha256
        if save:
            found.save(overwrite=overwrite)
    return found


def _probe(
    run: Run,
    config: Config,
    stars: Codes,
    units: dict[str, str],
    notes: list[str],
    sizes: Sequence[int],
    wanted: frozenset[int],
    n_draws: int,
    *,
    progress: bool,
) -> RunProbes:
    plan = plan_probes(
        stars.labels, stars.split, sizes, n_draws=n_draws, seed=config.analysis.seed
    )
    left_out = [f"label left out: {n}: {why}" for n, why in plan.left_out.items()]
    if not plan.groups:
        raise LatentsError(f"no label can be predicted; {'; '.join(left_out)}")
    with ExitStack() as stack:
        probes = build_probes("latents", stars.z_mean)
        try:
            probes += _probe_spectra(run, stars, config, plan, wanted, stack)
        except ManifestError as error:
            notes.append(f"latents alone, without spectra: {error}")
        n_fits = sum(count_fits(group, probes) for group in plan.groups)
        advance = stack.enter_context(show_progress("probing", n_fits, progress))
        found = [
            (group, predict_group(group, probes, advance)) for group in plan.groups
        ]
    table = tabulate_probes(found, units, config.analysis)
    return RunProbes(run, table, (*notes, *left_out, *plan.cuts))


def _read_stars(
    run: Run,
    latents: Path | None,
    labels: Path | None,
    names: Sequence[str],
    settings: Mapping[str, Any] | Iterable[str],
) -> tuple[Codes, dict[str, str], list[str]]:
    """Read one spectrum per star with the labels to predict, and their units."""
    config = run.read_config()
    table = read_table(latents or run.latents_path)
    notes: list[str] = []
    if labels is None:
        offered = [*config.analysis.labels] or [
            name for name in table.colnames if _may_be_label(table, name)
        ]
    else:
        joined = join_labels(table, labels, load_label_config(config, settings))
        offered, notes = [*joined.names], [*joined.lines]
    for name in names:
        if name not in (*offered, *NUISANCES) or name not in table.colnames:
            raise LatentsError(
                f"names: no label {name!r}, only {', '.join(offered) or 'none'}"
                f"{suggest(name, offered)}"
            )
    chosen = [*names] or [name for name in offered if name not in NUISANCES]
    if not chosen:
        raise LatentsError(
            f"{run.folder}: its records have no labels; pass a table as labels"
        )
    codes = read_codes(table, config.analysis, labels=chosen, factors=())
    codes = _draw_stars(codes, config.analysis)
    units = {name: str(table[name].unit or "") for name in chosen}
    return codes._replace(labels={n: codes.labels[n] for n in chosen}), units, notes


def _may_be_label(table: Table, name: str) -> bool:
    # Means and variances are the only columns of vectors.
    not_labels = {"star", "split", "valid_fraction", "flags"} | SPECTRUM_NAMES
    is_told = name in not_labels or name.endswith(ESTIMATES)
    return table[name].ndim == 1 and not is_told


def _draw_stars(codes: Codes, config: AnalysisConfig) -> Codes:
    """Take one spectrum per star of the splits for training and held out."""
    stars = codes.one_per_star(seed=config.seed)
    rng = np.random.default_rng(config.seed)
    limits = {TRAINING: MAX_TRAINING, HELD_OUT: MAX_HELD_OUT}
    rows = [
        rng.permutation(np.flatnonzero(stars.split == split))[:n_most]
        for split, n_most in limits.items()
    ]
    return stars.take(np.sort(np.concatenate(rows)))


def _probe_spectra(
    run: Run,
    stars: Codes,
    config: Config,
    plan: ProbePlan,
    network_sizes: frozenset[int],
    stack: ExitStack,
) -> list[Probe]:
    """Make the probes that need the spectra of the stars."""
    manifest = read_manifest(Path(run.read_records()["folder"]))
    # TensorFlow comes after what a mistake is seen without.
    from stellar_tf.inference.spectrum_model import SpectrumModel
    from stellar_tf.network.model import load_autoencoder

    rows = {str(dp_id): row for row, dp_id in enumerate(stars.dp_id)}
    # The network needs all pixels, which may be more than memory holds.
    # Without a name, so that no kill leaves it.
    file = tempfile.TemporaryFile(dir=run.folder)  # noqa: SIM115 (the stack closes it)
    stack.enter_context(file)
    shape = (len(rows), config.grid.n_pixels)
    # A disk that is full later would end the process without a word.
    os.posix_fallocate(file.fileno(), 0, 4 * math.prod(shape))
    flux = np.memmap(file, np.float32, "r+", shape=shape)
    averaged: NDArray[np.float32] | None = None
    n_read = 0
    for row, spectrum in read_spectra(rows, SpectrumModel.from_run(run), manifest):
        flux[row], few = spectrum, average_pixels(spectrum)
        if averaged is None:
            averaged = np.empty((len(rows), few.size), np.float32)
        averaged[row] = few
        n_read += 1
    if averaged is None or n_read < len(rows):
        raise ManifestError(
            f"{manifest.folder}: has {n_read:,} of the {len(rows):,} spectra wanted"
        )
    seen = stars.split == TRAINING
    filled = fill_bad_pixels(averaged, seen)
    components = find_principal_components(
        filled, seen, stars.z_mean.shape[1], config.analysis.seed
    )
    probes = [*build_probes("pca", components), *build_probes("pixels", filled)]
    if network_sizes:
        encoder = load_autoencoder(run).get_layer("encoder")
        train = partial(_train_network, flux, config, encoder.get_layer("standardise"))
        probes.append(Probe(NETWORK, NETWORK, train, network_sizes, N_NETWORK_DRAWS))
    return probes


def _train_network(
    flux: NDArray[np.float32],
    config: Config,
    standardise: keras.layers.Layer,
    rows: NDArray[np.intp],
    values: NDArray[np.float64],
    others: NDArray[np.intp],
) -> NDArray[np.float64]:
    from stellar_tf.training.supervised import predict_supervised

    seed = config.analysis.seed
    return predict_supervised(
        config, standardise, flux[rows], values, flux[others], seed=seed
    )
