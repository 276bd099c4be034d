"""
What a run by the recipe finds in real stars, beside a principal component analysis.

    python benchmarks/real_stars.py --data FOLDER --out FOLDER
        [--surveys lamost miles apogee alpha_cen_b_o2b] [--seeds 0 1 2 3 4]
        [--set KEY=VALUE ...] [--refine]

FOLDER holds for each survey the folder of its files and NAME_labels.csv: spectra of
LAMOST DR10, the MILES library, aspcapStar files of APOGEE DR10, and HARPS exposures
of alpha Cen B at 6560-6911 Angstrom. Spectra in the rest frame of their star become
visits: copies whose wavelengths are shifted by a velocity that is drawn.

Nothing but the grid and the way of splitting is set. For each label the dimension is
chosen on the training stars and tried on the test stars; printed are the |Spearman|
there, median over the seeds and the worst, and beside it the best of 16 principal
components of the same spectra, chosen and tried alike, and what two regressions on all
dimensions find, which are taught the labels of the training stars: ridge, and a random
forest; the forest on the components, too. What is there already is not made again.
--set changes a setting of the fits (into another --out), such as objective.visits=4.
--refine analyses each run, prints what its dimensions follow, refines it, and judges
the refined run alike. benchmarks/real_star_figures.py draws what was found.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestRegressor

import stellar_tf as st
from stellar_tf.batches.dataset import build_evaluation_dataset
from stellar_tf.run import Run
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.split import SPLITS

SPEED_OF_LIGHT = 299_792.458  # km/s
N_COMPONENTS = 16
SPLIT = "convert.split={train: 0.7, validation: 0.1, test: 0.2}"

AXES = {
    "rv": "radial velocity of the survey [km/s]",
    "teff": "effective temperature of the survey [K]",
    "mh": "metallicity of the survey [dex]",
    "berv": "barycentric velocity [km/s]",
}

Draw = Callable[[np.random.Generator], float]


@dataclass(frozen=True)
class Survey:
    """Where spectra stand and which labels are known of them."""

    grid: dict[str, object]
    labels: tuple[str, ...]
    split_by: str = "star"
    n_visits: int = 1
    draw: Draw | None = None
    """A velocity of a visit [km/s]; None: the spectra keep their own."""


SURVEYS = {
    "lamost": Survey(
        {"wave_min": 3900.0, "wave_step": 0.8146, "n_pixels": 2048, "spacing": "log"},
        ("rv", "teff", "feh", "logg"),
    ),
    "miles": Survey(
        {"wave_min": 3545.0, "wave_step": 0.9, "n_pixels": 4284},
        ("rv", "teff", "logg", "mh"),
        n_visits=4,
        draw=lambda rng: rng.normal(0.0, 150.0),
    ),
    "apogee": Survey(
        {
            "wave_min": 15_136.0,
            "wave_step": 0.20892,
            "n_pixels": 8192,
            "spacing": "log",
        },
        ("rv", "mh", "logg", "teff"),
        n_visits=3,
        draw=lambda rng: rng.uniform(-100.0, 100.0),
    ),
    "alpha_cen_b_o2b": Survey(
        {"wave_min": 6582.0, "wave_step": 0.04, "n_pixels": 8192},
        ("berv",),
        split_by="visit",
    ),
}


def shift(path: Path, velocity: float, star: str, out: Path) -> None:
    """Write a copy of a spectrum that moves at a velocity [km/s]."""
    factor = 1.0 + velocity / SPEED_OF_LIGHT
    with fits.open(path) as units:
        for unit in units:
            header = unit.header
            if "CRVAL1" not in header:
                continue
            if header["CRVAL1"] < 10.0:  # decimal logarithms
                header["CRVAL1"] += np.log10(factor)
            else:
                header["CRVAL1"] *= factor
                header["CDELT1"] *= factor
        units[0].header["OBJECT"] = star
        units.writeto(out, overwrite=True)


def stem(path: Path) -> str:
    """Name of a file without its endings."""
    return path.name.removesuffix(".gz").removesuffix(".fits")


def prepare(name: str, data: Path, folder: Path) -> tuple[Path, Path | None]:
    """Return the folder of spectra and the table of labels, visits made if needed."""
    survey = SURVEYS[name]
    table = data / f"{name}_labels.csv"
    if survey.draw is None:
        return data / name, table if table.exists() else None
    visits, labels = folder / "visits", folder / "labels.csv"
    if labels.exists():
        return visits, labels
    visits.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with table.open() as file:
        known = {row["dp_id"]: row for row in csv.DictReader(file)}
    rows = []
    for path in sorted((data / name).iterdir()):
        star = stem(path)
        if star not in known:
            continue
        for visit in range(survey.n_visits):
            velocity = survey.draw(rng)
            dp_id = f"{star}_{visit}"
            shift(path, velocity, star, visits / f"{dp_id}.fits")
            rows.append({**known[star], "dp_id": dp_id, "rv": velocity})
    with labels.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return visits, labels


def correlate(codes: NDArray, label: NDArray) -> NDArray[np.float64]:
    """|Spearman| of each column with a label, where it is known."""
    known = np.isfinite(label)
    ranks = rankdata(codes[known], axis=0)
    of_label = rankdata(label[known])
    ranks -= ranks.mean(axis=0)
    of_label -= of_label.mean()
    product = ranks.T @ of_label
    norm = np.sqrt((ranks**2).sum(axis=0) * (of_label**2).sum())
    return np.abs(product) / np.maximum(norm, 1e-30)


def choose(codes: NDArray, label: NDArray, split: NDArray) -> int:
    """Column that follows a label best on the training stars."""
    train = split == "train"
    return int(np.argmax(correlate(codes[train], label[train])))


class Found(NamedTuple):
    """How well a label of the test stars is found by codes, |Spearman|."""

    best: float
    """By the one column that follows it best on the training stars."""
    ridge: float
    """By a ridge regression on all columns."""
    forest: float
    """By a random forest on all columns."""


def judge(codes: NDArray, label: NDArray, split: NDArray) -> Found:
    """Try on the test stars what the training stars and their labels teach."""
    test, known = split == "test", (split == "train") & np.isfinite(label)
    column = choose(codes, label, split)
    centre, scale = codes[known].mean(axis=0), codes[known].std(axis=0) + 1e-9
    x = (codes - centre) / scale
    normal = x[known].T @ x[known] + np.eye(x.shape[1])
    weights = np.linalg.solve(normal, x[known].T @ (label[known] - label[known].mean()))
    forest = RandomForestRegressor(200, min_samples_leaf=3, random_state=0)
    forest.fit(codes[known], label[known])
    predicted = (codes[:, column], x @ weights, forest.predict(codes))
    columns = np.transpose(predicted)[test]
    return Found(*correlate(columns, label[test]).tolist())


def read_spectra(run: Path, records: Path) -> NDArray[np.float32]:
    """Read the spectra that a run sees, normalised, split after split."""
    config, manifest = Run(run).read_config(), read_manifest(records)
    rows = []
    for split in SPLITS:
        batches = build_evaluation_dataset(manifest, split, config, batch_size=64)
        rows += [np.asarray(batch["flux"]) for batch in batches]
    return np.concatenate(rows)


def components(flux: NDArray[np.float32], split: NDArray) -> NDArray[np.float64]:
    """Find principal components of spectra, those of the training stars."""
    train, known = split == "train", np.isfinite(flux)
    n_known = known[train].sum(axis=0)
    flux = np.where(known, flux, 0.0)
    mean = flux[train].sum(axis=0) / np.maximum(n_known, 1)
    residual = np.where(known & (n_known > 0), np.clip(flux - mean, -1.0, 1.0), 0.0)
    _, _, axes = np.linalg.svd(residual[train], full_matrices=False)
    return np.asarray(residual @ axes[:N_COMPONENTS].T, np.float64)


class Judged(NamedTuple):
    """What one encoding of a survey finds."""

    codes: NDArray[np.float64]
    split: NDArray
    labels: dict[str, NDArray[np.float64]]
    found: dict[str, Found]


def judge_run(run: Path, records: Path, labels: tuple[str, ...]) -> Judged:
    """Encode a survey, and try each label on its test stars."""
    latents = st.encode(run, records, progress=False).table
    codes, split = np.asarray(latents["z_mean"]), np.asarray(latents["split"])
    values = {label: np.asarray(latents[label], float) for label in labels}
    found = {label: judge(codes, value, split) for label, value in values.items()}
    return Judged(codes, split, values, found)


def print_found(
    name: str, results: list[dict[str, Found]], beside: dict[str, Found]
) -> None:
    """Print medians and the worst over seeds, and what components find."""
    for label, of_components in beside.items():
        best, ridge, forest = np.array([found[label] for found in results]).T
        numbers = (
            *(np.median(best), best.min(), of_components.best),
            *(np.median(ridge), np.median(forest), of_components.forest),
        )
        words = "  ".join(f"{number:.3f}" for number in numbers)
        seeds_in_full = " ".join(f"{value:.3f}" for value in best)
        print(f"{name:25} {label:5} {words}  ({seeds_in_full})", flush=True)


def analyze(run: Run, records: Path) -> str:
    """Encode and analyse a run; return its K and what each dimension follows."""
    if not run.latents_path.exists():
        st.encode(run.folder, records, out=run.latents_path, progress=False)
    analysis = st.analyze(run, save=True, overwrite=True)
    rows = analysis.verdict[analysis.verdict["informative"]]
    follows = (f"z{r['dimension']} {r['kind']} ({r['tracks'] or '-'})" for r in rows)
    return f"K = {analysis.n_independent}: {', '.join(follows)}"


def measure(
    name: str,
    data: Path,
    folder: Path,
    seeds: list[int],
    changes: list[str],
    *,
    refine: bool,
) -> None:
    """Convert a survey, train on it once a seed, and print what was found."""
    survey = SURVEYS[name]
    records = folder / "records"
    if not records.exists():
        files, labels = prepare(name, data, folder)
        settings = [f"grid.{key}={value}" for key, value in survey.grid.items()]
        settings += [f"convert.split_by={survey.split_by}", SPLIT]
        st.convert(files, records, labels=labels, settings=settings, progress=False)
    discovered, refined, beside = [], [], {}
    for seed in seeds:
        run = folder / f"seed{seed}"
        settings = [f"training.seed={seed}", *changes]
        st.fit(records, run, settings=settings, progress=False)
        judged = judge_run(run, records, survey.labels)
        discovered.append(judged.found)
        if not beside:
            rows = components(read_spectra(run, records), judged.split)
            beside = {
                label: judge(rows, value, judged.split)
                for label, value in judged.labels.items()
            }
        if refine:
            print(f"{name} seed {seed} {analyze(Run(run), records)}", flush=True)
            st.refine(run, records=records, progress=False)
            judged = judge_run(run / "refined", records, survey.labels)
            refined.append(judged.found)
    print_found(name, discovered, beside)
    if refine:
        print_found(f"{name} refined", refined, beside)


def main() -> None:
    """Measure the surveys one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--surveys", nargs="+", default=list(SURVEYS), choices=SURVEYS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--refine", action="store_true")
    args = parser.parse_args()
    print(
        f"{'survey':25} label median worst  PCA    ridge  forest PCA's  (each seed)",
        flush=True,
    )
    for name in args.surveys:
        folder = args.out / name
        measure(name, args.data, folder, args.seeds, args.set, refine=args.refine)


if __name__ == "__main__":
    main()
