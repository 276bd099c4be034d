"""The sentences of the report: the verdict, and what each figure shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Row, Table

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.columns import NUISANCES
from stellar_tf.analysis.labels.units import UnitMap, name_label
from stellar_tf.analysis.traversal import Traversal
from stellar_tf.figures.labels import Pair
from stellar_tf.figures.spectra import Reconstructions, estimate_noise
from stellar_tf.report.sheets import format_number


class Headline(NamedTuple):
    """One large number of the page."""

    value: str
    """The number."""
    title: str
    """What it is."""
    note: str
    """Interval, sample size and the like."""


def describe_verdict(result: AnalysisResult) -> list[str]:
    """
    Say what was found.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.

    Returns
    -------
    sentences : list of str
        How many dimensions are independently informative, which repeat others, of which
        class they are, and what they follow.
    """
    found, level = result.independence, f"{100 * result.config.confidence:g}\u00a0%"
    verb = "dimension is" if found.n_independent == 1 else "dimensions are"
    sentences = [
        f"{found.n_independent} of {result.n_latent} latent {verb} independently "
        f"informative ({level} interval {found.n_low} to {found.n_high})."
    ]
    if result.series_of:
        sentences.append(
            f"All spectra are of one star, {result.series_of}: each counts as a star "
            "here. They are not independent, so that the intervals are too narrow."
        )
    redundant = result.verdict_table[result.verdict_table["repeats"] != ""]
    if len(redundant):
        words = ", ".join(
            f"z{row['dimension']} repeats {row['repeats']}" for row in redundant
        )
        n_more = "1 more is" if len(redundant) == 1 else f"{len(redundant)} more are"
        sentences.append(f"{n_more} informative but redundant: {words}.")
    if result.n_factors is not None:
        sentences.append(
            f"{result.n_factors} known factors varied: {', '.join(result.factors)}."
        )
    informative = result.verdict_table[result.verdict_table["informative"]]
    for kind, words in (
        ("stellar", "describe the star"),
        ("observational", "describe the observation"),
        ("undecided", "remain undecided: too few repeat visits, or no clear result"),
    ):
        names = [_name(row) for row in informative if row["kind"] == kind]
        if names:
            sentences.append(f"{', '.join(names)} {_agree(words, len(names))}.")
    sentences += _describe_blocks(informative, result.blocks)
    unexplained = [f"z{row['dimension']}" for row in informative if not row["tracks"]]
    if unexplained and result.associations.labels:
        sentences.append(
            f"{', '.join(unexplained)} {_agree('follow', len(unexplained))} "
            "no label that was given."
        )
    return sentences


def _name(row: Row) -> str:
    """Name a dimension, and what it tracks."""
    name = f"z{row['dimension']}"
    return f"{name} ({row['tracks']})" if row["tracks"] else name


def _describe_blocks(informative: Table, blocks: Sequence[str]) -> list[str]:
    """Say which dimensions visits of a star were made to agree in, and which do not."""
    if not blocks:
        return []
    n_stellar = blocks.count("stellar")
    sentences = [
        f"Trained on visits: the first {n_stellar} dimensions are the stellar block, "
        f"in which visits of a star were made to agree, the last "
        f"{len(blocks) - n_stellar} the observational one."
    ]
    for block, kind in (("stellar", "observational"), ("observational", "stellar")):
        against = (informative["block"] == block) & (informative["kind"] == kind)
        names = [f"z{row['dimension']}" for row in informative[against]]
        if names:
            sentences.append(
                f"In the {block} block, {', '.join(names)} "
                f"{_agree('describe', len(names))} the "
                f"{'star' if kind == 'stellar' else 'observation'} all the same."
            )
    return sentences


def describe_baselines(baselines: Table) -> list[str]:
    """
    Say where the network has learnt less than linear methods.

    Parameters
    ----------
    baselines : astropy.table.Table
        As `compare_with_components` lists them; it may have no rows.

    Returns
    -------
    sentences : list of str
        None if it is behind for no label; to know little of the exposure is no fault.
    """
    if not len(baselines):
        return []
    baselines = baselines[~np.isin(baselines["label"], NUISANCES)]
    sentences = []
    behind = baselines[baselines["behind"]]
    if len(behind):
        words = ", ".join(
            f"{row['label']} ({format_number(row['single'])} against "
            f"{format_number(max(row['pca'], row['ica']))})"
            for row in behind
        )
        sentences.append(
            "The network is behind PCA or FastICA: one of their components follows "
            f"these labels better than its best dimension, on held-out stars: {words}."
        )
    behind = baselines[baselines["ridge_behind"]]
    if len(behind):
        words = ", ".join(
            f"{row['label']} ({format_number(row['ridge'])} against "
            f"{format_number(row['ridge_pca'])})"
            for row in behind
        )
        sentences.append(
            "The network has learnt less than PCA: all dimensions together predict "
            f"these labels less well than as many principal components do: {words}."
        )
    return sentences


def choose_headlines(result: AnalysisResult) -> list[Headline]:
    """
    Choose the numbers at the top of the page.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.

    Returns
    -------
    headlines : list of Headline
        K, informative dimensions, K true if known, information, the labels rv and teff,
        leakage if anything is known of the exposures, stars.
    """
    found, verdict = result.independence, result.verdict
    level = f"{100 * result.config.confidence:g}\u00a0%"
    headlines = [
        Headline(
            str(found.n_independent),
            "independently informative dimensions",
            f"of {result.n_latent}; {level} interval {found.n_low}–{found.n_high}",
        ),
        Headline(
            str(verdict.n_informative),
            "informative dimensions",
            f"whether or not they repeat others; {level} interval "
            f"{verdict.n_low}–{verdict.n_high}",
        ),
    ]
    if result.n_factors is not None:
        headlines.append(Headline(str(result.n_factors), "true factors", "that varied"))
    informative = result.verdict_table["informative"]
    total = float(np.sum(result.verdict_table["information"][informative]))
    where = " in the stellar block" if result.blocks else ""
    headlines += [
        Headline(f"{total:.1f}", "nats in them", "sum over dimensions"),
        *(_label_headline(row) for row in result.label_table
          if row["label"] in ("rv", "teff") and row["spearman_dimension"] >= 0),
    ]  # fmt: skip
    if result.leakage.nuisances:
        leakage = result.leakage
        headlines.append(
            Headline(
                f"{leakage.total:.1f}",
                "nats of leakage",
                f"about the exposure{where}; {level} interval "
                f"{leakage.total_low:.1f}–{leakage.total_high:.1f}",
            )
        )
    headlines.append(_stars_headline(result))
    return headlines


def _stars_headline(result: AnalysisResult) -> Headline:
    n, held_out = f"{result.n_stars:,}", f"{result.n_held_out:,}"
    if result.series_of:
        return Headline(n, "spectra of one star", f"{held_out} of them held out")
    of_stars = f"{result.n_spectra:,} spectra, {held_out} stars held out"
    return Headline(n, "stars", of_stars)


def describe_pair(result: AnalysisResult, pair: Pair) -> str:
    """
    Give the numbers of a dimension and a label.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.
    pair : Pair
        The dimension and the label.

    Returns
    -------
    caption : str
        Mutual information and rank correlation, with intervals and N.
    """
    table = result.association_table
    row = table[
        (table["dimension"] == pair.dimension) & (table["label"] == pair.label)
    ][0]
    text = f"Mutual information {_interval(row, 'mi')} nat, "
    if np.isfinite(row["spearman"]):  # categories have no ranks
        text += f"Spearman {_interval(row, 'spearman')}, "
    text += f"{row['n_stars']:,} stars."
    best = result.label_table[result.label_table["label"] == pair.label][0]
    if best["spearman_dimension"] == pair.dimension and np.isfinite(
        best["spearman_held_out"]
    ):
        text += (
            f" On {best['n_held_out']:,} held-out stars: Spearman "
            f"{_interval(best, 'spearman_held_out')}."
        )
    return text


def describe_precision(precision: Table, label: str) -> str:
    """
    Give the widths of a label, and how far above their bound they are.

    Parameters
    ----------
    precision : astropy.table.Table
        As of `stellar_tf.report.precision.measure_precision`.
    label : str
        The label.

    Returns
    -------
    caption : str
        Medians, and N.
    """
    rows = precision[precision["label"] == label]
    unit = str(rows["unit"][0])
    width = f"{np.median(rows['width']):.2g} {unit}".rstrip()
    text = f"Median width {width}, {len(rows):,} held-out spectra."
    bounded = rows[np.isfinite(rows["bound"])]
    if not len(bounded):
        return text
    bound = f"{np.median(bounded['bound']):.2g} {unit}".rstrip()
    ratio = np.median(bounded["width"] / bounded["bound"])
    return (
        f"{text} Bound {bound}, width over bound {ratio:.2g} (medians of "
        f"{len(bounded):,})."
    )


def describe_traversal(
    traversal: Traversal, row: int, unit_maps: Sequence[UnitMap] = ()
) -> str:
    """
    Give the range of a traversal.

    Parameters
    ----------
    traversal : Traversal
        Decoded spectra.
    row : int
        Which of its dimensions.
    unit_maps : sequence of UnitMap
        Of dimensions that track a label.

    Returns
    -------
    caption : str
        First and last position, in the unit of a label if one is tracked, and the
        number of steps.
    """
    positions = traversal.positions[row]
    caption = (
        f"z{traversal.dimensions[row]} from {format_number(positions[0])} (blue) to "
        f"{format_number(positions[-1])} (red) in {positions.size} steps; the "
        "largest change of the normalised flux is "
        f"{format_number(float(traversal.change[row].max()))}."
    )
    for found in unit_maps:
        if found.dimension == traversal.dimensions[row]:
            first, last = (
                found.describe(float(positions[end])).replace(" -", " \u2212")
                for end in (0, -1)
            )
            caption += f" From {first} to {last}"
            if np.isfinite(found.error):
                unit = name_label(found.label)[1]
                caption += (
                    f"; median error on {found.n_held_out:,} held-out stars "
                    f"{found.error:.3g} {unit}".rstrip()
                )
            caption += "."
    return caption


def describe_residual(reconstructions: Reconstructions, row: int) -> str:
    """
    Give the size of a residual.

    Parameters
    ----------
    reconstructions : Reconstructions
        Example spectra.
    row : int
        Which of them.

    Returns
    -------
    caption : str
        Mean absolute residual, the number of valid pixels, the root mean square in
        units of the noise, and the star's velocity if it is known.
    """
    residual = reconstructions.flux[row] - reconstructions.reconstruction[row]
    residual = residual[np.isfinite(residual)]
    if not residual.size:
        return "No valid pixel."
    caption = (
        f"Mean absolute residual {format_number(float(np.abs(residual).mean()))} of "
        f"the median flux over {residual.size:,} valid pixels."
    )
    noise = estimate_noise(reconstructions.flux[row])
    if noise > 0.0:
        size = float(np.sqrt(np.mean(np.square(residual, dtype=np.float64)))) / noise
        caption += (
            f" Root mean square {format_number(size)} σ, where σ = "
            f"{format_number(noise)} is the noise of a pixel (Stoehr et al. 2008)."
        )
    rv = float(reconstructions.rv[row])
    if np.isfinite(rv):
        velocity = f"{rv:z.1f}".replace("-", "\u2212")
        caption += f" Lines are marked at the star's velocity, {velocity}\u00a0km/s."
    return caption


def _interval(row: Row, name: str) -> str:
    value, low, high = (format_number(row[name + end]) for end in ("", "_low", "_high"))
    return f"{value} [{low}, {high}]"


def _label_headline(row: Row) -> Headline:
    title = f"|Spearman| of {row['label']} and z{row['spearman_dimension']}"
    if np.isfinite(row["spearman_held_out"]):
        return Headline(
            format_number(abs(row["spearman_held_out"])),
            title,
            f"on {row['n_held_out']:,} held-out stars",
        )
    return Headline(
        format_number(abs(row["spearman"])), title, f"{row['n_stars']:,} stars"
    )


def _agree(words: str, n: int) -> str:
    verb, _, rest = words.partition(" ")
    return f"{verb}s {rest}".strip() if n == 1 else words
