"""The public functions that hand a run on."""

from __future__ import annotations

from pathlib import Path

from stellar_tf.api.arguments import StrPath, as_run
from stellar_tf.run import Run


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
    run = as_run(run)
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

    return write_page(as_run(run), Path(page), overwrite=overwrite)
