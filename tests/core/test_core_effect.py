"""What an order will do is what the next tick does."""

import dataclasses

import numpy as np
import pytest
from builders import at, image, params, standing

from vppd.core.effect import effect
from vppd.core.headroom import AWARD
from vppd.core.orders import (
    CapacityOrder,
    Hold,
    ModeOrder,
    PlanOrder,
    StopOrder,
    UnitOrder,
    stand,
)
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Order, Reason

P = params(
    3, safe_mw=np.array([1.0, -2.0, 3.0]), ramp_up_mw_per_s=np.full(3, 2.0),
    ramp_down_mw_per_s=np.full(3, 2.0),
)  # fmt: skip
BASE = standing()


def regulating(**changes):
    """State and image of a plant in regulation at 3 MW, each unit at 1 MW."""
    state = initial_state(P)
    for k in range(5):
        seen = image(3, k, 100.0 + k, agc_pu=0.15, **changes)
        state, _ = tick(state, seen, P)
    return state, seen


def of(*orders, before=BASE, state_image=None):
    state, seen = state_image or regulating()
    return effect(state, seen, P, before, stand(BASE, orders, P))


def nexts(*orders):
    """The decision of the next tick under the orders."""
    state, seen = regulating()
    s = stand(BASE, orders, P)
    seen = dataclasses.replace(
        seen, tick=seen.tick + 1, now_s=seen.now_s + P.tick_s, order=s.order, locked=s.locked,
        operator_mw=s.operator_mw, basepoint_mw=s.basepoint_mw,
        regulation_capacity_up_mw=s.regulation_capacity_up_mw,
        regulation_capacity_down_mw=s.regulation_capacity_down_mw,
    )  # fmt: skip
    return tick(state, seen, P)[1]


def test_the_plant_is_where_these_tests_say():
    state, _ = regulating()
    assert state.mode is Mode.REGULATING
    assert state.p_setpoint_mw == pytest.approx([1.0, 1.0, 1.0])


def test_nothing_changes_nothing():
    said = of()
    assert (said.units, said.unreached) == (0, 0)
    assert (said.now_mw, said.then_mw, said.moved_mw, said.others_mw) == (0.0, 0.0, 0.0, 0.0)
    assert (said.request_mw, said.request_change_mw) == (pytest.approx(3.0), 0.0)
    assert (said.unserved_mw, said.unserved_change_mw) == (pytest.approx(0.0, abs=1e-9), 0.0)
    assert (said.promise_up_change_mw, said.promise_down_change_mw) == (0.0, 0.0)
    assert (said.capacity_up_mw, said.capacity_down_mw) == (20.0, 20.0)
    assert said.mode is Mode.REGULATING


def test_a_unit_goes_to_its_value_and_the_others_take_over():
    order = UnitOrder(Hold.SETPOINT, (0,), (5.0,))
    said, decision = of(order), nexts(order)
    assert (said.units, said.unreached) == (1, 0)
    assert (said.now_mw, said.then_mw) == (pytest.approx(1.0), 5.0)
    assert said.moved_mw == pytest.approx(4.0)
    assert said.others_mw == pytest.approx(-2.0)  # what its ramp lets it go in the next tick
    assert decision.p_setpoint_mw == pytest.approx([3.0, 0.0, 0.0])
    assert said.promise_up_mw == decision.promise_up_mw[AWARD]
    assert said.promise_down_mw == decision.promise_down_mw[AWARD]
    plain = nexts()
    assert said.promise_up_change_mw == decision.promise_up_mw[AWARD] - plain.promise_up_mw[AWARD]
    change_mw = decision.promise_down_mw[AWARD] - plain.promise_down_mw[AWARD]
    assert said.promise_down_change_mw == change_mw
    assert said.promise_up_change_mw != said.promise_down_change_mw != 0.0


def test_two_units_that_go_apart_have_moved_both_ways():
    said = of(UnitOrder(Hold.SETPOINT, (0, 2), (4.0, -2.0)))
    assert said.units == 2
    assert (said.now_mw, said.then_mw) == (pytest.approx(2.0), 2.0)
    assert said.moved_mw == pytest.approx(6.0)


def test_a_value_beyond_the_rating_or_what_is_available_ends_there():
    assert of(UnitOrder(Hold.SETPOINT, (0,), (50.0,))).then_mw == 10.0
    assert of(UnitOrder(Hold.SETPOINT, (0,), (-50.0,))).then_mw == -10.0
    narrow = regulating(p_avail_min_mw=np.full(3, -4.0), p_avail_max_mw=np.full(3, 6.0))
    assert of(UnitOrder(Hold.SETPOINT, (0,), (50.0,)), state_image=narrow).then_mw == 6.0
    assert of(UnitOrder(Hold.SETPOINT, (0,), (-50.0,)), state_image=narrow).then_mw == -4.0
    crossed = regulating(p_avail_min_mw=np.full(3, 6.0), p_avail_max_mw=np.full(3, -6.0))
    assert of(UnitOrder(Hold.SETPOINT, (0,), (50.0,)), state_image=crossed).then_mw == 10.0
    assert of(UnitOrder(Hold.SETPOINT, (0,), (-50.0,)), state_image=crossed).then_mw == -10.0


def test_less_than_a_watt_is_no_move():
    assert of(UnitOrder(Hold.SETPOINT, (0,), (1.0 + 5e-7,))).moved_mw == 0.0
    assert of(UnitOrder(Hold.SETPOINT, (0,), (1.0 + 2e-6,))).moved_mw == pytest.approx(2e-6)


def test_a_stop_is_about_all_and_brings_them_to_their_safe_values():
    said = of(StopOrder())
    assert said.units == 3
    assert said.mode is Mode.SAFE
    assert said.then_mw == pytest.approx(1.0 - 2.0 + 3.0)
    assert said.moved_mw == pytest.approx(0.0 + 3.0 + 2.0)
    assert said.others_mw == 0.0


def test_a_safe_value_beyond_what_is_available_ends_there():
    narrow = regulating(p_avail_max_mw=np.full(3, 2.0))
    assert of(StopOrder(), state_image=narrow).then_mw == pytest.approx(1.0 - 2.0 + 2.0)


def test_a_value_without_a_lock_holds_nobody():
    free = dataclasses.replace(BASE, operator_mw=np.full(3, 9.0))
    state, seen = regulating()
    said = effect(state, seen, P, BASE, dataclasses.replace(free, pardon=0))
    assert said.then_mw == pytest.approx(1.0)


def test_a_mode_is_about_all():
    said = of(ModeOrder(Order.LOCAL))
    assert said.units == 3
    assert said.mode == nexts(ModeOrder(Order.LOCAL)).mode == Mode.LOCAL
    assert said.request_change_mw == pytest.approx(-3.0)
    assert said.request_mw == pytest.approx(0.0, abs=1e-9)


def test_a_capacity_moves_the_request_and_what_is_not_served():
    said = of(CapacityOrder(400.0, 30.0))
    assert said.units == 0
    assert (said.capacity_up_mw, said.capacity_down_mw) == (400.0, 30.0)
    assert said.request_mw == pytest.approx(60.0)
    assert said.request_change_mw == pytest.approx(57.0)
    assert said.unserved_mw == pytest.approx(51.0)  # 3 MW and 2 MW/s of three units are served
    assert said.unserved_change_mw == pytest.approx(51.0)
    assert said.others_mw == pytest.approx(6.0)


def test_a_plan_is_about_the_units_that_it_moves():
    said = of(PlanOrder((0.0, 4.0, 0.0), 20.0, 20.0))
    assert said.units == 1
    assert said.request_mw == pytest.approx(7.0)


def test_an_order_that_ends_is_about_its_unit_too():
    order = UnitOrder(Hold.SETPOINT, (1,), (1.0,))
    said = of(before=stand(BASE, [order], P))
    assert said.units == 1
    again = of(order, before=stand(BASE, [order], P))
    assert again.units == 0
    other = UnitOrder(Hold.SETPOINT, (1,), (2.0,))
    assert of(other, before=stand(BASE, [order], P)).units == 1


def test_a_pardon_is_about_its_unit():
    state, seen = regulating()
    for pardon, units in ((-1, 0), (0, 1), (2, 1), (3, 0)):
        after = dataclasses.replace(BASE, pardon=pardon)
        assert effect(state, seen, P, BASE, after).units == units


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"connected": at(np.ones(3, np.uint8), 0, 0)}, Reason.FALLBACK),
        ({"remote": at(np.ones(3, np.uint8), 0, 0)}, Reason.LOCAL_CONTROL),
        ({"measured_at_s": at(np.full(3, 104.0), 0, 90.0)}, Reason.TELEMETRY_AGE),
    ],
)
def test_a_unit_that_cannot_be_told_is_counted(changes, reason):
    changes = {"accepted_at_s": np.full(3, 93.0), **changes} if "connected" in changes else changes
    state, seen = regulating(**changes)
    assert state.out_reason.tolist() == [reason, Reason.NONE, Reason.NONE]
    said = of(UnitOrder(Hold.LOCK_OUT, (0, 1)), state_image=(state, seen))
    assert (said.units, said.unreached) == (2, 1)


def test_before_the_first_tick_no_setpoint_is_known_and_none_counted():
    state, seen = initial_state(P), image(3)
    said = effect(state, seen, P, BASE, stand(BASE, [UnitOrder(Hold.LOCK_OUT, (0,))], P))
    assert np.isnan(state.p_setpoint_mw).all()
    assert (said.units, said.now_mw, said.moved_mw) == (1, 0.0, 0.0)
    assert said.then_mw == 1.0
