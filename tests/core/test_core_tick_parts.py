"""Parts of a tick that ordinary data never reach: a broken kernel, a dropped setpoint, droop."""

import dataclasses

import numpy as np
import pytest
from builders import NAN, at, image, params

from vppd.core import allocation
from vppd.core import tick as module
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import EventCode, Mode, Order, Quality, Reason, Verdict
from vppd.kernels import rows, status

P = params()
BEFORE = dataclasses.replace(
    initial_state(P), now_s=99.0, mode=Mode.REGULATING, mode_since_s=50.0, verdict=Verdict.FRESH,
    p_setpoint_mw=np.array([1.0, 2.0, 3.0]), out_reason=np.zeros(3, np.uint8),
)  # fmt: skip


def events(decision):
    columns = decision.event_code, decision.event_index, decision.event_value
    return {
        (EventCode(code).name, i): value
        for code, i, value in zip(*(c.tolist() for c in columns), strict=True)
    }


@pytest.mark.parametrize(
    ("order", "response_mw"), [(Order.AUTO, 12.0), (Order.LOCAL, 0.0), (Order.SAFE, 0.0)]
)
def test_droop_adds_to_the_request_unless_the_operator_has_the_plant(order, response_mw):
    p = params(droop_enabled=True)
    seen = image(
        agc_pu=0.1, basepoint_mw=np.full(3, 1.0), freq_hz=48.964, freq_received_s=100.0,
        freq_quality=Quality.ONLINE, order=order,
    )  # fmt: skip
    _, d = tick(BEFORE, seen, p)
    assert d.droop_mw == pytest.approx(response_mw)
    expected_mw = {Order.AUTO: 3.0 + 2.0 + 12.0, Order.LOCAL: 3.0, Order.SAFE: 0.0}[order]
    assert d.request_mw == pytest.approx(expected_mw)
    assert d.basepoint_sum_mw == (0.0 if order is Order.SAFE else 3.0)


def test_no_optimum_is_claimed_on_the_way_to_safe_values():
    _, d = tick(BEFORE, image(order=Order.SAFE), P)
    assert (d.status, d.lam, d.kkt_mw) == (status.OK, 0.0, 0.0)


@pytest.mark.parametrize("mode", [Mode.STARTING, Mode.HOLD, Mode.LOCAL])
def test_a_new_mode_begins_now(mode):
    state, _ = tick(dataclasses.replace(BEFORE, mode=mode), image(), P)
    assert (state.mode, state.mode_since_s) == (Mode.REGULATING, 100.0)


@pytest.mark.parametrize("wrong_mw", [10.5, -10.5, 9.0])
def test_a_setpoint_that_the_second_guard_drops_is_not_sent(monkeypatch, wrong_mw):
    """The limits are wrong for one unit: out of its rating, or too fast."""
    real = module._find_able

    def broken(*arguments):
        benched = real(*arguments)
        able = arguments[-2]
        able[rows.LOWER, 1] = able[rows.UPPER, 1] = wrong_mw
        return benched

    monkeypatch.setattr(module, "_find_able", broken)
    state, d = tick(BEFORE, image(agc_pu=0.3), P)
    assert d.p_setpoint_mw[1] == state.p_setpoint_mw[1] == 2.0
    assert [Reason(r) for r in d.held_by][1] is Reason.GUARD
    assert events(d)["GUARD_DROPPED", 1] == wrong_mw
    assert [key for key in events(d) if key[0] == "GUARD_DROPPED"] == [("GUARD_DROPPED", 1)]
    assert d.served_mw == pytest.approx(d.p_setpoint_mw.sum())
    assert d.unserved_mw == pytest.approx(6.0 - d.p_setpoint_mw.sum())


@pytest.mark.parametrize("broken", [status.BAD_INPUT, status.OK])
def test_when_the_split_fails_units_stay_and_predictions_too(monkeypatch, broken):
    """One unit is lost and predicted at its last accepted 7 MW; the others hold their last."""

    def fails(request_mw, target, weight, lower, upper, lam, out):
        out[:] = 0.0
        return broken, 9.0, 0.5

    monkeypatch.setattr(allocation, "_split_exact", fails)
    seen = image(
        agc_pu=0.9, connected=at(image().connected, 1, 0), accepted_mw=at(np.zeros(3), 1, 7.0)
    )
    state, d = tick(BEFORE, seen, P)
    code = status.MISMATCH if broken == status.OK else broken
    assert d.p_setpoint_mw.tolist() == [1.0, 7.0, 3.0]
    assert (d.status, d.lam, d.kkt_mw, state.lam) == (code, 0.0, 0.5, 0.0)
    assert d.held_by.tolist() == [Reason.GUARD, Reason.UNREACHABLE, Reason.GUARD]
    assert events(d)["ALLOCATION_REFUSED", -1] == float(code)


def test_what_is_held_and_what_room_is_left():
    """A lost unit counts as held, and has no room; nor has one whose limits are crossed."""
    seen = image(
        agc_pu=0.3, connected=at(image().connected, 1, 0), accepted_mw=at(np.zeros(3), 1, 7.0),
        p_avail_min_mw=np.array([NAN, NAN, 5.0]), p_avail_max_mw=np.array([NAN, NAN, 4.0]),
    )  # fmt: skip
    state, d = tick(BEFORE, seen, P)
    assert state.out_reason.tolist() == [Reason.NONE, Reason.UNREACHABLE, Reason.CROSSED]
    assert d.held_mw == pytest.approx(10.0)
    assert d.p_setpoint_mw[0] == pytest.approx(-4.0)
    assert (d.headroom_mw, d.footroom_mw) == pytest.approx((10.0, 0.0))
    assert (d.range_up_mw, d.range_down_mw) == pytest.approx((14.0, 6.0))
