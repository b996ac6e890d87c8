"""Energy of a unit from its readings: hand-computed, exact solutions, and what may not be said."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vppd.market.settlement.energy import EnergyError, UnitSeries, decay, interval_energy

NONE = np.zeros(0)


def unit(t_s, p_mw, accepted=(), dead_time_s=0.0, lag_s=0.0, age_max_s=10.0) -> UnitSeries:
    at, mw = np.asarray(accepted, dtype=np.float64).reshape(-1, 2).T
    return UnitSeries(np.asarray(t_s, dtype=np.float64), np.asarray(p_mw, dtype=np.float64),
                      at, mw, dead_time_s, lag_s, age_max_s)  # fmt: skip


def mws(one: UnitSeries, *edges_s: float) -> list[float]:
    """Energy by interval, MW s."""
    return (3600.0 * interval_energy(one, np.asarray(edges_s)).energy_mwh).tolist()


def test_the_trapezoid():
    one = unit([0, 2, 6], [0, 4, 8])
    # 0 to 4 MW in 2 s: 4 MW s; 4 to 8 in 4 s: 24; then 8 MW held for 2 s
    assert mws(one, 0, 2, 6, 8) == pytest.approx([4.0, 24.0, 16.0])
    # edges between readings: (0 + 2) / 2 x 1 = 1; (2 + 4) / 2 x 1 + (4 + 5) / 2 x 1 = 7.5
    assert mws(one, 0, 1, 3) == pytest.approx([1.0, 7.5])


def test_a_hole_is_counted_and_has_a_straight_line():
    one = unit([0, 1, 21, 22], [1, 1, 3, 3])
    found = interval_energy(one, np.array([0.0, 11.0, 22.0, 40.0]))
    energy_mwh, hole_s = found.energy_mwh, found.estimated_s
    # 1 s of 1 MW, 10 s of 1 to 2; 10 s of 2 to 3, 1 s of 3; 18 s of 3
    assert (3600.0 * energy_mwh).tolist() == pytest.approx([16.0, 28.0, 54.0])
    # 20 s without a reading are a hole; 18 s beyond the last are 8 s longer than it may be old
    assert hole_s.tolist() == pytest.approx([10.0, 10.0, 8.0])


def test_a_hole_has_what_the_unit_was_counted_with():
    one = unit([0, 1, 21, 22], [1, 1, 3, 3], [(2.0, 9.0)], 0.0, 0.0)
    one = dataclasses.replace(one, counted_s=np.array([0.5, 5.0, 15.0, 21.5, 30.0, 40.0]),
                              counted_mw=np.array([7.0, 5.0, 5.0, 7.0, 7.0, 2.0]))  # fmt: skip
    found = interval_energy(one, np.array([0.0, 5.0, 21.0, 22.0, 50.0]))
    energy_mwh, hole_s = found.energy_mwh, found.estimated_s
    # 1 MW s, then 4 s from 1 to 5; 10 s of 5, 6 s from 5 to 3; 3 MW s, where no hole is;
    # beyond the last reading: 8 s from 3 to 7, 10 s from 7 to 2, 10 s of 2
    expected = [1.0 + 12.0, 50.0 + 24.0, 3.0, 40.0 + 45.0 + 20.0]
    assert (3600.0 * energy_mwh).tolist() == pytest.approx(expected)
    assert hole_s.tolist() == pytest.approx([4.0, 16.0, 0.0, 18.0])


def test_in_a_hole_the_unit_goes_where_it_was_counted_as_fast_as_it_can():
    """From 1 MW, read at 1 s; counted with 1, from 11 s on with 5; dead time 2 s, lag 4 s."""
    one = unit([0, 1, 41, 42], [1, 1, 5, 5], [(0.0, 1.0)], 2.0, 4.0)
    at = np.arange(2.0, 41.0)
    counted = {"counted_s": at, "counted_mw": np.where(at < 11.0, 1.0, 5.0)}
    found = interval_energy(dataclasses.replace(one, **counted), np.array([1.0, 13.0, 41.0]))
    # until 13 s nothing; then 5 - 4 exp(-t / 4) for 28 s: 140 - 16 (1 - exp(-7)) MW s, less some
    # hundredths for lines in place of the curve
    assert 3600.0 * found.energy_mwh[0] == pytest.approx(12.0)
    assert 3600.0 * found.energy_mwh[1] == pytest.approx(140.0 - 16.0 * (1 - math.exp(-7)), abs=0.1)
    assert found.estimated_s.tolist() == pytest.approx([12.0, 28.0])


def test_nothing_is_said_of_what_was_before_the_first_reading():
    with pytest.raises(EnergyError, match="no reading before"):
        interval_energy(unit([5.0], [1.0]), np.array([0.0, 10.0]))
    with pytest.raises(EnergyError, match="no reading before"):
        interval_energy(unit(NONE, NONE), np.array([0.0, 10.0]))


def test_a_step_between_readings_is_solved_and_not_drawn_as_a_line():
    """A battery: 1 MW sent at 0, dead time .1 s, lag .3 s, read each second."""
    dead_s, lag_s = 0.1, 0.3
    t_s = np.arange(0.0, 6.0)
    p_mw = np.where(t_s > dead_s, 1.0 - np.exp(-(t_s - dead_s) / lag_s), 0.0)
    one = unit(t_s, p_mw, [(0.0, 1.0)], dead_s, lag_s)
    # from 0 to 1: .9 s less what the lag has not let through, .3 x (1 - exp(-3)): .9 - .28506
    first = 0.9 - 0.3 * (1.0 - math.exp(-3.0))
    assert first == pytest.approx(0.61494, abs=1e-5)
    assert mws(one, 0, 1) == pytest.approx([first], abs=1e-9)
    # to 5 s: 4.9 - .3 (1 - exp(-49/3))
    assert mws(one, 0, 5) == pytest.approx([4.9 - 0.3], abs=1e-6)
    # the trapezoid has the half of the first second: .475, and so on
    trapezoid = mws(unit(t_s, p_mw), 0, 1)
    assert trapezoid == pytest.approx([0.5 * (1.0 - math.exp(-3.0))])


def test_two_setpoints_within_one_pair_of_readings():
    dead_s, lag_s = 0.1, 0.3
    # 1 MW sent at 0, 0 MW at .5: rises from .1 to .6, falls from there
    peak = 1.0 - math.exp(-0.5 / lag_s)
    end = peak * math.exp(-0.4 / lag_s)
    one = unit([0, 1, 2], [0.0, end, end * math.exp(-1.0 / lag_s)], [(0, 1.0), (0.5, 0.0)],
               dead_s, lag_s)  # fmt: skip
    exact = (0.5 - lag_s * peak) + lag_s * (peak - end)
    assert mws(one, 0, 1) == pytest.approx([exact], abs=1e-9)


def test_a_unit_that_stands_still_is_credited_with_no_movement():
    one = unit(np.arange(5.0), np.full(5, 2.0), [(0.0, 5.0), (1.0, -5.0), (2.0, 5.0)], 0.0, 0.3)
    assert mws(one, 0, 1, 2, 3, 4) == pytest.approx([2.0] * 4, abs=1e-12)


def test_a_unit_that_moves_against_its_orders_has_the_line():
    one = unit([0, 1, 2], [0.0, -1.0, -2.0], [(0.0, 1.0)], 0.0, 0.3)
    assert mws(one, 0, 1, 2) == pytest.approx([-0.5, -1.5])


def test_a_hole_is_a_line_whatever_was_sent():
    one = unit([0, 20], [0.0, 1.0], [(0.0, 1.0)], 0.0, 0.3)
    assert mws(one, 0, 20) == pytest.approx([10.0])


def test_beyond_the_last_reading_its_power_holds_whatever_was_sent():
    one = unit([0, 1], [1.0, 1.0], [(0.5, 9.0)], 0.6, 0.3)
    assert mws(one, 0, 1, 3) == pytest.approx([1.0, 2.0])


def test_setpoints_before_the_first_and_none_at_all():
    late = unit([0, 1, 2], [1.0, 1.0, 1.0], [(1.5, 1.0)], 0.0, 0.3)
    assert mws(late, 0, 1, 2) == pytest.approx([1.0, 1.0])
    assert mws(unit([0, 1], [1.0, 2.0], (), 0.0, 0.3), 0, 1) == pytest.approx([1.5])


@given(st.lists(st.floats(0.0, 1e3), min_size=1, max_size=20))
def test_decay_is_the_exponential(x):
    assert decay(np.asarray(x)) == pytest.approx(np.exp(-np.asarray(x)), rel=1e-11, abs=1e-16)


@st.composite
def histories(draw) -> UnitSeries:
    n = draw(st.integers(2, 12))
    gaps = draw(st.lists(st.floats(0.1, 15.0), min_size=n, max_size=n))
    power = st.floats(-50.0, 50.0)
    p_mw = draw(st.lists(power, min_size=n, max_size=n))
    sent = draw(st.lists(st.tuples(st.floats(-5.0, 60.0), power), max_size=8))
    sent = sorted({round(at, 3): mw for at, mw in sent}.items())
    one = unit(np.cumsum(gaps), p_mw, sent, draw(st.floats(0.0, 20.0)), draw(st.floats(0.0, 40.0)))
    counted = draw(st.lists(st.tuples(st.floats(-5.0, 60.0), st.floats(0.0, 1.0)), max_size=5))
    at, mwh = np.asarray(sorted(dict(counted).items()), dtype=np.float64).reshape(-1, 2).T
    return dataclasses.replace(one, meter_s=at, meter_mwh=mwh, most_mw=60.0)


@given(histories(), st.integers(1, 7))
def test_parts_sum_up_to_the_whole(one, parts):
    first, last = float(one.t_s[0]), float(one.t_s[-1]) + 3.0
    edges = np.linspace(first, last, parts + 1)
    whole = interval_energy(one, edges[[0, -1]])
    split = interval_energy(one, edges)
    for name in ("energy_mwh", "readings_mwh", "counted_s", "estimated_s"):
        parts_of, all_of = getattr(split, name), getattr(whole, name)
        assert math.fsum(parts_of) == pytest.approx(all_of[0], abs=1e-9), name


@given(histories(), st.floats(-20.0, 20.0))
def test_energy_is_of_the_readings_and_moves_with_them(one, more_mw):
    """Readings and setpoints that are all higher by x: the energy is by x times the time."""
    edges = np.array([one.t_s[0], one.t_s[-1] + 1.0])
    moved = UnitSeries(one.t_s, one.p_mw + more_mw, one.accepted_s, one.accepted_mw + more_mw,
                       one.dead_time_s, one.lag_s, one.age_max_s)  # fmt: skip
    before, after = (interval_energy(u, edges).readings_mwh[0] for u in (one, moved))
    assert 3600.0 * (after - before) == pytest.approx(
        more_mw * (edges[1] - edges[0]), rel=1e-6, abs=1e-6 * float(edges[1])
    )
