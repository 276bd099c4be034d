"""What one person looks at: a start, a code moved away from it, a stretch of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.explore.explorer import Explorer, Subject
from stellar_tf.explore.reduction import Curve, find_visible, reduce_curve

Mode = Literal["change", "compare"]
"""Moving dimensions, or looking at what is alike."""
Panel = Literal["flux", "difference"]
"""The upper and the lower part of the figure."""

N_POINTS = 3000
"""Most points of a curve that are sent: two for each of 1,500 columns."""
MARGIN = 0.5
"""Sent beyond either edge, in widths of the view, so that panning shows no void."""
N_NEIGHBOURS = 8
"""Neighbours listed."""
N_OVERPLOTTED = 3
"""Neighbours drawn."""
MIN_PIXELS = 16
"""The view is never narrower."""

_DECODED = ("start", "changed", "reconstruction")
_OUTLIERS = 0.3
"""Percent of the observed pixels that may lie outside, on either side."""
_MIN_DIFFERENCE = 0.01
"""The lower panel shows no less than this: noise of nothing is no signal."""


class View(NamedTuple):
    """A stretch of wavelengths."""

    low: float
    """First wavelength shown [Angstrom]."""
    high: float
    """Last wavelength shown [Angstrom]."""


class Drawing(NamedTuple):
    """The curves of a figure, reduced to what can be seen."""

    curves: Mapping[str, Curve]
    """By role: `Session.curves` has the roles."""
    limits: Mapping[Panel, tuple[float, float]]
    """Lowest and highest value of the view in each panel."""
    n_pixels: int
    """Pixels in the view."""


class Session:
    """
    What one person looks at in a run.

    Parameters
    ----------
    explorer : Explorer
        The run.
    row : int, default 0
        The spectrum of the survey to start from.
    """

    def __init__(self, explorer: Explorer, row: int = 0) -> None:
        self.explorer = explorer
        self.mode: Mode = "change"
        wave = explorer.wave
        self.view = View(float(wave[0]), float(wave[-1]))
        self.start_from(explorer.pick(row))

    def start_from(self, subject: Subject) -> None:
        """
        Begin again from a spectrum.

        Parameters
        ----------
        subject : Subject
            The spectrum.
        """
        self.start = subject
        self.z = subject.z_mean.copy()
        self.reconstruction = self.explorer.model.decode(self.z)
        self.changed = self.reconstruction
        self.neighbours = self.explorer.survey.find_neighbours(
            subject.z_mean, N_NEIGHBOURS, without=subject.row
        )
        self._neighbours_flux: list[NDArray[np.float32]] = []

    def move(self, values: Mapping[int, float]) -> NDArray[np.float32]:
        """
        Put dimensions elsewhere; the others stay where the start has them.

        Parameters
        ----------
        values : mapping of int to float
            Value of each dimension that is moved.

        Returns
        -------
        flux : ndarray of float32, shape (n_pixels,)
            Decoded from there; also kept as `changed`.
        """
        z = self.start.z_mean.copy()
        for dimension, value in values.items():
            z[dimension] = value
        if not np.array_equal(z, self.z):
            self.changed = self.explorer.model.decode(z)
            self.z = z
        return self.changed

    def look_at(self, low: float, high: float) -> View:
        """
        Choose the stretch of wavelengths to see.

        Parameters
        ----------
        low, high : float
            Its ends, in either order; they are kept on the grid and at least
            `MIN_PIXELS` apart [Angstrom].

        Returns
        -------
        view : View
            What is seen.
        """
        wave = self.explorer.wave
        low, high = sorted((low, high))
        pixel = int(
            np.clip(np.searchsorted(wave, 0.5 * (low + high)), 1, wave.size - 1)
        )
        step = float(wave[pixel] - wave[pixel - 1])
        short = MIN_PIXELS * step - (high - low)
        if short > 0.0:
            low, high = low - 0.5 * short, high + 0.5 * short
        low, high = max(low, float(wave[0])), min(high, float(wave[-1]))
        if low >= high:
            low, high = float(wave[0]), float(wave[-1])
        self.view = View(low, high)
        return self.view

    def curves(self) -> dict[tuple[Panel, str], NDArray[np.float32]]:
        """
        List the curves of the mode.

        Returns
        -------
        curves : dict of ndarray of float32, shape (n_pixels,)
            By panel and role: ``observed``, ``start`` and ``changed`` with their
            ``difference``; or ``observed``, ``reconstruction`` and ``neighbour 1`` and
            so on, with their ``residual``.
        """
        observed = self.start.observed
        curves: dict[tuple[Panel, str], NDArray[np.float32]] = {}
        if observed is not None:
            curves["flux", "observed"] = observed
        if self.mode == "change":
            curves["flux", "start"] = self.reconstruction
            curves["flux", "changed"] = self.changed
            curves["difference", "difference"] = self.changed - self.reconstruction
            return curves
        for i, flux in enumerate(self._read_neighbours(), start=1):
            curves["flux", f"neighbour {i}"] = flux
        curves["flux", "reconstruction"] = self.reconstruction
        if observed is not None:
            curves["difference", "residual"] = observed - self.reconstruction
        return curves

    def draw(self) -> Drawing:
        """
        Reduce the curves to what can be seen.

        Returns
        -------
        drawing : Drawing
            At most `N_POINTS` points of each for a view and its margins; every pixel
            where there are no more.
        """
        wave, (low, high) = self.explorer.wave, self.view
        margin = MARGIN * (high - low)
        sent = find_visible(wave, low - margin, high + margin)
        seen = find_visible(wave, low, high)
        curves = self.curves()
        n_points = round(N_POINTS * (1.0 + 2.0 * MARGIN))
        reduced = {
            role: reduce_curve(wave, values, sent, n_points)
            for (_, role), values in curves.items()
        }
        flux = {role: v[seen] for (panel, role), v in curves.items() if panel == "flux"}
        rest = [v[seen] for (panel, _), v in curves.items() if panel == "difference"]
        limits: dict[Panel, tuple[float, float]] = {
            "flux": _flux_limits(flux),
            "difference": _difference_limits(rest),
        }
        return Drawing(reduced, limits, seen.stop - seen.start)

    def _read_neighbours(self) -> list[NDArray[np.float32]]:
        """Return the flux of the nearest: observed, or decoded where it is not."""
        if not self._neighbours_flux:
            for neighbour in self.neighbours[:N_OVERPLOTTED]:
                subject = self.explorer.pick(neighbour.row)
                flux = subject.observed
                if flux is None:
                    flux = self.explorer.model.decode(subject.z_mean)
                self._neighbours_flux.append(flux)
        return self._neighbours_flux


def _flux_limits(flux: Mapping[str, NDArray[np.float32]]) -> tuple[float, float]:
    """Hold all of what was decoded, but not every cosmic of what was observed."""
    ends: list[float] = []
    for role, values in flux.items():
        valid = values[np.isfinite(values)]
        if valid.size:
            outer = 0.0 if role in _DECODED else _OUTLIERS
            ends += np.percentile(valid, [outer, 100.0 - outer]).tolist()
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    pad = 0.06 * (high - low) or 0.5
    return low - pad, high + pad


def _difference_limits(curves: list[NDArray[np.float32]]) -> tuple[float, float]:
    valid = np.concatenate([np.abs(v[np.isfinite(v)]) for v in curves] or [np.empty(0)])
    size = float(np.percentile(valid, 100.0 - _OUTLIERS)) if valid.size else 0.0
    half = max(1.3 * size, _MIN_DIFFERENCE)
    return -half, half
