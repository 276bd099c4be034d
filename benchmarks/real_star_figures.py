"""
What a run has found in real stars, drawn, and how its dimensions change named lines.

    python benchmarks/real_star_figures.py lamost FOLDER --out FIGURES
        [--seed 0] [--refined]

FOLDER is what benchmarks/real_stars.py has left for a survey: records and runs. Written
are three figures and, as a table, what each dimension of at least 0.25 nat does between
the 10th and the 90th percentile of the training stars: the velocity by which the lines
move, the share of the change that this displacement explains, and by how much the
equivalent widths of named lines differ [Angstrom], the continuum being that at both
ends of each line's window. A last table names the wavelengths where reconstructions of
held-out spectra are off by most.

- NAME.png: the labels found best against a dimension and against a component;
- NAME_traversals.png: spectra along their dimensions, around named lines;
- NAME_reconstructions.png: held-out spectra of three temperatures and what is left.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from real_stars import (
    AXES,
    SPEED_OF_LIGHT,
    SURVEYS,
    choose,
    components,
    correlate,
    read_spectra,
)

import stellar_tf as st
from stellar_tf.analysis.lines import LINES
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run

LEAST_INFORMATION = 0.25  # nat
PERCENTILES = (10.0, 90.0)
N_POSITIONS = 5

WINDOWS = {
    "Ca II K": (3923.0, 3944.0),
    "H delta": (4085.0, 4118.0),
    "G band": (4280.0, 4316.0),
    "H gamma": (4325.0, 4356.0),
    "H beta": (4845.0, 4878.0),
    "Mg b": (5158.0, 5193.0),
    "Na D": (5882.0, 5903.0),
}
"""Of named lines, in air [Angstrom]."""


class Data(NamedTuple):
    """A run, and what it makes of a survey."""

    name: str
    model: SpectrumModel
    wave: NDArray[np.float64]
    """In air, shape (n_pixels,) [Angstrom]."""
    flux: NDArray[np.float32]
    """Normalised, as the run sees it, shape (n_spectra, n_pixels)."""
    codes: NDArray[np.float64]
    """Means, shape (n_spectra, n_latent)."""
    information: NDArray[np.float64]
    """That each dimension carries, shape (n_latent,) [nat]."""
    labels: dict[str, NDArray[np.float64]]
    """Shape (n_spectra,) each."""
    split: NDArray[np.str_]

    @property
    def train(self) -> NDArray[np.bool_]:
        """Which spectra it was trained on."""
        return self.split == "train"

    @property
    def test(self) -> NDArray[np.bool_]:
        """Which spectra nobody has seen."""
        return self.split == "test"


def load(name: str, run: Path, records: Path) -> Data:
    """Encode a survey by a run."""
    latents = st.encode(run, records, progress=False).table
    variance = np.exp(np.asarray(latents["z_log_var"], float))
    model = st.load_model(run)
    return Data(
        name,
        model,
        model.wave,
        read_spectra(run, records),
        np.asarray(latents["z_mean"], float),
        -0.5 * np.log(variance).mean(axis=0),
        {label: np.asarray(latents[label], float) for label in SURVEYS[name].labels},
        np.asarray(latents["split"]),
    )


def draw_labels(data: Data, path: Path) -> None:
    """Draw the labels found best against a dimension and against a component."""
    figure, axes = plt.subplots(2, 2, figsize=(8.0, 6.5), layout="constrained")
    sides = {"dimension z": data.codes}
    sides["principal component "] = components(data.flux, data.split)
    for row, label in zip(axes, list(data.labels)[:2], strict=True):
        value = data.labels[label][data.test]
        for axis, (words, codes) in zip(row, sides.items(), strict=True):
            best = choose(codes, data.labels[label], data.split)
            column = codes[data.test, best]
            held_out = correlate(column[:, np.newaxis], value)[0]
            axis.plot(value, column, ".", markersize=4.0)
            axis.set_title(f"|Spearman| {held_out:.2f}, {value.size} held-out spectra")
            axis.set_xlabel(AXES[label])
            axis.set_ylabel(f"{words}{best}")
            # A few stars are far from all others.
            axis.set_xlim(*np.nanpercentile(value, [0.5, 99.5]))
    figure.savefig(path, dpi=120)


def move(data: Data, dimension: int, n: int) -> NDArray[np.float64]:
    """Decode along a dimension, the others at their medians, (n, n_pixels)."""
    codes = data.codes[data.train]
    low, high = np.percentile(codes[:, dimension], PERCENTILES)
    along = np.tile(np.median(codes, axis=0), (n, 1))
    along[:, dimension] = np.linspace(low, high, n)
    return np.asarray(data.model.decode(along), float)


def equivalent_width(
    wave: NDArray[np.float64], flux: NDArray[np.float64], window: tuple[float, float]
) -> float:
    """Integrate a line below the straight line between its window's ends."""
    inside = (wave >= window[0]) & (wave <= window[1])
    x, y = wave[inside], flux[inside]
    n_end = max(1, x.size // 10)
    left, right = y[:n_end].mean(), y[-n_end:].mean()
    x_left, x_right = x[:n_end].mean(), x[-n_end:].mean()
    continuum = left + (right - left) * (x - x_left) / (x_right - x_left)
    return float(np.trapezoid(1.0 - y / continuum, x))


def widen(
    wave: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    window: tuple[float, float],
) -> float:
    """Return by how much a line is wider in the second spectrum."""
    widths = (equivalent_width(wave, flux, window) for flux in (high, low))
    return next(widths) - next(widths)


def displacement(
    wave: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[float, float]:
    """Return by which velocity [km/s] lines move, and the share that it explains."""
    log_wave = np.log(wave)
    slope = np.gradient(0.5 * (low + high), log_wave)
    change = high - low
    share = float(slope @ change)
    shift = -share / float(slope @ slope)
    return shift * SPEED_OF_LIGHT, share**2 / float((slope @ slope) * (change @ change))


def print_changes(data: Data) -> None:
    """Print what each dimension does to named lines."""
    windows = {
        name: window
        for name, window in WINDOWS.items()
        if data.wave[0] < window[0] and window[1] < data.wave[-1]
    }
    print("dimension  nat   |Spearman| on held-out stars, displacement, widths [A]")
    for dimension in np.argsort(-data.information):
        if data.information[dimension] < LEAST_INFORMATION:
            break
        low, high = move(data, dimension, 2)
        velocity, share = displacement(data.wave, low, high)
        column = data.codes[data.test][:, [dimension]]
        found = (
            f"{label} {correlate(column, value[data.test])[0]:.2f}"
            for label, value in data.labels.items()
        )
        widths = (
            f"{name} {widen(data.wave, low, high, window):+.2f}"
            for name, window in windows.items()
        )
        print(
            f"z{dimension:<3} {data.information[dimension]:.2f} | {', '.join(found)} | "
            f"{velocity:+.0f} km/s, {100.0 * share:.0f} % | {', '.join(widths)}"
        )


def draw_traversals(data: Data, path: Path) -> None:
    """Draw spectra along the dimensions of the two labels found best."""
    windows = list(WINDOWS.items())[1:6]
    figure, axes = plt.subplots(
        2, len(windows), figsize=(11.0, 5.5), sharey=True, layout="constrained"
    )
    for row, label in zip(axes, list(data.labels)[:2], strict=True):
        dimension = choose(data.codes, data.labels[label], data.split)
        flux = move(data, dimension, N_POSITIONS)
        values = median_labels(data, dimension, label)
        for axis, (name, window) in zip(row, windows, strict=True):
            draw_window(axis, data.wave, flux, values, window)
            axis.set_title(name)
        row[0].set_ylabel(f"along z{dimension}")
        unit = AXES[label].rpartition(" ")[2]
        row[-1].legend(fontsize=7, title=f"{label} {unit}", title_fontsize=7, loc=4)
    for axis in axes[1]:
        axis.set_xlabel("Angstrom in air")
    figure.savefig(path, dpi=120)


def median_labels(data: Data, dimension: int, label: str) -> list[str]:
    """Say what training stars have at each position: the median of the nearest 5 %."""
    z, value = data.codes[data.train, dimension], data.labels[label][data.train]
    positions = np.linspace(*np.percentile(z, PERCENTILES), N_POSITIONS)
    n_near = max(5, z.size // 20)
    near = (np.argsort(np.abs(z - position))[:n_near] for position in positions)
    return [f"{np.nanmedian(value[stars]):.0f}" for stars in near]


def draw_window(
    axis: Axes,
    wave: NDArray[np.float64],
    flux: NDArray[np.float64],
    values: list[str],
    window: tuple[float, float],
) -> None:
    """Draw spectra around a line, and where named lines are at rest."""
    wide = (window[0] - 12.0, window[1] + 12.0)
    inside = (wave >= wide[0]) & (wave <= wide[1])
    colours = plt.get_cmap("viridis")(np.linspace(0.0, 0.9, len(flux)))
    for spectrum, value, colour in zip(flux, values, colours, strict=True):
        axis.plot(wave[inside], spectrum[inside], color=colour, lw=0.9, label=value)
    for line in LINES:
        if window[0] <= line.wave <= window[1]:
            axis.axvline(line.wave, color="grey", lw=0.4, ls=":")
    axis.set_xlim(*wide)


def draw_reconstructions(data: Data, path: Path) -> None:
    """Draw held-out spectra of three temperatures, their reconstruction, the rest."""
    held_out = np.flatnonzero(data.test & np.isfinite(data.labels["teff"]))
    order = held_out[np.argsort(data.labels["teff"][held_out])]
    chosen = [order[int(share * (order.size - 1))] for share in (0.05, 0.5, 0.95)]
    figure, axes = plt.subplots(
        3, 1, figsize=(11.0, 8.0), sharex=True, layout="constrained"
    )
    for axis, spectrum in zip(axes, chosen, strict=True):
        flux = data.flux[spectrum]
        decoded = np.asarray(data.model.decode(data.codes[spectrum]))
        axis.plot(data.wave, flux, color="grey", lw=0.6, label="spectrum")
        axis.plot(data.wave, decoded, lw=0.8, label="reconstruction")
        axis.plot(data.wave, flux - decoded, lw=0.5, color="C3", label="what is left")
        axis.set_title(f"{data.labels['teff'][spectrum]:.0f} K")
        axis.set_ylim(-0.3, 1.6)
    axes[0].legend(loc="upper right", ncols=3)
    axes[-1].set_xlabel("wavelength in air [Angstrom]")
    figure.savefig(path, dpi=120)


def print_rest(data: Data, n: int = 6) -> None:
    """Name where the mean absolute rest exceeds what is usual there, held out."""
    held_out, train = data.flux[data.test], data.flux[data.train]
    rest = held_out - np.asarray(data.model.decode(data.codes[data.test]))
    mean, absolute = np.nanmean(rest, axis=0), np.nanmean(np.abs(rest), axis=0)
    spread = np.nanstd(train, axis=0)
    of_mean = np.nanmean(np.abs(held_out - np.nanmean(train, axis=0)))
    print(
        f"held-out spectra: mean absolute rest {np.nanmean(absolute):.4f}, of the mean "
        f"spectrum instead {of_mean:.4f}"
    )
    print("largest at [A]: mean absolute rest, mean rest, stars' spread; lines near")
    free = np.ones(absolute.size, bool)
    for _ in range(n):
        pixel = int(np.nanargmax(np.where(free, absolute, -1.0)))
        wave = data.wave[pixel]
        free &= np.abs(data.wave - wave) > 20.0
        near = [f"{x.name} {x.wave}" for x in LINES if abs(x.wave - wave) < 3.0]
        print(
            f"  {wave:.1f}: {absolute[pixel]:.3f}, {mean[pixel]:+.3f}, "
            f"{spread[pixel]:.3f}; {', '.join(near) or 'no named line'}"
        )


def main() -> None:
    """Draw and print what one run has found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("survey", choices=["lamost", "miles"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--refined", action="store_true", help="the refined run")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    run = args.folder / f"seed{args.seed}"
    if args.refined:
        run = Run(run).refined
    data = load(args.survey, run, args.folder / "records")
    draw_labels(data, args.out / f"{args.survey}.png")
    draw_traversals(data, args.out / f"{args.survey}_traversals.png")
    draw_reconstructions(data, args.out / f"{args.survey}_reconstructions.png")
    print_changes(data)
    print_rest(data)


if __name__ == "__main__":
    main()
