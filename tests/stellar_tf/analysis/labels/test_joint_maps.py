from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial.polynomial import polyval2d
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from stellar_tf.analysis.labels import joint_fit
from stellar_tf.analysis.labels.coverage import measure_coverage
from stellar_tf.analysis.labels.estimates import estimate_labels
from stellar_tf.analysis.labels.joint_fit import (
    _FREE,
    MIN_STARS,
    N_SCALED,
    _choose_degree,
    _find_basis,
    _learn,
    _leave_out,
    _list_exponents,
    fit_joint_maps,
)
from stellar_tf.analysis.labels.joint_map_file import (
    JointMapError,
    load_joint_maps,
    save_joint_maps,
)
from stellar_tf.analysis.labels.joint_maps import (
    N_NEAREST,
    Basis,
    JointMap,
    Neighbourhood,
    raise_to_powers,
    relate,
)
from stellar_tf.analysis.labels.units import UnitMap
from stellar_tf.analysis.latents import Codes
from stellar_tf.analysis.stars import pair_visits

KNOTS = np.linspace(-4.0, 4.0, 65)
ALONE = UnitMap(2, "rv", KNOTS, 10.0 * KNOTS, 3.0, 80, 0.2)
"""What dimension 2 says of the velocity, without dimension 0."""
WIDTH = 0.02


@pytest.fixture(scope="module", autouse=True)
def as_many_as_ever() -> Iterator[None]:
    """Find scales from as many spectra as users have it, not from fewer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_fit, "N_SCALED", N_SCALED)
        yield


def plant(n_stars: int, seed: int = 0, *, star_noise: float = 0.0) -> Codes:
    """Plant a velocity in two of three dimensions, and what stars differ by."""
    rng = np.random.default_rng(seed)
    star = np.repeat(np.arange(n_stars), 2)
    true = rng.normal(size=(star.size, 3))
    true[:, 0] = np.repeat(rng.normal(size=n_stars), 2)
    width = WIDTH * np.exp(0.3 * rng.normal(size=true.shape))
    # The slopes differ, so that widths do; no polynomial of degree 3 is a sine.
    rv = 10.0 * true[:, 2] + 2.0 * np.sin(2.0 * true[:, 0]) + true[:, 0] * true[:, 2]
    offset = np.repeat(rng.normal(size=n_stars), 2) * star_noise * (true[:, 0] > 0.0)
    split = np.where(star % 4, "train", "test")
    return Codes(
        np.array([f"ADP.{row:05d}" for row in range(star.size)]),
        np.array([f"HD{number}" for number in star]),
        split,
        (true + width * rng.normal(size=true.shape)).astype(np.float32),
        (2.0 * np.log(width)).astype(np.float32),
        {"rv": rv + offset},
    )


def fit(codes: Codes, seed: int = 0) -> list[JointMap]:
    rng = np.random.default_rng(seed)
    return fit_joint_maps(codes, np.array([2, 0]), [ALONE], rng)


@pytest.fixture(scope="module")
def codes() -> Codes:
    return plant(1600)


@pytest.fixture(scope="module")
def joint(codes: Codes) -> JointMap:
    return fit(codes)[0]


def cover(off: np.ndarray, width: np.ndarray) -> list[float]:
    return [float(np.mean(np.abs(off) < n * width)) for n in (1.0, 1.96)]


def test_widths_are_those_of_the_errors(codes: Codes, joint: JointMap) -> None:
    held_out = codes.take(codes.split == "test")
    value, width, error = joint.read(held_out.z_mean, held_out.z_log_var)
    known = np.isfinite(value)
    assert known.mean() > 0.99
    off = (value - held_out.labels["rv"])[known]
    # Codes scatter by WIDTH, and the velocity by ten times as much: nothing is lost.
    assert np.median(np.abs(off)) / 0.6745 == pytest.approx(10.0 * WIDTH, rel=0.15)
    # 800 spectra: a share has an error of 0.016 and 0.008.
    assert cover(off, error[known]) == pytest.approx([0.683, 0.95], abs=0.05)
    one, other = pair_visits(held_out.star[known])
    apart = np.hypot(width[known][one], width[known][other])
    assert cover(off[one] - off[other], apart) == pytest.approx([0.683, 0.95], abs=0.06)
    # The dimension alone lacks what the other one says.
    alone = np.interp(held_out.z_mean[:, 2], ALONE.z, ALONE.value)
    assert np.median(np.abs(alone - held_out.labels["rv"])) > 5.0 * np.median(abs(off))


def test_what_stars_differ_by_is_in_the_error_where_they_do() -> None:
    codes = plant(1600, star_noise=1.0)
    joint = fit(codes)[0]
    held_out = codes.take(codes.split == "test")
    value, width, error = joint.read(held_out.z_mean, held_out.z_log_var)
    off = value - held_out.labels["rv"]
    for side in (held_out.z_mean[:, 0] > 0.3, held_out.z_mean[:, 0] < -0.3):
        known = side & np.isfinite(value)
        # Of 150 stars, whose two visits err alike: three standard errors.
        assert cover(off[known], error[known])[0] == pytest.approx(0.683, abs=0.114)
    differ = held_out.z_mean[:, 0] > 0.3
    assert np.nanmedian(error[differ]) > 3.0 * np.nanmedian(error[~differ])
    # Visits of a star have it in common.
    assert np.nanmedian(width[differ]) < 0.5 * np.nanmedian(error[differ])
    table = measure_coverage(codes, [ALONE], [joint], np.random.default_rng(0))
    row = table[0]
    assert (row["n_dimensions"], row["n_stars"], row["unit"]) == (2, 400, "km/s")
    known = np.isfinite(off)
    # Where there is no joint map the dimension alone speaks.
    share = cover(off[known], error[known])[0]
    assert row["within_68"] == pytest.approx(share, abs=0.01)
    assert row["visits_68"] == pytest.approx(0.683, abs=0.06)


def test_held_out_stars_teach_nothing(codes: Codes, joint: JointMap) -> None:
    other = np.where(codes.split == "test", 1e3, codes.labels["rv"])
    again = fit(codes._replace(labels={"rv": other}))[0]
    np.testing.assert_array_equal(again.weights, joint.weights)
    np.testing.assert_array_equal(again.of_errors.excess, joint.of_errors.excess)


def test_wrong_labels_do_not_count(codes: Codes, joint: JointMap) -> None:
    wrong = codes.labels["rv"].copy()
    wrong[5::50] += 1e4
    again = fit(codes._replace(labels={"rv": wrong}))[0]
    some = codes.take(codes.split == "test")
    values = [m.read(some.z_mean, some.z_log_var)[0] for m in (again, joint)]
    known = np.isfinite(values).all(axis=0)
    assert np.median(np.abs(values[0] - values[1])[known]) < 2.0 * WIDTH


def test_few_stars_or_nothing_to_gain_make_no_map() -> None:
    assert fit(plant(int(MIN_STARS / 0.75) - 2)) == []
    steps = plant(400)
    # Steps of one dimension: the map of this dimension has no error, no other has less.
    label = np.floor(2.0 * steps.z_mean[:, 2].astype(np.float64))
    edges = np.repeat(np.arange(-10, 11) / 2.0, 2)
    z = edges + np.tile([-1e-9, 0.0], 21)
    value = np.repeat(np.arange(-10.0, 11.0), 2) - np.tile([1.0, 0.0], 21)
    exact = UnitMap(2, "rv", z, value, 0.0, 80, 0.0)
    rng = np.random.default_rng(0)
    codes = steps._replace(labels={"rv": label})
    assert fit_joint_maps(codes, np.array([2, 0]), [exact], rng) == []
    assert fit_joint_maps(codes, np.array([2, 0]), [], rng) == []


def test_beyond_the_stars_of_the_fit_the_dimension_speaks(joint: JointMap) -> None:
    z = np.zeros((4, 3))
    z[1, 0] = joint.frame.high[1] + 0.01
    z[2, 2] = 0.5 * (joint.frame.low[0] + KNOTS[0])
    z[3, 2] = KNOTS[0] - 0.01
    log_var = np.full_like(z, 2.0 * np.log(WIDTH))
    value = joint.read(z, log_var)[0]
    np.testing.assert_array_equal(np.isfinite(value), [True] + 3 * [False])
    arguments = log_var, np.zeros(4, int), [ALONE]
    table = estimate_labels(z, *arguments, [joint])
    alone = estimate_labels(z, *arguments)
    for name in table.colnames:
        assert table[name][0] != alone[name][0]
        np.testing.assert_array_equal(table[name][1:], alone[name][1:])
        np.testing.assert_array_equal(np.isnan(table[name]), 3 * [False] + [True])
    assert table["rv_estimate"][0] == value[0]
    assert table["rv_estimate"].description == "by 2 dimensions"
    # Joint maps have learned from visits already.
    scaled = estimate_labels(z, *arguments, [joint], np.array([1.0, 1.0, 3.0]))
    np.testing.assert_allclose(
        (scaled["rv_estimate_width"] / table["rv_estimate_width"])[:3], [1.0, 3.0, 3.0]
    )


def test_slopes_are_differences(joint: JointMap) -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(40, 2))
    value, slopes = joint.basis.combine(z, joint.weights)
    np.testing.assert_allclose(value, joint.basis.expand(z) @ joint.weights, rtol=1e-6)
    for axis, step in enumerate(1e-5 * np.eye(2)):
        rise = [joint.basis.combine(z + s, joint.weights)[0] for s in (step, -step)]
        np.testing.assert_allclose(
            (rise[0] - rise[1]) / 2e-5, slopes[:, axis], rtol=1e-4, atol=1e-4
        )


@given(st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_monomials_are_those_of_a_polynomial(degree: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    exponents = _list_exponents(2, degree)
    assert len({tuple(row) for row in exponents}) == len(exponents)
    assert exponents.sum(axis=1).max() == degree
    z, weights = rng.normal(size=(5, 2)), rng.normal(size=len(exponents))
    table = np.zeros((degree + 1, degree + 1))
    table[tuple(exponents.T)] = weights
    expected = polyval2d(*z.T, table)
    np.testing.assert_allclose(raise_to_powers(z, exponents) @ weights, expected)


def test_with_a_point_per_spectrum_it_is_the_process_itself() -> None:
    rng = np.random.default_rng(2)
    z, at = rng.normal(size=(60, 2)), rng.normal(size=(9, 2))
    residual = np.sin(z[:, 0]) + 0.1 * rng.normal(size=60)
    exponents, noise = _list_exponents(2, 1), 0.01
    basis, _ = _find_basis(z, residual, exponents, np.random.default_rng(0))
    assert len(basis.points) == 60
    functions = basis.expand(z)
    weights, root = _learn(functions, residual, noise, len(exponents))
    kernel = ConstantKernel(basis.variance) * RBF(basis.length)

    def covariance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        np.testing.assert_allclose(
            relate(one, other, basis.length, basis.variance), kernel(one, other)
        )
        terms = (raise_to_powers(codes, exponents) for codes in (one, other))
        of_terms = np.matmul(next(terms), next(terms).T) / _FREE
        return np.asarray(kernel(one, other) + of_terms)

    # Rasmussen & Williams 2006, eqs. 2.25 and 2.26.
    known = covariance(z, z) + noise * np.eye(60)
    gain = np.linalg.solve(known, covariance(z, at)).T
    np.testing.assert_allclose(
        basis.combine(at, weights)[0], gain @ residual, rtol=1e-3, atol=1e-3
    )
    variance = np.diag(covariance(at, at) - gain @ covariance(z, at))
    at_functions = basis.expand(at)
    found = np.sum(np.linalg.solve(root, at_functions.T) ** 2, axis=0)
    found += basis.miss(at_functions) ** 2
    np.testing.assert_allclose(found, variance, rtol=0.02, atol=1e-4)


def test_leaving_a_star_out_is_fitting_without_it() -> None:
    rng = np.random.default_rng(3)
    functions, residual = rng.normal(size=(30, 6)), rng.normal(size=30)
    star = np.array([f"s{n}" for n in rng.integers(0, 9, 30)])
    weights, root = _learn(functions, residual, 0.3, 2)
    error, doubt = _leave_out(
        functions, residual - functions @ weights, root, 0.3, star
    )
    for name in np.unique(star):
        own = star == name
        others, without = _learn(functions[~own], residual[~own], 0.3, 2)
        np.testing.assert_allclose(
            error[own], residual[own] - functions[own] @ others, rtol=1e-6
        )
        known = np.linalg.solve(without, functions[own].T)
        np.testing.assert_allclose(doubt[own], np.sqrt((known**2).sum(0)), rtol=1e-6)


def test_neighbours_change_widths_in_both_directions() -> None:
    rng = np.random.default_rng(4)
    z = np.concatenate([rng.normal(-9.0, 0.1, 4000), rng.normal(9.0, 0.1, 4000)])
    true = np.where(z < 0.0, 2.0, 0.8)
    off = true * rng.normal(size=z.size)
    near = Neighbourhood(z[:, np.newaxis], np.ones(1), off**2 - 1.0, 1.0)
    found = near.change(np.ones(2000), np.tile([-9.0, 9.0], 1000)[:, np.newaxis])
    assert len(set(found)) == 2
    at = rng.normal(0.0, 0.1, 2000)
    for centre, deviation in ((-9.0, 2.0), (9.0, 0.8)):
        width = near.change(np.ones(2000), (centre + at)[:, np.newaxis])
        share = np.mean(np.abs(deviation * rng.normal(size=2000)) < width)
        assert share == pytest.approx(0.683, abs=0.05)
    few = near._replace(z=near.z[:N_NEAREST], excess=near.excess[:N_NEAREST])
    np.testing.assert_array_equal(few.change(np.ones(3), np.zeros((3, 1))), 1.0)


def test_a_spectrum_is_no_neighbour_of_its_own() -> None:
    rng = np.random.default_rng(7)
    z, excess = rng.normal(size=(N_NEAREST + 1, 2)), np.zeros(N_NEAREST + 1)
    excess[3] = 1e6
    near = Neighbourhood(z, np.array([1.0, 3.0]), excess, 2.0)
    own = np.arange(len(z))
    np.testing.assert_array_equal(near.change(np.ones(len(z)), z, own), 2.0)
    # Nearer in the second dimension, whose length is larger.
    at = np.zeros((1, 2))
    far = np.concatenate([np.full((N_NEAREST, 2), [2.0, 0.0]), [[0.0, 3.0]]])
    far = np.concatenate([far, np.full((N_NEAREST - 1, 2), [0.0, 3.1])])
    excess = np.where(far[:, 0] > 0.0, 8.0, 3.0)
    near = Neighbourhood(far, np.array([1.0, 3.0]), excess, 1.0)
    np.testing.assert_allclose(near.change(np.ones(1), at), 2.0)


def test_copies_of_spectra_leave_widths() -> None:
    codes = plant(400)
    first = np.repeat(np.arange(0, 800, 2), 2)
    copies = codes.take(first)._replace(star=codes.star)
    joint = fit(copies)[0]
    width = joint.read(copies.z_mean, copies.z_log_var)[1]
    # A tenth of what noise makes of codes is not to be believed.
    assert np.nanmin(width) > 0.1 * 10.0 * WIDTH


def test_stars_that_the_network_has_not_seen_decide_where_they_differ() -> None:
    codes = plant(1200)
    rng = np.random.default_rng(8)
    third = np.char.endswith(codes.star, "1")
    split = np.where((codes.split == "train") & third, "validation", codes.split)
    # As codes of an encoder that knows the spectra of its training by heart.
    noise = np.where(split[:, np.newaxis] == "train", 0.0, 3.0 * WIDTH)
    worse = codes.z_mean + noise * rng.normal(size=codes.z_mean.shape)
    codes = codes._replace(z_mean=worse.astype(np.float32), split=split)
    held_out = codes.take(split == "test")
    for known in (
        codes,
        codes._replace(split=np.where(split == "test", "test", "train")),
    ):
        value, _, error = fit(known)[0].read(held_out.z_mean, held_out.z_log_var)
        inside = np.isfinite(value)
        share = cover((value - held_out.labels["rv"])[inside], error[inside])[0]
        expected = 0.683 if known is codes else 0.25
        assert share == pytest.approx(expected, abs=0.1)


def test_degree_follows_the_number_of_stars() -> None:
    # With 2 dimensions 3, 6 and 10 terms, of 10 stars each.
    found = [_choose_degree(n, 2) for n in (29, 30, 59, 60, 99, 100, 10**6)]
    assert found == [0, 1, 1, 2, 2, 3, 3]


def test_file_gives_back_every_bit(joint: JointMap, tmp_path: Path) -> None:
    path = tmp_path / "joint_maps.npz"
    save_joint_maps([joint, joint], path)
    content = path.read_bytes()
    found = load_joint_maps(path)[1]
    z = np.random.default_rng(6).normal(size=(20, 3))
    for one, other in zip(found.read(z, z - 4.0), joint.read(z, z - 4.0), strict=True):
        np.testing.assert_array_equal(one, other)
    assert found.label == "rv"
    save_joint_maps([joint, joint], path)
    assert path.read_bytes() == content
    save_joint_maps([], path)
    assert load_joint_maps(path) == []


@pytest.mark.parametrize("kept", [0, 10, 1000])
def test_a_damaged_file_is_named(kept: int, joint: JointMap, tmp_path: Path) -> None:
    path = tmp_path / "joint_maps.npz"
    save_joint_maps([joint], path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(JointMapError, match=r"joint_maps\.npz: cannot be read; run"):
        load_joint_maps(path)


def test_a_file_of_another_version_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "joint_maps.npz"
    monkeypatch.setattr("stellar_tf.analysis.labels.joint_map_file.VERSION", 2)
    save_joint_maps([], path)
    monkeypatch.undo()
    with pytest.raises(JointMapError, match="another version of stellar-tf"):
        load_joint_maps(path)


def test_the_basis_is_what_its_fields_say(joint: JointMap) -> None:
    basis: Basis = joint.basis
    at_points = basis.expand(basis.points)[:, len(basis.exponents) :]
    covariance = relate(basis.points, basis.points, basis.length, basis.variance)
    np.testing.assert_allclose(at_points @ at_points.T, covariance, atol=1e-5)
