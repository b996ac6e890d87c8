"""Ramp, lag, steps and dead time against their closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plant_bench import DT_S, law
from small_bench import unit

from hil.plant import actuator
from hil.plant.body import bodies
from hil.plant.orders import FIRST_LENGTH, Orders

on_grid = law(actuator.on_grid)


def ramp_then_lag(t_s: float, slope: float, height: float, lag_s: float) -> float:
    """Power after a step of `height`: reference along a ramp to it, first-order lag behind."""
    end_s = height / slope
    if t_s <= end_s:
        return slope * (t_s - lag_s + lag_s * np.exp(-t_s / lag_s))
    at_end = slope * (end_s - lag_s + lag_s * np.exp(-end_s / lag_s))
    return height + (at_end - height) * np.exp(-(t_s - end_s) / lag_s)


@pytest.mark.parametrize(("slope", "lag_s"), [(1.0, 0.3), (0.2, 2.0), (0.02, 25.0), (0.01, 40.0)])
def test_a_step_answers_as_the_ramp_and_lag_say(slope, lag_s):
    body = bodies([unit("sunspec_battery", ramp_mw_per_s=slope, lag_true_s=lag_s)], DT_S)
    body["mean_mw"] = 0.4
    for k in range(1, 600):
        actuator.move(body)
        expected = ramp_then_lag(k * DT_S, slope, 0.4, lag_s)
        assert body["ordered_mw"][0] == pytest.approx(expected, abs=1e-12)


def test_without_lag_the_power_is_the_reference():
    body = bodies([unit("sunspec_battery", ramp_mw_per_s=0.5)], DT_S)
    body["mean_mw"] = 1.0
    actuator.move(body)
    assert body["ordered_mw"][0] == pytest.approx(0.05)


def test_steps_are_the_nearest_that_the_unit_can():
    found = [on_grid(-load, -1.0, 0.1, 0.3) for load in (0.0, 0.1, 0.2, 0.34, 0.36, 1.0, 1.04)]
    assert found == pytest.approx([0.0, 0.0, -0.3, -0.3, -0.4, -1.0, -1.0])
    assert on_grid(-0.97, -0.97, 0.1, 0.3) == pytest.approx(-0.9)  # and never beyond its limit


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_step_is_never_further_than_the_grid(load_mw, limit_mw):
    load_mw = min(load_mw, limit_mw)
    found = on_grid(-load_mw, -limit_mw, 0.01, 0.0)
    assert -limit_mw - 1e-12 <= found <= 0.0
    assert abs(found + load_mw) <= 0.01 + 1e-12


def test_held_units_stand_still_and_tripped_ones_are_at_nothing():
    body = bodies([unit("modbus_hvac"), unit("modbus_hvac"), unit("modbus_hvac")], DT_S)
    body["mean_mw"] = -0.7
    body["held_mw"] = (0.0, -0.3, -5.0)
    actuator.move(body)
    assert body["ordered_mw"].tolist() == [0.0, -0.3, -0.92]  # the last one within its limits
    body["held_mw"] = np.nan
    actuator.move(body)
    assert body["ordered_mw"].tolist() == pytest.approx([-0.7, -0.7, -0.7])


def taken(orders: Orders, end_s: float) -> tuple[float, float]:
    """Target, and its mean over the second before `end_s`, of one unit."""
    body = bodies([unit("sunspec_battery")], 1.0)
    orders.take(end_s, 1.0, body)
    return float(body["target_mw"][0]), float(body["mean_mw"][0])


def test_orders_act_at_their_instant_in_the_order_of_instants():
    orders = Orders(1)
    for due_s, p_mw in ((0.75, 3.0), (0.25, 1.0), (0.5, 2.0), (1.0, 9.0), (0.5, 4.0)):
        orders.put(0, due_s, p_mw)
    # 0 until .25, 1 until .5, then 4 (the later of two calls) until .75, then 3
    assert taken(orders, 1.0) == pytest.approx((3.0, 0.25 * 1.0 + 0.25 * 4.0 + 0.25 * 3.0))
    orders.put(0, 1.5, 5.0)
    orders.clear()
    assert taken(orders, 2.0) == (0.0, 0.0)


def test_many_orders_are_all_kept():
    rng = np.random.default_rng(3)
    orders, body = Orders(2), bodies([unit("sunspec_battery")] * 2, DT_S)
    due_s = np.sort(rng.uniform(0.0, 100.0, 5 * FIRST_LENGTH))
    for k, at_s in enumerate(due_s.tolist()):
        orders.put(1, at_s, float(k))
        if k == FIRST_LENGTH // 2:  # so that the buffer has turned round when it grows
            orders.take(at_s, DT_S, body)
    for end_s in np.arange(due_s[FIRST_LENGTH // 2], 100.0, DT_S).tolist():
        orders.take(end_s, DT_S, body)
        assert body["target_mw"][1] == np.searchsorted(due_s, end_s) - 1
    assert body["target_mw"][0] == 0.0
