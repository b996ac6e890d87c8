"""Parts of the oracle: request, clusters, kernels of the lag, and the proof by prices."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_bench import REFERENCE, bare, request, scenario, unit

from hil import oracle
from hil.measure import tracking
from hil.oracle import clusters, highs, model, schedule
from hil.oracle import request as requests
from hil.oracle.program import Program
from hil.oracle.request import OracleError
from hil.plant.actuator import lagged, ramped
from hil.plant.battery import INVERTER
from hil.scenario import EventConfig
from vppd.market.series import hold_means

UNITS = REFERENCE.units
TRAITS = clusters.traits(UNITS)


def law(function):
    return getattr(function, "py_func", function)


# --- the request


@given(
    st.lists(st.floats(0.1, 3.0), min_size=1, max_size=12),
    st.integers(1, 15),
    st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_the_request_is_that_of_the_trace(gaps_s, seconds, seed):
    t_s = np.concatenate(([0.0], np.cumsum(gaps_s)))
    value = np.random.default_rng(seed).uniform(-1.0, 1.0, t_s.size)
    expected = hold_means(t_s, value, np.arange(seconds + 1.0))
    assert requests.held_means(t_s, value, seconds) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("duration_s", [61.0, 119.0, 120.0, 300.0])
def test_the_same_seconds_count_as_for_the_run(duration_s):
    asked = requests.of(scenario(f"duration_s={duration_s}"), REFERENCE)
    assert asked.skipped == tracking.skipped_s(duration_s)
    assert asked.seconds == duration_s


def test_basepoint_signal_and_a_cut_of_the_link():
    steps = "signal={kind: steps, steps: [[0, 0.25], [100, 1.0], [110, -1.0]]}"
    chosen = scenario("duration_s=130", steps)
    asked = requests.of(chosen, REFERENCE)
    pu = (asked.mw - REFERENCE.basepoint_mw) / REFERENCE.regulation_mw
    assert pu[[0, 99, 100, 109, 110]] == pytest.approx([0.25, 0.25, 1.0, 1.0, -1.0])
    cut = EventConfig(at_s=95.0, kind="agc_cut", duration_s=20.0)
    pu = requests.of(replace(chosen, events=(cut,)), REFERENCE).mw - REFERENCE.basepoint_mw
    assert pu[[94, 110, 115, 116]] / REFERENCE.regulation_mw == pytest.approx(
        [0.25, 0.25, 0.25, -1.0]
    )


def test_a_request_that_follows_the_frequency_must_be_given():
    chosen = scenario(
        "duration_s=130", "frequency={kind: event}", "droop={droop_pu: 0.05, power_mw: 10}"
    )
    with pytest.raises(OracleError, match="droop: the request depends on the frequency"):
        oracle.bound(chosen, REFERENCE)
    assert requests.of(chosen, REFERENCE, np.zeros(130)).mw.sum() == 0.0


# --- clusters


@pytest.mark.parametrize("most", [1, 5, 10, 40, 1000])
def test_each_unit_is_in_one_cluster(most):
    asked = request(np.zeros(3600))
    parts = clusters.partition(TRAITS, asked, most)
    assert len(parts) <= max(most, 2)  # with store and without
    members = np.concatenate(parts)
    assert sorted(members.tolist()) == list(range(len(UNITS)))
    stores = np.isfinite(TRAITS.give_mws)
    assert all(len(set(stores[part].tolist())) == 1 for part in parts)


def test_units_that_are_alike_stay_together():
    units = [replace(UNITS[0], rated_mw=2.0, index=i) for i in range(7)]
    traits = clusters.traits([*units, UNITS[20], UNITS[20]])
    parts = clusters.partition(traits, request(np.zeros(900)), 50)
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3, 4, 5, 6], [7, 8]]


@pytest.mark.parametrize("most", [2, 10, 60])
def test_the_restricted_cluster_fits_each_member_and_the_relaxed_one_holds_all(most):
    for part in clusters.partition(TRAITS, request(np.zeros(3600)), most):
        wide = clusters.relaxed(TRAITS, part, 3600)
        tight = clusters.restricted(TRAITS, part, 3600)
        assert wide.low_mw <= tight.low_mw + 1e-9
        assert tight.high_mw <= wide.high_mw + 1e-9
        assert wide.lag_s <= TRAITS.lag_s[part].min() <= tight.lag_s
        assert wide.ramp_mw_per_s >= tight.ramp_mw_per_s
        assert tight.share.sum() == pytest.approx(1.0)
        for i, share in zip(part.tolist(), tight.share, strict=True):
            span = share * (np.array([tight.low_mw, tight.high_mw]) - tight.base_mw)
            low_mw, high_mw = UNITS[i].basepoint_mw + span
            assert UNITS[i].p_min_mw - 1e-9 <= low_mw
            assert high_mw <= UNITS[i].p_max_mw + 1e-9
            assert share * tight.ramp_mw_per_s <= UNITS[i].ramp_mw_per_s + 1e-9


def test_what_moves_by_itself_is_quick_on_the_relaxed_side_alone():
    calm, cloudy = unit("pv", cloud_cover_pu=0.0), unit("pv", cloud_cover_pu=0.3)
    stepping = unit("ev_hub", charger_step_a=1.0)
    traits = clusters.traits([calm, cloudy, stepping])
    assert traits.quick_lag_s.tolist() == [calm.lag_true_s, 0.0, stepping.lag_true_s]
    assert traits.quick_mw[1] == pytest.approx(cloudy.p_max_mw - cloudy.p_min_mw)
    assert traits.quick_mw[2] > stepping.ramp_mw_per_s
    assert traits.lag_s[1] == cloudy.lag_true_s
    blind = unit("battery", droop_pu=None)
    droopy = replace(blind, droop_pu=0.05)
    with_frequency = clusters.traits([blind, droopy], with_frequency=True)
    assert with_frequency.quick_lag_s.tolist() == [blind.lag_true_s, 0.0]
    assert clusters.traits([droopy]).quick_lag_s[0] == droopy.lag_true_s


def test_standby_losses_are_not_less_than_the_batteries():
    assert INVERTER[0] <= clusters.STANDBY_PU


# --- dynamics


@pytest.mark.parametrize("lag_s", [0.0, 0.3, 2.0, 40.0, 3600.0])
def test_the_kernel_is_the_plant_s_lag(lag_s):
    """References straight from knot to knot, through the actuator in steps of 10 ms."""
    units = [bare(lag_true_s=lag_s, ramp_mw_per_s=0.5)]
    cluster = clusters.restricted(clusters.traits(units), np.array([0]), 30)
    grid = model.Grid(0, 30, 0.0)
    wanted = np.concatenate(([-1.0, -1.0], np.random.default_rng(1).uniform(-2.0, 0.0, 30)))
    found = schedule.carry_out(grid, [cluster], wanted[None, :])
    kernel = model.straight(lag_s)
    assert sum(kernel.weights) + kernel.keep == pytest.approx(1.0)
    assert min(kernel.weights) > -1e-9
    knots, before = found.knots_mw[0], -1.0
    for j in range(30):
        before = kernel.keep * before + np.dot(kernel.weights, knots[j : j + 3])
        assert found.mean_mw[0, j] == pytest.approx(before, abs=1e-9)
    dt_s, p_mw, means = 0.01, -1.0, []
    decay = math.exp(-dt_s / max(lag_s, 1e-6))
    for j in range(30):
        path = np.linspace(knots[j + 1], knots[j + 2], 101)
        powers = [p_mw]
        for old_mw, new_mw in zip(path[:-1].tolist(), path[1:].tolist(), strict=True):
            reference_mw = law(ramped)(old_mw, new_mw, 0.5 * dt_s + 1e-12)
            p_mw = law(lagged)(p_mw, old_mw, reference_mw, lag_s / dt_s, decay)
            powers.append(p_mw)
        means.append(np.mean(0.5 * (np.array(powers[:-1]) + np.array(powers[1:]))))
    assert found.mean_mw[0] == pytest.approx(np.array(means), abs=1e-4)


def test_a_schedule_is_cut_to_what_is_feasible():
    units = [bare(dead_time_true_s=5.5, ramp_mw_per_s=0.25)]
    cluster = clusters.restricted(clusters.traits(units), np.array([0]), 20)
    grid = model.Grid(-4, 24, 4.0)
    found = schedule.carry_out(grid, [cluster], np.full((1, 26), 9.0))
    at = dict(zip(grid.knots_s.tolist(), found.knots_mw[0].tolist(), strict=True))
    assert [at[t] for t in (-5.0, 0.0, 2.0, 3.0, 4.0, 6.0, 20.0)] == pytest.approx(
        [-1.0, -1.0, -1.0, -0.75, -0.5, 0.0, 0.0]
    )


def test_an_overdrawn_store_is_refused():
    battery = unit("battery", rated_mw=1.0, p_min_mw=-1.0, p_max_mw=1.0, energy_mwh=0.01)
    cluster = clusters.restricted(clusters.traits([battery]), np.array([0]), 60)
    grid = model.Grid(0, 60, 0.0)
    with pytest.raises(OracleError, match="overdraws a store"):
        schedule.carry_out(grid, [cluster], np.full((1, 62), 1.0))


# --- the proof


def small_program():
    """Minimise |x - 3| + |x - y| for x in [0, 5], y in [0, 2]: the optimum is 1."""
    program = Program()
    x = program.variables(1, 0.0, 5.0)
    y = program.variables(1, 0.0, 2.0)
    parts = [program.variables(1, 0.0, 10.0, cost=1.0) for _ in range(4)]
    program.constrain([(x, 1.0), (parts[0], 1.0), (parts[1], -1.0)], 3.0, 3.0)
    program.constrain([(x, 1.0), (y, -1.0), (parts[2], 1.0), (parts[3], -1.0)], 0.0, 0.0)
    return program


def test_the_solver_finds_the_optimum_and_proves_it():
    answer = highs.solve(small_program())
    assert small_program().cost @ answer.x == pytest.approx(1.0, abs=1e-4)
    assert answer.least == pytest.approx(1.0, abs=1e-4)
    assert answer.least <= 1.0 + 1e-12
    assert answer.iterations > 0


@given(st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=2))
def test_no_prices_prove_more_than_the_optimum(prices):
    assert highs.least(small_program(), np.array(prices)) <= 1.0 + 1e-9


def test_a_program_without_solution_is_told():
    program = small_program()
    program.constrain([(np.array([0]), 1.0)], 7.0, 8.0)
    with pytest.raises(OracleError, match="found no schedule"):
        highs.solve(program)
