from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.explore.explorer import Explorer
from stellar_tf.explore.session import MIN_PIXELS, N_NEIGHBOURS, N_POINTS, Session


@pytest.fixture
def session(explorer: Explorer) -> Session:
    return Session(explorer, 5)


def test_it_begins_at_the_start(session: Session) -> None:
    np.testing.assert_array_equal(session.z, session.explorer.survey.z_mean[5])
    curves = session.curves()
    assert set(curves) == {
        ("flux", "observed"),
        ("flux", "start"),
        ("flux", "changed"),
        ("difference", "difference"),
    }
    assert not curves["difference", "difference"].any()


def test_a_moved_dimension_changes_the_spectrum_as_the_decoder_has_it(
    session: Session,
) -> None:
    moved = session.move({1: 2.5})
    z = session.start.z_mean.copy()
    z[1] = 2.5
    np.testing.assert_array_equal(moved, session.explorer.model.decode(z))
    curves = session.curves()
    difference = curves["flux", "changed"] - curves["flux", "start"]
    np.testing.assert_array_equal(curves["difference", "difference"], difference)
    assert np.abs(difference).max() > 0.0
    session.move({})
    np.testing.assert_array_equal(session.changed, session.reconstruction)


def test_comparing_shows_neighbours_and_residual(session: Session) -> None:
    session.mode = "compare"
    curves = session.curves()
    assert len(session.neighbours) == N_NEIGHBOURS
    assert 5 not in [neighbour.row for neighbour in session.neighbours]
    first = session.explorer.pick(session.neighbours[0].row)
    np.testing.assert_array_equal(curves["flux", "neighbour 1"], first.observed)
    residual = session.start.observed - session.reconstruction
    np.testing.assert_array_equal(curves["difference", "residual"], residual)


def test_another_start_forgets_the_old_one(session: Session) -> None:
    session.mode = "compare"
    session.move({0: 1.0})
    old = session.curves()["flux", "neighbour 1"]
    session.start_from(session.explorer.pick(9))
    assert not np.array_equal(session.curves()["flux", "neighbour 1"], old)
    np.testing.assert_array_equal(session.z, session.explorer.survey.z_mean[9])


def test_zoomed_in_every_pixel_is_sent(session: Session) -> None:
    wave = session.explorer.wave
    session.look_at(float(wave[300]), float(wave[400]))
    drawing = session.draw()
    start = drawing.curves["start"]
    inside = (start.wave >= wave[300]) & (start.wave <= wave[400])
    np.testing.assert_array_equal(start.wave[inside], wave[300:401])
    np.testing.assert_array_equal(start.values[inside], session.reconstruction[300:401])
    assert 101 <= drawing.n_pixels <= 103
    # A margin for panning, and no more.
    assert start.wave[0] == pytest.approx(wave[249], abs=1e-6)
    assert start.wave.size < 210


def test_no_more_is_sent_than_can_be_seen(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(explorer, 5)
    monkeypatch.setattr("stellar_tf.explore.session.N_POINTS", 100)
    whole = session.draw().curves["observed"]
    assert whole.wave.size <= 200 < explorer.wave.size < N_POINTS
    assert whole.values.max() == session.start.observed.max()


@pytest.mark.parametrize(
    ("low", "high"), [(5170.0, 5170.0), (9000.0, 9100.0), (0.0, 1.0), (5199.0, 5180.0)]
)
def test_the_view_stays_on_the_grid(session: Session, low: float, high: float) -> None:
    wave = session.explorer.wave
    view = session.look_at(low, high)
    assert wave[0] <= view.low < view.high <= wave[-1]
    step = wave[1] - wave[0]
    at_edge = view.low == wave[0] or view.high == wave[-1]
    assert view.high - view.low >= MIN_PIXELS * step * (0.5 if at_edge else 0.99)


def test_limits_hold_what_is_decoded(session: Session) -> None:
    session.move({0: 3.0})
    drawing = session.draw()
    low, high = drawing.limits["flux"]
    for flux in (session.changed, session.reconstruction):
        assert low <= flux.min() <= flux.max() <= high
    below, above = drawing.limits["difference"]
    assert -below == above > 0.0


def test_without_observed_flux_there_is_no_residual(session: Session) -> None:
    session.start_from(session.start._replace(observed=None))
    session.mode = "compare"
    assert ("difference", "residual") not in session.curves()
    drawing = session.draw()
    assert drawing.limits["difference"][1] > 0.0
    assert "observed" not in drawing.curves
