from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stellar_tf.analysis.labels import probes
from stellar_tf.analysis.labels.probes import (
    _N_NEIGHBOURS,
    _PENALTIES,
    MIN_SIZE,
    Probe,
    SizesError,
    _fit_process,
    _prior_kernel,
    build_probes,
    check_sizes,
    count_fits,
    plan_probes,
    predict_group,
)

N_STARS, N_LATENT = 3_000, 4
WEIGHTS = np.array([1.0, -2.0, 0.5, 0.0])
NOISE = 1.5


def gaussian_codes(n: int = N_STARS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Codes of a unit normal, and a label that is linear in them but for noise."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(n, N_LATENT))
    return z, 10.0 + z @ WEIGHTS + NOISE * rng.normal(size=n)


def splits(n_stars: int = N_STARS) -> NDArray[np.str_]:
    """A third held out, a few for validation, the rest for training."""
    split = np.full(n_stars, "train", "<U10")
    split[::3], split[1::30] = "test", "validation"
    return split


def ridge_of(features: NDArray[np.float64]) -> Probe:
    return build_probes("z", features)[0]


def knn_of(features: NDArray[np.float64]) -> Probe:
    return build_probes("z", features)[1]


def test_ridge_has_the_r2_of_the_closed_form() -> None:
    """Of least squares on normal codes: s^2 (1 + 1/n) (n - 2) / (n - d - 2)."""
    z, label = gaussian_codes(30_000)
    plan = plan_probes({"y": label}, splits(30_000), (30, 100, 1_000), n_draws=40)
    (group,) = plan.groups
    variance = WEIGHTS @ WEIGHTS + NOISE**2
    truth = group.values[group.held_out, 0]
    for _, n, values in predict_group(group, [ridge_of(z)]):
        error = NOISE**2 * (1 + 1 / n) * (n - 2) / (n - N_LATENT - 2)
        found = 1.0 - np.mean((values[:, :, 0] - truth) ** 2) / truth.var()
        # A penalty takes some of what few stars cost.
        assert found == pytest.approx(1.0 - error / variance, abs=0.015)


def test_ridge_chooses_the_penalty_that_leaving_one_out_chooses() -> None:
    z, label = gaussian_codes()
    rows, others = np.arange(15), np.arange(20, 25)
    x = z / np.sqrt(z.var(axis=0).sum())

    def predict(kept: NDArray[np.intp], penalty: float, at: NDArray[np.intp]):
        centre, mean = x[kept].mean(axis=0), label[kept].mean()
        inner = x[kept] - centre
        normal = inner.T @ inner + penalty * np.eye(N_LATENT)
        return mean + (x[at] - centre) @ np.linalg.solve(normal, inner.T @ label[kept])

    # RidgeCV leaves the centre as it is when a star is left out; so does this.
    centred, target = x[rows] - x[rows].mean(axis=0), label[rows] - label[rows].mean()
    errors = []
    for penalty in _PENALTIES * rows.size:
        inverse = np.linalg.inv(centred.T @ centred + penalty * np.eye(N_LATENT))
        left_out = []
        for i in range(rows.size):
            hat = centred @ inverse @ centred.T + 1.0 / rows.size
            residual = target[i] - hat[i] @ target
            left_out.append(residual / (1.0 - hat[i, i]))
        errors.append(np.mean(np.square(left_out)))
    best = (_PENALTIES * rows.size)[int(np.argmin(errors))]
    found = ridge_of(z).predict(rows, label[rows, np.newaxis], others)
    np.testing.assert_allclose(found[:, 0], predict(rows, best, others), rtol=1e-6)


def test_knn_is_that_of_a_loop_over_the_stars() -> None:
    z, label = gaussian_codes()
    values = np.column_stack([label, z[:, 0] ** 2])
    rows, others = np.arange(40), np.arange(100, 130)
    found = knn_of(z).predict(rows, values[rows], others)

    def mean_of(kept: NDArray[np.intp], k: int, at: int, column: int) -> float:
        order = kept[np.argsort(np.sum((z[kept] - z[at]) ** 2, axis=1))]
        return float(values[order[:k], column].mean())

    for column in range(2):
        errors = {
            k: sum(
                (mean_of(rows[rows != at], k, at, column) - values[at, column]) ** 2
                for at in rows
            )
            for k in _N_NEIGHBOURS[rows.size > _N_NEIGHBOURS].tolist()
        }
        best = min(errors, key=lambda k: errors[k])
        expected = [mean_of(rows, best, at, column) for at in others]
        np.testing.assert_allclose(found[:, column], expected)


def test_neighbours_follow_what_no_line_does() -> None:
    z, _ = gaussian_codes()
    z[:, 1:] *= 1e-3
    label = np.abs(z[:, 0])
    plan = plan_probes({"y": label}, splits(), (1_000,), n_draws=1)
    (group,) = plan.groups
    truth = group.values[group.held_out, 0]
    ridge, knn = predict_group(group, build_probes("z", z)[:2])
    assert np.mean((knn.values[0, :, 0] - truth) ** 2) < 0.01 * truth.var()
    assert np.mean((ridge.values[0, :, 0] - truth) ** 2) > 0.9 * truth.var()


def test_gaussian_process_has_the_posterior_mean_of_the_closed_form() -> None:
    z, _ = gaussian_codes(400)
    label = 5_000.0 + 300.0 * np.sin(2.0 * z[:, 0])
    rows, others = np.arange(100), np.arange(100, 400)
    process = build_probes("z", z)[2]
    found = process.predict(rows, label[rows, np.newaxis], others)[:, 0]

    x = z / np.sqrt(z.var(axis=0).sum())
    kernel = _fit_process(x[rows], label[rows], _prior_kernel(N_LATENT)).kernel_
    height, lengths = kernel.k1.k1.constant_value, kernel.k1.k2.length_scale
    # What the label does not depend on is found out.
    assert lengths[0] < 0.05 * lengths[1:].min()

    def covary(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        distance = (a[:, np.newaxis] - b) / lengths
        return height * np.exp(-0.5 * np.sum(distance**2, axis=2))

    mean, spread = label[rows].mean(), label[rows].std()
    matrix = covary(x[rows], x[rows]) + kernel.k2.noise_level * np.eye(100)
    weights = np.linalg.solve(matrix, (label[rows] - mean) / spread)
    expected = mean + spread * covary(x[others], x[rows]) @ weights
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert np.median(np.abs(found - label[others])) < 3.0
    assert np.median(np.abs(label[others] - mean)) > 150.0


def test_more_stars_share_the_scales_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    z, label = gaussian_codes(600)
    fitted: list[int] = []

    def fit(x: Any, *args: Any, **options: Any) -> Any:
        if "optimizer" not in options:
            fitted.append(len(x))
        return _fit_process(x, *args, **options)

    monkeypatch.setattr(probes, "_fit_process", fit)
    process = build_probes("z", z)[2]
    for n in (30, 100, 300):
        process.predict(np.arange(n), label[:n, np.newaxis], np.arange(400, 410))
    assert fitted == [30, 100]


def test_many_features_have_no_gaussian_process() -> None:
    methods = [probe.method for probe in build_probes("pixels", np.ones((3, 65)))]
    assert methods == ["ridge", "knn"]


def test_labelled_stars_are_of_the_training_split_and_scored_on_the_held_out() -> None:
    _, label = gaussian_codes()
    label[::7] = np.nan
    split = splits()
    (group,) = plan_probes({"y": label}, split, (10, 500), n_draws=5).groups
    assert set(split[group.draws].ravel()) == {"train"}
    assert set(split[group.held_out]) == {"test"}
    assert np.isfinite(label[group.draws]).all()
    assert group.held_out.size == (np.isfinite(label) & (split == "test")).sum()
    for draw in group.draws:
        assert len(set(draw)) == 500


def test_the_seed_decides_the_draws() -> None:
    z, label = gaussian_codes()

    def run(seed: int) -> NDArray[np.float64]:
        plan = plan_probes({"y": label}, splits(), (10,), n_draws=3, seed=seed)
        return predict_group(plan.groups[0], [ridge_of(z)])[0].values

    np.testing.assert_array_equal(run(0), run(0))
    assert not np.array_equal(run(0), run(1))
    assert not np.array_equal(run(0)[0], run(0)[1])


def test_labels_of_the_same_stars_share_draws_and_others_do_not() -> None:
    z, label = gaussian_codes()
    few = np.where(np.arange(N_STARS) < 900, label, np.nan)
    labels = {"a": label, "few": few, "b": z[:, 0]}
    plan = plan_probes(labels, splits(), (10, 2_500), n_draws=2)
    assert [group.labels for group in plan.groups] == [("a", "b"), ("few",)]
    # Known for 1,900 and 570 training stars.
    assert [group.sizes for group in plan.groups] == [(10, 1_900), (10, 570)]
    assert plan.cuts == (
        "a, b: known for 1,900 training stars, so that at most these are labelled, not "
        "2,500",
        "few: known for 570 training stars, so that at most these are labelled, not "
        "2,500",
    )


def test_a_probe_may_have_sizes_and_draws_of_its_own() -> None:
    z, label = gaussian_codes()
    plan = plan_probes({"y": label}, splits(), (10, 30, 2_500), n_draws=4)
    (group,) = plan.groups
    ridge = ridge_of(z)._replace(sizes=frozenset({30, 2_500}), n_draws=2)
    told: list[int] = []
    found = predict_group(group, [ridge, ridge_of(z)], told.append)
    assert [(f.size, len(f.values)) for f in found] == [
        (30, 2), (1_900, 2), (10, 4), (30, 4), (1_900, 4),
    ]  # fmt: skip
    assert sum(told) == count_fits(group, [ridge, ridge_of(z)]) == 16


def test_labels_that_cannot_be_predicted_are_left_out_with_a_reason() -> None:
    _, label = gaussian_codes()
    rare = np.where(np.arange(N_STARS) < 12, label, np.nan)
    labels = {
        "type": np.full(N_STARS, "G2"),
        "rare": rare,
        "same": np.ones(N_STARS),
    }
    plan = plan_probes(labels, splits())
    assert plan.groups == ()
    assert plan.left_out == {
        "type": "text, not numbers",
        "rare": "known for 7 training and 4 held-out stars, of 5 and 10 at least",
        "same": "the same for all stars",
    }


def test_numbers_of_labelled_stars_are_checked() -> None:
    assert check_sizes([100, 10, 100]) == (10, 100)
    for sizes in ([], [MIN_SIZE - 1, 100]):
        with pytest.raises(SizesError, match="sizes must be numbers of stars of at "):
            check_sizes(sizes)


def test_features_that_are_all_the_same_predict_the_mean() -> None:
    label = np.arange(30.0)[:, np.newaxis]
    ridge = ridge_of(np.ones((30, 2)))
    predicted = ridge.predict(np.arange(10), label[:10], np.arange(20, 30))
    np.testing.assert_allclose(predicted, 4.5)
