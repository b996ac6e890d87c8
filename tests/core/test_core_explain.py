"""Why each unit got its setpoint: the reason, the share it would have had, and what is missing."""

import dataclasses

import numpy as np
import pytest
from builders import NAN, at, image, params

from vppd.core.explain import Slack, _Rule, explain
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Order, Policy, Quality, Reason, WriteResult

RESPONSIVE = {"policy": Policy.RESPONSE_AWARE}


def of(values):
    return np.array(values, dtype=float)


def explained(p, last, now):
    """The tick `now`, after the tick `last`, and why."""
    state, _ = tick(initial_state(p), last, p)
    _, decision = tick(state, now, p)
    return decision, explain(state, now, p, decision)


def regulating(p, *, agc_pu, n=3, last=None, **changes):
    last = image(n, now_s=100.0) if last is None else last
    return explained(p, last, image(n, tick=1, now_s=101.0, agc_pu=agc_pu, **changes))


def test_free_units_stand_at_their_shares():
    decision, why = regulating(params(cost=of([1.0, 2.0, 4.0])), agc_pu=0.35)
    assert decision.p_setpoint_mw.sum() == pytest.approx(7.0)
    assert why.would_mw == pytest.approx(decision.p_setpoint_mw)
    assert why.would_mw == pytest.approx([4.0, 2.0, 1.0])
    assert why.kept_mw.tolist() == [0.0, 0.0, 0.0]
    assert why.cause.tolist() == [Reason.NONE] * 3
    assert (why.missing_mw.tolist(), why.beyond_mw) == ([0.0] * 3, 0.0)
    assert why.room_mw.tolist() == [0.0] * 3
    assert why.weight == pytest.approx([1.0, 0.5, 0.25])
    assert why.price == pytest.approx([4.0])
    assert why.gain_pu.tolist() == [[1.0, 1.0, 1.0]]
    assert (why.dt_s, why.agc_pu) == (1.0, 0.35)
    assert np.isnan(why.model_mw).all()


LIMITS = [
    (Reason.RATING, {"p_max_mw": of([1.0, 10.0, 10.0])}, {}, 0.0),
    (Reason.RAMP, {"ramp_up_mw_per_s": of([1.0, 5.0, 5.0])}, {}, 9.0),
    (Reason.AVAILABLE, {}, {"p_avail_max_mw": of([1.0, NAN, NAN])}, 9.0),
    (Reason.SOC, {"energy_mwh": of([1.0, NAN, NAN])},
     {"soc_pu": of([0.1 + 1.0 / 60.0, NAN, NAN])}, 9.0),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "config", "seen", "room_mw"), LIMITS)
def test_a_limit_is_named_with_what_it_kept(reason, config, seen, room_mw):
    """6 MW from three alike: 2 each, but the first may give 1; so the others give 2.5."""
    decision, why = regulating(params(**config), agc_pu=0.3, **seen)
    assert decision.p_setpoint_mw == pytest.approx([1.0, 2.5, 2.5])
    assert why.cause.tolist() == [reason, Reason.NONE, Reason.NONE]
    assert why.would_mw == pytest.approx([2.5, 2.5, 2.5])
    assert why.kept_mw == pytest.approx([1.5, 0.0, 0.0])
    assert why.room_mw == pytest.approx([room_mw, 0.0, 0.0])


def test_a_lower_limit_forces():
    decision, why = regulating(params(p_min_mw=of([-1.0, -10.0, -10.0])), agc_pu=-0.3)
    assert decision.p_setpoint_mw == pytest.approx([-1.0, -2.5, -2.5])
    assert why.kept_mw == pytest.approx([-1.5, 0.0, 0.0])
    assert why.cause.tolist() == [Reason.RATING, Reason.NONE, Reason.NONE]


OUT = [
    (Reason.TELEMETRY_AGE, {"measured_at_s": of([90.0, 101.0, 101.0])}),
    (Reason.UNREACHABLE, {"connected": np.array([0, 1, 1], np.uint8)}),
    (Reason.FALLBACK, {"connected": np.array([0, 1, 1], np.uint8),
                       "accepted_at_s": of([80.0, 101.0, 101.0])}),
    (Reason.LOCAL_CONTROL, {"remote": np.array([0, 1, 1], np.uint8)}),
    (Reason.REFUSED, {"write_result": np.array([WriteResult.REFUSED, 1, 1], np.uint8)}),
    (Reason.OPERATOR, {"locked": np.array([1, 0, 0], np.uint8)}),
    (Reason.UNREACHABLE, {"quality": np.array([Quality.COMM_LOST, 0, 0], np.uint8)}),
    (Reason.CROSSED, {"p_avail_min_mw": of([3.0, NAN, NAN]),
                      "p_avail_max_mw": of([2.0, NAN, NAN])}),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "seen"), OUT)
@pytest.mark.parametrize("policy", [Policy.EXACT, Policy.RESPONSE_AWARE])
def test_a_unit_out_of_the_split_is_named_with_the_share_it_lost(policy, reason, seen):
    """The first stands at 0; 6 MW from the other two are 3 each, and that would be its share."""
    decision, why = regulating(params(policy=policy), agc_pu=0.3, **seen)
    assert why.cause.tolist() == [reason, Reason.NONE, Reason.NONE]
    assert decision.p_setpoint_mw == pytest.approx([0.0, 3.0, 3.0], abs=1e-9)
    if policy == Policy.EXACT:
        assert why.kept_mw == pytest.approx([3.0, 0.0, 0.0])
    else:  # its target is what it would be with all of them in the split: a third, not a half
        assert why.target_mw[0] < why.target_mw[1]
        assert why.target_mw[0] == pytest.approx(6.0 * 0.25 / 3.0)
        assert why.kept_mw[0] > 0.0
    assert why.room_mw == pytest.approx([10.0, 0.0, 0.0])


def test_a_store_of_unknown_charge_is_held_by_its_telemetry():
    p = params(energy_mwh=of([1.0, NAN, NAN]))
    _, why = regulating(p, agc_pu=0.3)
    assert why.cause.tolist() == [Reason.TELEMETRY_AGE, Reason.NONE, Reason.NONE]
    assert why.kept_mw == pytest.approx([3.0, 0.0, 0.0])


def test_a_dead_band_and_a_grid():
    p = params(step_min_mw=of([5.0, 0.0, 0.0]), resolution_mw=of([0.0, 1.5, 0.0]))
    decision, why = regulating(p, agc_pu=0.3)
    assert why.cause.tolist() == [Reason.DEAD_BAND, Slack.FITTED, Reason.NONE]
    assert decision.p_setpoint_mw[0] == 0.0
    assert decision.p_setpoint_mw[1] == pytest.approx(1.5)
    assert why.kept_mw[0] > 0.0
    assert why.kept_mw[1] == pytest.approx(why.would_mw[1] - 1.5)
    assert why.kept_mw[2] == 0.0
    assert why.room_mw[:2] == pytest.approx([10.0, 8.5])


def test_the_second_guard_is_named():
    p = params()
    state, _ = tick(initial_state(p), image(), p)
    now = image(tick=1, now_s=101.0, agc_pu=0.3)
    _, decision = tick(state, now, p)
    dropped = dataclasses.replace(
        decision,
        held_by=np.array([Reason.GUARD, 0, 0], np.uint8),
        p_setpoint_mw=at(decision.p_setpoint_mw, 0, 0.0),
    )
    why = explain(state, now, p, dropped)
    assert why.cause.tolist() == [Reason.GUARD, Reason.NONE, Reason.NONE]
    assert why.kept_mw == pytest.approx([2.0, 0.0, 0.0])


def test_an_ulp_before_its_limit_is_at_its_limit():
    p = params(p_max_mw=of([1.0, 10.0, 10.0]), p_min_mw=of([-10.0, -10.0, -10.0]))
    state, _ = tick(initial_state(p), image(), p)
    now = image(tick=1, now_s=101.0, agc_pu=0.3)
    _, decision = tick(state, now, p)
    almost = dataclasses.replace(
        decision,
        held_by=np.zeros(3, np.uint8),
        p_setpoint_mw=at(decision.p_setpoint_mw, 0, np.nextafter(1.0, 0.0)),
    )
    assert explain(state, now, p, almost).cause.tolist() == [Reason.RATING, 0, 0]
    low = dataclasses.replace(almost, p_setpoint_mw=at(decision.p_setpoint_mw, 1, -4.0 + 5e-16))
    low = dataclasses.replace(low, lower_mw=at(decision.lower_mw, 1, -4.0))
    assert explain(state, now, p, low).cause.tolist() == [Reason.RATING, Reason.RAMP, 0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_not_served_is_accounted_for(sign):
    """20 MW from units that give 1 (ramp) + 2 (what is left of it) + 10 (rating)."""
    p = params(
        ramp_up_mw_per_s=of([1.0, 20.0, 20.0]), ramp_down_mw_per_s=of([1.0, 20.0, 20.0]),
    )  # fmt: skip
    seen = {"p_avail_max_mw": of([NAN, 2.0, NAN]), "p_avail_min_mw": of([NAN, -2.0, NAN])}
    decision, why = regulating(p, agc_pu=sign, **seen)
    assert decision.unserved_mw == pytest.approx(sign * 7.0)
    assert why.cause.tolist() == [Reason.RAMP, Reason.AVAILABLE, Reason.RATING]
    assert why.missing_mw.sum() + why.beyond_mw == pytest.approx(decision.unserved_mw)
    assert why.beyond_mw == pytest.approx(0.0, abs=1e-9)
    assert why.missing_mw == pytest.approx([sign * 4.0, sign * 3.0, 0.0])  # both end at 5 MW
    assert why.room_mw == pytest.approx([9.0, 8.0, 0.0])


def test_what_no_rating_holds_is_beyond():
    p = params(ramp_up_mw_per_s=of([8.0, 20.0, 20.0]))
    decision, why = regulating(p, agc_pu=1.0, regulation_capacity_up_mw=40.0)
    assert decision.unserved_mw == pytest.approx(12.0)
    assert why.missing_mw == pytest.approx([2.0, 0.0, 0.0])
    assert why.beyond_mw == pytest.approx(10.0)


def test_a_late_unit_takes_its_target_and_is_said_to_be_late():
    p = params(dead_time_s=of([0.0, 0.0, 20.0]), **RESPONSIVE)
    decision, why = regulating(p, agc_pu=0.3)
    assert why.gain_pu.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    assert why.cause.tolist() == [Reason.NONE, Reason.NONE, Slack.LATE]
    assert why.would_mw == pytest.approx(decision.p_setpoint_mw)
    assert why.would_mw[2] == why.target_mw[2]
    assert why.price == pytest.approx(decision.ahead_price)
    assert why.model_mw == pytest.approx([0.0, 0.0, 0.0])


def test_late_units_have_room_but_no_part_of_what_is_missing():
    p = params(dead_time_s=of([0.0, 20.0, 20.0]), ramp_up_mw_per_s=of([20.0] * 3), **RESPONSIVE)
    decision, why = regulating(p, agc_pu=1.0)
    assert decision.unserved_mw == pytest.approx(10.0)
    assert why.cause.tolist() == [Reason.RATING, Slack.LATE, Slack.LATE]
    assert why.missing_mw.tolist() == [0.0, 0.0, 0.0]
    assert why.beyond_mw == pytest.approx(decision.unserved_mw)
    assert why.room_mw[1:] == pytest.approx(10.0 - decision.p_setpoint_mw[1:])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_price_beyond_all_breakpoints_is_that_of_the_last_one(sign):
    """20 MW from two fast units of 3 and 4 MW: no price is high enough, and any says the same."""
    p = params(
        p_min_mw=of([-3.0, -4.0, -10.0]), p_max_mw=of([3.0, 4.0, 10.0]),
        dead_time_s=of([0.0, 0.0, 5.0]), ramp_up_mw_per_s=of([20.0] * 3),
        ramp_down_mw_per_s=of([20.0] * 3), slow_s=1e6, **RESPONSIVE,
    )  # fmt: skip
    decision, why = regulating(p, agc_pu=sign)
    assert decision.p_setpoint_mw[:2] == pytest.approx([sign * 3.0, sign * 4.0])
    assert abs(decision.ahead_price[0]) > 100.0
    assert why.price[0] == pytest.approx(sign * 4.0, abs=1e-3)  # the second one's: 4 MW at cost 1
    assert why.kept_mw[:2] == pytest.approx([sign * 1.0, 0.0], abs=1e-3)
    assert why.gain_pu.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert why.cause[2] != Slack.LATE
    assert why.missing_mw.tolist() == [0.0, 0.0, 0.0]
    assert why.beyond_mw == pytest.approx(sign * 13.0)


def test_a_medium_unit_moves_by_the_second_price():
    p = params(dead_time_s=of([0.0, 5.0, 20.0]), **RESPONSIVE)
    decision, why = regulating(p, agc_pu=0.2)
    assert why.cause.tolist() == [Reason.NONE, Reason.NONE, Slack.LATE]
    assert why.price == pytest.approx(decision.ahead_price)
    assert why.price[1] > 0.0
    assert why.would_mw == pytest.approx(why.target_mw + why.weight * (why.price @ why.gain_pu))
    assert why.would_mw == pytest.approx(decision.p_setpoint_mw)
    assert why.target_mw[1] == 0.0  # it begins at its basepoint


def test_what_a_slow_unit_misses_is_counted_as_delivered():
    """Half of a change arrives: a ramp that keeps 2 MW keeps 1 MW of what is delivered."""
    lag_s = 1.0 / np.log(2.0)
    p = params(1, lag_s=of([lag_s]), ramp_up_mw_per_s=of([1.0]), **RESPONSIVE)
    decision, why = regulating(p, agc_pu=0.1, n=1)
    gain = why.gain_pu[0, 0]
    assert gain == pytest.approx(0.5, abs=0.02)
    assert decision.unserved_mw == pytest.approx(2.0 - gain)
    assert why.missing_mw == pytest.approx([decision.unserved_mw])
    assert why.beyond_mw == pytest.approx(0.0, abs=1e-9)


def test_several_points_add_up():
    gain = np.array([[0.0, 0.5, 1.0], [0.25, 1.0, 1.0]])
    rule = _Rule(of([1.0, 2.0, 3.0]), of([1.0, 0.5, 0.25]), gain, of([2.0, 4.0]))
    assert rule.share_mw() == pytest.approx([1.0 + 1.0, 2.0 + 2.5, 3.0 + 1.5])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_pro_rata_takes_of_the_rating_what_it_takes_of_the_box(sign):
    """The first is lost at 0; half of the room of the others is asked, so half of its rating."""
    p = params(policy=Policy.PRO_RATA, p_min_mw=of([-8.0] * 3), p_max_mw=of([8.0] * 3))
    seen = {"connected": np.array([0, 1, 1], np.uint8), "basepoint_mw": of([4.0 * sign, 0.0, 0.0])}
    decision, why = regulating(p, agc_pu=0.05 * sign, **seen)  # 4 + 1 of 10 MW within the ramp
    assert decision.p_setpoint_mw == pytest.approx([0.0, sign * 2.5, sign * 2.5])
    assert why.would_mw == pytest.approx([sign * 6.0, sign * 2.5, sign * 2.5])
    assert why.kept_mw == pytest.approx([sign * 6.0, 0.0, 0.0])
    assert why.cause.tolist() == [Reason.UNREACHABLE, Reason.NONE, Reason.NONE]
    assert np.isnan(why.weight).all()


def test_pro_rata_of_fitted_units_goes_by_the_others():
    p = params(policy=Policy.PRO_RATA, resolution_mw=of([2.0, 0.0, 0.0]))
    decision, why = regulating(p, agc_pu=0.3)
    assert decision.p_setpoint_mw == pytest.approx([2.0, 2.0, 2.0])
    decision, why = regulating(p, agc_pu=0.375)  # 2.5 each: the first is fitted to 2
    assert decision.p_setpoint_mw == pytest.approx([2.0, 2.75, 2.75])
    assert why.cause.tolist() == [Slack.FITTED, Reason.NONE, Reason.NONE]
    assert why.would_mw == pytest.approx([5.5, 2.75, 2.75])


def test_pro_rata_without_room_gives_the_rating():
    p = params(policy=Policy.PRO_RATA, ramp_up_mw_per_s=of([1.0, 2.0, 3.0]))
    decision, why = regulating(p, agc_pu=1.0)
    assert decision.unserved_mw == pytest.approx(14.0)
    assert why.would_mw == pytest.approx([10.0, 10.0, 10.0])
    assert why.missing_mw.sum() + why.beyond_mw == pytest.approx(14.0)


def test_merit_order_gives_what_is_left_when_the_turn_comes():
    p = params(
        policy=Policy.MERIT_ORDER, cost=of([2.0, 1.0, 3.0]), p_max_mw=of([10.0, 10.0, 4.0]),
        ramp_up_mw_per_s=of([5.0, 2.0, 5.0]),
    )  # fmt: skip
    decision, why = regulating(p, agc_pu=0.3)
    assert decision.p_setpoint_mw == pytest.approx([4.0, 2.0, 0.0])
    assert why.would_mw == pytest.approx([4.0, 6.0, 0.0])
    assert why.kept_mw == pytest.approx([0.0, 4.0, 0.0])
    decision, why = regulating(p, agc_pu=1.0)  # 20 MW asked, 11 MW there
    assert why.would_mw == pytest.approx([10.0, 10.0, 4.0])
    assert why.missing_mw.sum() + why.beyond_mw == pytest.approx(decision.unserved_mw)


def test_merit_order_leaves_a_free_unit_whose_ramp_begins_elsewhere():
    p = params(policy=Policy.MERIT_ORDER, cost=of([1.0, 2.0, 3.0]))
    state, _ = tick(initial_state(p), image(now_s=100.0, agc_pu=0.25), p)  # 5 MW from the first
    for k in (1, 2):
        now = image(tick=k, now_s=100.0 + k, agc_pu=0.5)  # then 10
        state, _ = tick(state, now, p)
    down = image(tick=3, now_s=103.0, agc_pu=0.3)
    _, decision = tick(state, down, p)
    assert decision.p_setpoint_mw == pytest.approx([6.0, 0.0, 0.0])  # its ramp ends at 5
    assert explain(state, down, p, decision).kept_mw.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("policy", list(Policy))
def test_in_mode_safe_the_share_is_the_safe_value(policy):
    p = params(policy=policy, safe_mw=of([1.0, 2.0, 9.0]), ramp_up_mw_per_s=of([5.0] * 3))
    decision, why = regulating(p, agc_pu=0.3, order=Order.SAFE)
    assert decision.mode == Mode.SAFE
    assert decision.p_setpoint_mw == pytest.approx([1.0, 2.0, 5.0])
    assert why.would_mw.tolist() == [1.0, 2.0, 9.0]
    assert why.kept_mw == pytest.approx([0.0, 0.0, 4.0])
    assert why.cause.tolist() == [Reason.NONE, Reason.NONE, Reason.RAMP]


def test_a_refused_split_has_no_shares():
    _, why = regulating(params(), agc_pu=0.3, basepoint_mw=of([NAN, 0.0, 0.0]))
    assert why.cause.tolist() == [Reason.GUARD] * 3
    assert np.isnan(why.kept_mw).all()
    assert why.room_mw.tolist() == [0.0] * 3
    assert (why.missing_mw.tolist(), why.beyond_mw) == ([0.0] * 3, 0.0)
