from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.evidence.pulls import Pulls, measure_pulls


def measure(width: float, n_stars: int = 1_500, n_visits: int = 3) -> Pulls:
    """Visits scatter by 0.2, posteriors claim `width`."""
    rng = np.random.default_rng(0)
    star = np.repeat(np.arange(n_stars), n_visits)
    z_mean = rng.normal(size=(n_stars, 2))[star]
    z_mean += 0.2 * rng.normal(size=z_mean.shape)
    log_var = np.full(z_mean.shape, 2.0 * np.log(width))
    shuffled = rng.permutation(star.size)
    return measure_pulls(
        z_mean[shuffled],
        log_var[shuffled],
        star[shuffled].astype(str),
        n_resamples=100,
        confidence=0.95,
        rng=rng,
    )


def test_honest_widths_cover_what_they_claim() -> None:
    pulls = measure(0.2)
    assert pulls.n_stars == 1_500
    assert pulls.scale.value == pytest.approx([1.0, 1.0], abs=0.06)
    assert pulls.coverage_68.value == pytest.approx([0.683, 0.683], abs=0.04)
    assert pulls.coverage_95.value == pytest.approx([0.95, 0.95], abs=0.02)
    for estimate, truth in zip(pulls, (1.0, 0.683, 0.95, 0), strict=True):
        if truth:
            assert np.all(estimate.low - 0.01 < truth)
            assert np.all(truth < estimate.high + 0.01)


def test_widths_of_half_the_scatter_must_be_doubled() -> None:
    pulls = measure(0.1)
    assert pulls.scale.value == pytest.approx([2.0, 2.0], abs=0.12)
    assert np.all(pulls.scale.low > 1.8)
    # Within half and 0.98 standard deviations of the normal distribution.
    assert pulls.coverage_68.value == pytest.approx([0.383, 0.383], abs=0.04)
    assert pulls.coverage_95.value == pytest.approx([0.673, 0.673], abs=0.04)


@pytest.mark.parametrize(("n_stars", "n_visits"), [(9, 2), (100, 1)])
def test_without_repeated_stars_nothing_is_known(n_stars: int, n_visits: int) -> None:
    pulls = measure(0.2, n_stars, n_visits)
    assert np.isnan(pulls.scale.value).all()
    assert np.isnan(pulls.coverage_95.high).all()
