"""What the page says, as HTML; whatever comes from files is escaped."""

from __future__ import annotations

from html import escape

import numpy as np

from stellar_tf.explore.colouring import Colouring
from stellar_tf.explore.dimensions import MovableDimension
from stellar_tf.explore.explorer import Explorer, Subject
from stellar_tf.explore.session import Session
from stellar_tf.explore.spectrum_figure import LOOKS
from stellar_tf.report.sheets import format_number

_SHAPES = {
    "circle": "●", "triangle": "▲", "square": "■", "diamond": "◆",
    "inverted_triangle": "▼", "cross": "+", "x": "×",
}  # fmt: skip
_ROLES = {
    "observed": "observed",
    "start": "start, decoded",
    "changed": "changed, decoded",
    "reconstruction": "reconstruction",
}


def describe_run(explorer: Explorer) -> str:
    """
    Say what there is to look at.

    Parameters
    ----------
    explorer : Explorer
        The run.

    Returns
    -------
    html : str
        A sentence or two.
    """
    survey = explorer.survey
    n_found = sum(dimension.informative for dimension in explorer.dimensions)
    n_independent = sum(dimension.independent for dimension in explorer.dimensions)
    n_latent = survey.z_mean.shape[1]
    verb = "is" if n_found == 1 else "are"
    words = (
        f"{len(survey):,} spectra of {survey.n_stars:,} stars; {n_found} of {n_latent} "
        f"latent dimensions {verb} informative, {n_independent} of them independently."
    )
    if not n_found:
        words += " No dimension was found to be informative, so all are shown."
    if not explorer.observed:
        words += (
            " The records of this run were not found, so observed spectra are not "
            "shown (stellar-tf explore --records)."
        )
    return words


def describe_subject(explorer: Explorer, subject: Subject) -> str:
    """
    Say which spectrum is the start and how unusual it is.

    Parameters
    ----------
    explorer : Explorer
        The run.
    subject : Subject
        The start.

    Returns
    -------
    html : str
        Its name, its outlier score and what is known of it.
    """
    survey = explorer.survey
    words = f"<strong>{escape(subject.name)}</strong>"
    if subject.uploaded:
        words += " — your file" + (
            ", which is also in the survey" if subject.row is not None else ""
        )
    elif subject.row is not None and survey.split[subject.row]:
        words += f" — {escape(str(survey.split[subject.row]))} split"
    outlier = survey.score_outlier(subject.z_mean, subject.row)
    words += (
        f"<br>Outlier score {outlier.score:.2f} (local outlier factor, 1 within a "
        f"crowd): more unusual than {100.0 * outlier.share:.0f}&nbsp;% of the survey."
    )
    if subject.observed is not None and subject.uploaded:
        covered = float(np.isfinite(subject.observed).mean())
        words += f" It covers {100.0 * covered:.0f}&nbsp;% of the grid."
    if subject.absence:
        words += f"<br>Observed flux not shown: {escape(subject.absence)}."
    return words + _list_labels(explorer, subject)


def draw_curve_legend(session: Session) -> str:
    """
    Explain the curves.

    Parameters
    ----------
    session : Session
        Its mode and neighbours.

    Returns
    -------
    html : str
        A line sample and a name for each curve of the upper panel.
    """
    entries = []
    for panel, role in session.curves():
        if panel == "flux":
            name = _ROLES.get(role, "")
            if not name:
                neighbour = session.neighbours[int(role.rpartition(" ")[2]) - 1]
                name = f"{role}, {session.explorer.survey.star[neighbour.row]}"
            look = LOOKS[role]
            entries.append(
                f'<span class="entry"><svg width="26" height="8" aria-hidden="true">'
                f'<line x1="0" y1="4" x2="26" y2="4" stroke="{look.colour}" '
                f'stroke-width="{look.width + 1.0}" opacity="{look.opacity}" '
                f'stroke-dasharray="{_DASHES[look.dash]}"/></svg>'
                f"{escape(name)}</span>"
            )
    return f'<div class="legend">{"".join(entries)}</div>'


def draw_point_legend(colouring: Colouring, label: str, unit: str) -> str:
    """
    Explain the colours of the points.

    Parameters
    ----------
    colouring : Colouring
        Of the points.
    label : str
        Name of the label.
    unit : str
        Its unit, or ``""``.

    Returns
    -------
    html : str
        A ramp with its ends, or an entry for each category.
    """
    parts = []
    if colouring.ends is not None:
        low, high = (format_number(value) for value in colouring.ends)
        named = escape(f"{label} [{unit}]" if unit else label)
        parts.append(
            f'<span class="entry">{named}: {low}<span class="ramp"></span>{high}</span>'
        )
    parts += [
        f'<span class="entry"><span style="color:{entry.colour}">'
        f"{_SHAPES[entry.marker]}</span> {escape(entry.text)}</span>"
        for entry in colouring.legend
    ]
    return f'<div class="legend">{"".join(parts)}</div>'


def describe_value(session: Session, dimension: MovableDimension) -> str:
    """
    Say what the value of a dimension means.

    Parameters
    ----------
    session : Session
        Its code; the interval is as wide as the posterior of its start.
    dimension : MovableDimension
        The dimension.

    Returns
    -------
    html : str
        The label in its unit; empty if the dimension tracks none closely.
    """
    if dimension.unit_map is None:
        return ""
    z, width = (code[dimension.index] for code in (session.z, session.start.width))
    return escape(dimension.unit_map.describe(float(z), float(width)))


def describe_move(session: Session) -> str:
    """
    Say how far the code has been moved.

    Parameters
    ----------
    session : Session
        Its code and its start.

    Returns
    -------
    html : str
        The dimensions moved and by how much, and the largest change of the flux.
    """
    moved = session.z - session.start.z_mean
    parts = [
        f"{escape(d.name)} by {moved[d.index]:+.2f}".replace("-", "−")
        for d in session.explorer.dimensions
        if abs(moved[d.index]) > _STILL
    ]
    if not parts:
        return "Nothing is moved: the changed spectrum is the start's."
    change = float(np.abs(session.changed - session.reconstruction).max())
    return (
        f"Moved {', '.join(parts)}; the flux changes by up to {format_number(change)} "
        "of its median."
    )


def _list_labels(explorer: Explorer, subject: Subject) -> str:
    if subject.row is None:
        return ""
    survey, entries = explorer.survey, []
    for name, values in survey.labels.items():
        value = values[subject.row]
        text = str(value) if values.dtype.kind != "f" else _number(float(value))
        unit = f" {survey.units[name]}" if survey.units[name] and text != "–" else ""
        if len(text) <= _LONGEST_LABEL:
            entries.append(f"<span><i>{escape(name)}</i> {escape(text + unit)}</span>")
    return f'<div class="labels">{"".join(entries)}</div>' if entries else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000.0 else format_number(value)


_DASHES = {"solid": "none", "dashed": "6", "dotted": "2 4", "dashdot": "2 4 6 4"}
_STILL = 1e-4
_LONGEST_LABEL = 40
