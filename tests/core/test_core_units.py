"""Units that are not what they seem: unheard, local, stiff and slow, half read, at a stop."""

import dataclasses

import numpy as np
import pytest
from builders import NAN, at, image, params

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Order, Quality, Reason, WriteResult

ONES = image().connected
ZEROS = image().accepted_mw


def running(p, setpoints_mw, **changes):
    """A plant that regulates at these setpoints since a while; its last tick was at 99 s."""
    return dataclasses.replace(
        initial_state(p), now_s=99.0, mode=Mode.REGULATING, mode_since_s=50.0,
        p_setpoint_mw=np.array(setpoints_mw), out_reason=np.zeros(3, np.uint8), **changes,
    )  # fmt: skip


@pytest.mark.parametrize("result", [WriteResult.UNKNOWN, WriteResult.REFUSED])
def test_a_unit_that_is_read_but_accepts_nothing_is_counted_by_its_fallback(result):
    """Its telemetry is good, no setpoint gets through: its watchdog has run out all the same."""
    p = params(fallback_mw=np.array([0.0, -1.0, 0.0]))
    seen = image(
        agc_pu=0.3, write_result=at(ONES, 1, result), accepted_mw=at(ZEROS, 1, 2.0),
        accepted_at_s=at(image().accepted_at_s, 1, 89.9), p_meas_mw=at(ZEROS, 1, -1.0),
    )  # fmt: skip
    state, d = tick(running(p, [2.0, 2.0, 2.0]), seen, p)
    assert Reason(state.out_reason[1]) is Reason.FALLBACK
    assert d.p_setpoint_mw[1] == pytest.approx(-1.0)
    assert d.p_setpoint_mw.sum() == pytest.approx(6.0)
    assert d.send[1] == 1  # so that it can come back
    heard = dataclasses.replace(
        seen, tick=1, now_s=101.0, agc_received_s=101.0, measured_at_s=np.full(3, 101.0),
        accepted_at_s=np.full(3, 100.1), accepted_mw=d.p_setpoint_mw, write_result=ONES,
    )  # fmt: skip
    state, _ = tick(state, heard, p)
    assert state.out_reason.tolist() == [Reason.NONE] * 3


def test_an_unheard_unit_that_stands_elsewhere_is_brought_to_its_fallback_within_its_ramp():
    p = params(fallback_mw=np.array([0.0, -9.0, 0.0]))
    seen = image(
        write_result=at(ONES, 1, WriteResult.UNKNOWN), p_meas_mw=at(ZEROS, 1, 8.0),
        accepted_at_s=at(image().accepted_at_s, 1, 80.0),
    )  # fmt: skip
    _, d = tick(running(p, [0.0, 8.0, 0.0]), seen, p)
    assert d.p_setpoint_mw[1] == pytest.approx(3.0)


def test_in_shadow_nothing_is_ever_accepted_and_nobody_is_benched_for_it():
    p = params()
    seen = image(
        agc_pu=0.3, write_result=np.zeros(3, np.uint8), accepted_mw=np.full(3, NAN),
        accepted_at_s=np.full(3, NAN),
    )  # fmt: skip
    state, _ = tick(running(p, [0.0, 0.0, 0.0]), seen, p)
    assert state.out_reason.tolist() == [Reason.NONE] * 3


def test_after_a_gap_longer_than_its_watchdog_a_unit_starts_from_where_it_is():
    """A machine that was paused for a minute finds its units at their fallbacks."""
    p = params()
    seen = image(accepted_at_s=np.full(3, 40.0), accepted_mw=np.full(3, 9.0), agc_pu=-1.0)
    _, d = tick(running(p, [9.0, 9.0, 9.0]), seen, p)
    assert d.lower_mw == pytest.approx([-5.0] * 3)


def test_local_control_outranks_the_operator_who_cannot_change_it():
    p = params()
    seen = image(
        agc_pu=0.3, remote=at(ONES, 1, 0), p_meas_mw=at(ZEROS, 1, 2.5),
        locked=at(image().locked, 1, 1), operator_mw=at(np.full(3, NAN), 1, -9.0),
    )  # fmt: skip
    state, d = tick(running(p, [0.0, 0.0, 0.0]), seen, p)
    assert Reason(state.out_reason[1]) is Reason.LOCAL_CONTROL
    assert d.p_setpoint_mw[1] == pytest.approx(2.5)
    assert d.send.tolist() == [1, 0, 1]


@pytest.mark.parametrize("garbage_mw", [np.inf, -np.inf, 3.4e38, 1e300])
def test_a_reading_that_no_unit_can_have_does_not_move_the_others(garbage_mw):
    p = params()
    seen = image(agc_pu=0.3, remote=at(ONES, 1, 0), p_meas_mw=at(ZEROS, 1, garbage_mw))
    state, d = tick(running(p, [2.0, 2.0, 2.0]), seen, p)
    assert Reason(state.out_reason[1]) is Reason.TELEMETRY_AGE
    assert d.p_setpoint_mw.sum() == pytest.approx(6.0)
    assert d.status == 0


@pytest.mark.parametrize("key", ["step_min_mw", "resolution_mw"])
def test_a_slow_unit_with_large_steps_does_get_there(key):
    """What its ramp allows in one tick is less than the step: no reason to stand for ever."""
    stiff = at(ZEROS, 0, 2.0)
    p = params(**{key: stiff}, ramp_up_mw_per_s=np.array([0.4, 5.0, 5.0]))
    state = running(p, [0.0, 0.0, 0.0])
    for k in range(16):
        seen = image(tick=k, now_s=100.0 + k, agc_pu=0.9, accepted_mw=state.p_setpoint_mw)
        state, d = tick(state, seen, p)
    assert d.p_setpoint_mw == pytest.approx([6.0] * 3)
    assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)


def test_a_start_waits_for_the_units_that_were_not_read_yet():
    """Else the first one read would be driven to its limit for all the others."""
    p = params()
    never = at(at(image().measured_at_s, 1, NAN), 2, NAN)
    unread = {
        "measured_at_s": never, "p_meas_mw": at(at(ZEROS, 1, NAN), 2, NAN),
        "quality": np.array([0, Quality.RESTART, Quality.RESTART], np.uint8),
        "accepted_mw": np.full(3, NAN), "accepted_at_s": np.full(3, NAN),
    }  # fmt: skip
    state, d = tick(initial_state(p), image(agc_pu=1.0, **unread), p)
    assert d.mode == Mode.STARTING
    assert not d.send.any()
    after, d = tick(state, image(tick=1, now_s=100.3, agc_pu=1.0), p)
    assert d.mode == Mode.REGULATING
    unread["measured_at_s"] = at(never, 0, 102.0)
    late, d = tick(state, image(tick=2, now_s=102.0, agc_pu=1.0, **unread), p)
    assert (after.mode, late.mode) == (Mode.REGULATING, Mode.REGULATING)  # one is dead: go on
    assert d.send[0] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"measured_at_s": at(image().measured_at_s, 1, 90.0)},
        {"quality": at(image().quality, 1, Quality.COMM_LOST)},
        {"write_result": at(ONES, 1, WriteResult.REFUSED)},
        {"write_result": at(ONES, 1, WriteResult.UNKNOWN),
         "accepted_at_s": at(image().accepted_at_s, 1, 0.0)},
    ],
)  # fmt: skip
def test_safe_mode_takes_units_that_can_be_told_but_not_read_along(changes):
    p = params(safe_mw=np.full(3, -8.0))
    seen = image(order=Order.SAFE, accepted_mw=np.full(3, 2.0), p_meas_mw=np.full(3, 2.0))
    _, d = tick(running(p, [2.0, 2.0, 2.0]), dataclasses.replace(seen, **changes), p)
    assert d.mode == Mode.SAFE
    assert d.send.tolist() == [1, 1, 1]
    assert d.p_setpoint_mw == pytest.approx([-3.0] * 3)


def test_safe_mode_leaves_what_the_operator_holds_and_what_cannot_be_told():
    p = params(safe_mw=np.full(3, -8.0))
    seen = image(
        order=Order.SAFE, connected=at(ONES, 2, 0), accepted_mw=np.full(3, 2.0),
        locked=at(image().locked, 1, 1), operator_mw=at(np.full(3, NAN), 1, 2.0),
    )  # fmt: skip
    _, d = tick(running(p, [2.0, 2.0, 2.0]), seen, p)
    assert d.p_setpoint_mw == pytest.approx([-3.0, 2.0, 2.0])
