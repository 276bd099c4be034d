"""All that the pages of one run share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.explore.dimensions import (
    ExploreError,
    MovableDimension,
    read_dimensions,
)
from stellar_tf.explore.observed import open_observed
from stellar_tf.explore.survey import Survey
from stellar_tf.explore.upload import read_upload
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run
from stellar_tf.tables import read_table
from tfrecords_tools.errors import UserError


class Subject(NamedTuple):
    """A spectrum one looks at."""

    name: str
    """Star and identifier."""
    row: int | None
    """Its row of the survey; None for a file that the survey does not have."""
    uploaded: bool
    """Whether it was sent to the page."""
    z_mean: NDArray[np.float32]
    """Its code, shape (n_latent,)."""
    width: NDArray[np.float32]
    """Standard deviations of its posterior, shape (n_latent,)."""
    observed: NDArray[np.float32] | None
    """Normalised flux, NaN at bad pixels, shape (n_pixels,); None if not at hand."""
    absence: str
    """Why there is no observed flux, or ``""``."""


class Explorer:
    """
    A run with its spectra, its latents and what the analysis found.

    Parameters
    ----------
    run : Run
        The run; analysed.
    records : Path or None
        Folder of its records, if it is not the one the run was fitted to.

    Raises
    ------
    ExploreError
        If a command has to be run first.
    GridError
        If the records stand on another grid than the run's.
    """

    def __init__(self, run: Run, records: Path | None = None) -> None:
        self.run = run
        self.config = run.read_config()
        if not run.latents_path.exists():
            raise ExploreError(
                f"{run.folder}: has no latents; run stellar-tf encode {run.folder} "
                f"RECORDS first"
            )
        latents = read_table(run.latents_path)
        if "z_mean" not in latents.colnames or not len(latents):
            raise ExploreError(f"{run.latents_path}: is no table of latents")
        dimensions = read_dimensions(run.analysis, np.asarray(latents["z_mean"]))
        self.survey = Survey(latents, dimensions, self.config.analysis)
        self.observed = open_observed(run, records)
        self.model = SpectrumModel.from_run(run)

    @property
    def dimensions(self) -> list[MovableDimension]:
        """The dimensions that can be moved."""
        return self.survey.dimensions

    @property
    def wave(self) -> NDArray[np.float64]:
        """Wavelengths of the pixels, shape (n_pixels,) [Angstrom]."""
        return self.model.wave

    def pick(self, row: int) -> Subject:
        """
        Take a spectrum of the survey.

        Parameters
        ----------
        row : int
            Its row.

        Returns
        -------
        subject : Subject
            With its observed flux, if the records have it.
        """
        dp_id, star = str(self.survey.dp_id[row]), str(self.survey.star[row])
        name = dp_id if star == dp_id else f"{star} ({dp_id})"
        absence = "" if self.observed else "the records of this run are not here"
        code = (self.survey.z_mean[row], self.survey.width[row])
        flux = None
        try:
            flux = self.observed.read(dp_id)
        except UserError as error:  # one bad record is no reason to give up
            absence = str(error)
        if flux is None:
            absence = absence or "the records do not have this spectrum"
            return Subject(name, row, False, *code, None, absence)
        normalised = self.model.normalise(flux)
        return Subject(name, row, False, *code, normalised, "")

    def receive(self, name: str, content: bytes) -> Subject:
        """
        Take a FITS file.

        Parameters
        ----------
        name : str
            What it is called.
        content : bytes
            The file.

        Returns
        -------
        subject : Subject
            Encoded by the run's model.

        Raises
        ------
        UploadError
            If it is not taken.
        """
        upload = read_upload(name, content, self.config)
        found = self.model.encode_flux(upload.flux)
        z_mean, width = found.z_mean[0], np.exp(0.5 * found.z_log_var[0])
        row = self.survey.find_copy(upload.dp_id, z_mean)
        title = f"{upload.target} ({upload.dp_id})" if upload.target else upload.dp_id
        normalised = self.model.normalise(upload.flux)
        return Subject(title, row, True, z_mean, width, normalised, "")
