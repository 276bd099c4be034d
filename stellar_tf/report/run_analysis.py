"""The analysis of a run: its tables, its figures and its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from stellar_tf import __version__
from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.analysis.files import (
    JOINT_MAPS_NAME,
    AnalysisError,
    list_tables,
    read_probes,
    write_named,
)
from stellar_tf.analysis.labels.joint_map_file import save_joint_maps
from stellar_tf.analysis.traversal import Traversal, traverse
from stellar_tf.config import Config, Factors, SimulateConfig, load_label_config
from stellar_tf.figures.dimensions import draw_associations, draw_dimensions
from stellar_tf.figures.spectra import Reconstructions, draw_traversal
from stellar_tf.history import read_history
from stellar_tf.report.commit import find_commit
from stellar_tf.report.precision import fits_grid, measure_precision
from stellar_tf.report.star_spectra import measure_baselines
from stellar_tf.report.write import Provenance, write_report
from stellar_tf.run import Run
from stellar_tf.simulator.simulate import read_simulation
from stellar_tf.tables import TableError, join_labels, read_table
from tfrecords_tools.durable import remove_partial_of
from tfrecords_tools.lock import writing
from tfrecords_tools.records.manifest import Manifest, ManifestError, read_manifest

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from stellar_tf.inference.spectrum_model import SpectrumModel

N_EXAMPLES = 3
"""Reconstructions in the report."""
_MAX_PIXELS = 4_000
_UNUSED = ("history",)
"""The longest column of latents, of which the analysis has no use."""


@dataclass(frozen=True, eq=False)
class RunAnalysis:
    """What the analysis of a run found, ready to look at and to write."""

    run: Run
    """The run."""
    result: AnalysisResult
    """Every number, as arrays and tables."""
    notes: tuple[str, ...] = ()
    """What there is to say of tables of labels and of probes, in lines."""
    latents: Table = field(default_factory=Table)
    """Every spectrum, with what is known of it."""
    simulation: SimulateConfig | None = None
    """How the spectra were simulated, if on the run's grid."""

    @property
    def report_path(self) -> Path:
        """Where `save` writes the report."""
        return self.run.report_path

    @property
    def n_independent(self) -> int:
        """K: the number of independently informative dimensions."""
        return self.result.independence.n_independent

    @property
    def n_informative(self) -> int:
        """The number of informative dimensions, whether or not they repeat others."""
        return self.result.verdict.n_informative

    @property
    def verdict(self) -> Table:
        """The evidence of each method, one row a dimension, most informative first."""
        return self.result.verdict_table

    @property
    def tables(self) -> dict[str, Table]:
        """Every table of the analysis, by the name of its file."""
        return list_tables(self.result, self.traversal, self.baselines, self.precision)

    @cached_property
    def model(self) -> SpectrumModel:
        """The best model of the run."""
        # TensorFlow comes after what a mistake is seen without.
        from stellar_tf.inference.spectrum_model import SpectrumModel

        return SpectrumModel.from_run(self.run)

    @cached_property
    def baselines(self) -> Table:
        """PCA, FastICA and ridge regressions beside the best dimension of each label.

        Without rows if the records have been moved, or there is nothing to try.
        """
        manifest = self._read_manifest()
        if manifest is None:
            return Table()
        return measure_baselines(
            self.result.stars,
            self.result.label_table,
            self.model,
            manifest,
            self.result.config,
        )

    @cached_property
    def precision(self) -> Table:
        """Widths of estimated labels against S/N, with the bound of simulated spectra.

        Without rows if no dimension tracks a label, or the S/N is not known.
        """
        maps = self.result.unit_maps, self.result.joint_maps
        return measure_precision(self.latents, *maps, self.simulation)

    @cached_property
    def traversal(self) -> Traversal:
        """Spectra along the informative dimensions."""
        return traverse(
            self.model.decode,
            self.model.wave,
            self.result.stars["z_mean"],
            self.result.verdict.dimensions,
            n=self.result.config.n_traversal,
        )

    def report(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """
        Write everything as one HTML file that needs no network.

        Parameters
        ----------
        path : str or Path
            The file.
        overwrite : bool, default False
            Whether it may exist.

        Returns
        -------
        path : Path
            The file.

        Raises
        ------
        TableError
            If the file exists and may not be replaced.

        Examples
        --------
        >>> result = st.analyze("run")
        >>> result.report("verdict.html").stat().st_size > 1_000_000
        True
        """
        path = Path(path)
        _refuse_existing(path, overwrite=overwrite)
        write_report(
            self.result,
            path,
            traversals=self.traversal,
            reconstructions=self._reconstruct(),
            baselines=self.baselines,
            precision=self.precision,
            probes=_read_probes(self.run)[0],
            history=self._read_history(),
            provenance=self._describe_origin(),
        )
        return path

    def save(self, *, overwrite: bool = False) -> Path:
        """
        Write tables and report into the run, where later commands look for them.

        Parameters
        ----------
        overwrite : bool, default False
            Whether to replace an analysis that is there.

        Returns
        -------
        report : Path
            The report; the tables are beside it.

        Raises
        ------
        TableError
            If the report exists and may not be replaced.
        TablesExistError
            If a table exists and may not be replaced.
        """
        _refuse_existing(self.report_path, overwrite=overwrite)
        remove_partial_of(self.report_path)
        write_named(self.tables, self.run.analysis, overwrite=overwrite)
        joint_maps = self.run.analysis / JOINT_MAPS_NAME
        remove_partial_of(joint_maps)
        save_joint_maps(self.result.joint_maps, joint_maps)
        return self.report(self.report_path, overwrite=overwrite)

    def plot_dimensions(self) -> go.Figure:
        """
        Draw the information and the dispersion of every dimension.

        Returns
        -------
        figure : plotly.graph_objects.Figure
            With the thresholds, and what the informative dimensions track.
        """
        return draw_dimensions(self.result)

    def plot_labels(self) -> go.Figure:
        """
        Draw the mutual information of informative dimensions with labels.

        Returns
        -------
        figure : plotly.graph_objects.Figure
            A row a dimension, a column a label.
        """
        return draw_associations(self.result)

    def plot_traversal(self, dimension: int) -> go.Figure:
        """
        Draw what moving an informative dimension does to the spectrum.

        Parameters
        ----------
        dimension : int
            The dimension.

        Returns
        -------
        figure : plotly.graph_objects.Figure
            Where the spectrum changes, the spectra, and their differences.

        Raises
        ------
        ValueError
            If the dimension is not informative.
        """
        rows = np.flatnonzero(self.traversal.dimensions == dimension)
        if not rows.size:
            raise ValueError(
                f"dimension must be one of the informative ones, "
                f"{self.traversal.dimensions.tolist()}, got {dimension}"
            )
        return draw_traversal(self.traversal, int(rows[0]), max_pixels=_MAX_PIXELS)

    def _reconstruct(self) -> Reconstructions:
        manifest = self._read_manifest()
        if manifest is None:
            nothing = np.empty((0, self.model.wave.size), np.float32)
            unknown = np.empty(0, np.float32)
            return Reconstructions(self.model.wave, (), nothing, nothing, unknown)
        return self.model.reconstruct_records(manifest, N_EXAMPLES)

    def _read_manifest(self) -> Manifest | None:
        try:
            return read_manifest(Path(self.run.read_records()["folder"]))
        except ManifestError:  # the records have been moved: a report without them
            return None

    def _read_history(self) -> Table | None:
        needed = [p + term for p in ("", "val_") for term in ("loss", "flux_mae", "kl")]
        names, rows, _ = read_history(self.run.history_path, ["step", *needed])
        if not rows:
            return None  # the weights come from elsewhere
        return Table(np.array(rows, np.float64), names=names)

    def _describe_origin(self) -> Provenance:
        config = self.run.read_config()
        return Provenance(
            version=__version__,
            commit=find_commit(),
            run=str(self.run.folder),
            manifest_sha256=self.run.read_records()["manifest_sha256"],
            seed=config.analysis.seed,
            splits=config.analysis.splits,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            config=self.run.config_path.read_text(encoding="utf-8"),
        )


def analyze_run(
    run: Run,
    *,
    latents: Path | None = None,
    labels: Path | None = None,
    truth: Path | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
    save: bool = False,
    overwrite: bool = False,
) -> RunAnalysis:
    """
    Say which dimensions of a run carry information, and about what.

    Parameters
    ----------
    run : Run
        Encoded.
    latents : Path, optional
        Table of latents; by default the run's.
    labels : Path, optional
        Table of known parameters; by default the labels of the records.
    truth : Path, optional
        Table of the true factors of simulated spectra, which scores the verdict.
    settings : mapping of str or iterable of str
        Changes to how these tables are read, one of `LABEL_SETTINGS`.
    save : bool, default False
        Whether to write tables and report into the run.
    overwrite : bool, default False
        Whether to replace those that are there.

    Returns
    -------
    analysis : RunAnalysis
        What was found.

    Raises
    ------
    RunError
        If the folder is no run.
    TableError
        If the latents cannot be read.
    LabelError
        If a table of labels cannot be used.
    LatentsError
        If the latents cannot be analysed.
    BusyError
        If another process is writing an analysis into the run.
    """
    config = run.read_config()
    if save:  # refused before the work, not after it
        _refuse_existing(run.report_path, overwrite=overwrite)
        with writing(run.analysis):
            _refuse_existing(run.report_path, overwrite=overwrite)
            analysis = _analyze(run, config, latents, labels, truth, settings)
            analysis.save(overwrite=overwrite)
            return analysis
    return _analyze(run, config, latents, labels, truth, settings)


def _analyze(
    run: Run,
    config: Config,
    latents: Path | None,
    labels: Path | None,
    truth: Path | None,
    settings: Mapping[str, Any] | Iterable[str],
) -> RunAnalysis:
    table = read_table(latents or run.latents_path, leave_out=_UNUSED)
    label_config = load_label_config(config, settings)
    notes = _read_probes(run)[1]
    for known in (labels, truth):
        if known is not None:
            notes += join_labels(table, known, label_config).lines
    factors = [] if truth is None else _list_factors(table)
    result = analyze(table, config.analysis, factors=factors, blocks=config.blocks)
    return RunAnalysis(
        run, result, tuple(notes), table, _find_simulation(truth, config)
    )


def _read_probes(run: Run) -> tuple[Table, list[str]]:
    """Read the table of probes if it is of this model; else say so."""
    try:
        return read_probes(run.analysis, run.find_model()), []
    except AnalysisError as error:
        return Table(), [f"left out of the report: {error}"]


def _find_simulation(truth: Path | None, config: Config) -> SimulateConfig | None:
    """Find how spectra were simulated, from what is beside the truth about them."""
    found = None if truth is None else read_simulation(truth.parent)
    return found if found is not None and fits_grid(found, config.grid) else None


def _list_factors(latents: Table) -> list[str]:
    # The level of the noise changes no spectrum's expectation: there is nothing in
    # it that a reconstruction could follow.
    names = set(Factors.model_fields) - {"log_snr"}
    return [name for name in latents.colnames if name in names]


def _refuse_existing(report: Path, *, overwrite: bool) -> None:
    if report.exists() and not overwrite:
        raise TableError(f"{report}: exists; pass overwrite=True to replace it")
