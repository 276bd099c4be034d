from __future__ import annotations

import numpy as np
import pytest
from scipy.special import digamma

from stellar_tf.analysis.labels.conditional import (
    ConditionalInformation,
    conditional_ksg,
    measure_conditional_information,
)


def trivariate(
    partial: float, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both depend on what is given, and on each other beyond it."""
    rng = np.random.default_rng(seed)
    given, x, noise = rng.normal(size=(3, n))
    y = partial * x + np.sqrt(1.0 - partial**2) * noise
    return x + given, y + given, given


def measure(partial: float, n: int, seed: int) -> ConditionalInformation:
    return measure_conditional_information(
        *trivariate(partial, n, seed),
        n_neighbours=3,
        n_permutations=39,
        rng=np.random.default_rng(seed),
    )


def test_equals_brute_force() -> None:
    x, y, given = trivariate(0.5, 200, seed=1)
    dx, dy, dg = (np.abs(v[:, None] - v) for v in (x, y, given))
    joint = np.maximum(np.maximum(dx, dy), dg)
    np.fill_diagonal(joint, np.inf)
    radius = np.sort(joint, axis=1)[:, 2, None]
    counts = [(np.maximum(a, b) < radius).sum(axis=1) for a, b in ((dx, dg), (dy, dg))]
    alone = (dg < radius).sum(axis=1)
    expected = digamma(3) - np.mean(
        digamma(counts[0]) + digamma(counts[1]) - digamma(alone)
    )
    found = conditional_ksg(x, y, given[:, None], 3)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("partial", [0.0, 0.6, 0.9])
def test_closed_form_of_the_trivariate_normal(partial: float) -> None:
    truth = -0.5 * np.log(1.0 - partial**2)
    found = []
    for seed in range(6):
        x, y, given = trivariate(partial, 1_500, seed)
        found.append(conditional_ksg(x, y, given[:, None], 3))
    assert np.mean(found) == pytest.approx(truth, abs=0.06)


def test_what_is_given_explains_everything_away() -> None:
    """Unconditionally the two share 0.14 nat: a plain permutation would see them."""
    p_values = [measure(0.0, 300, seed).p_value for seed in range(20)]
    assert np.mean(np.array(p_values) <= 0.1) <= 0.3
    assert np.mean(p_values) > 0.3


def test_finds_what_is_left() -> None:
    assert max(measure(0.6, 300, seed).p_value for seed in range(5)) <= 0.05
