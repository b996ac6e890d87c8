"""Whatever a link loses: no unit is sent a setpoint beyond its ramp from where it may truly be."""

import dataclasses

import numpy as np
from builders import at, image, params
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lossy_unit import RAMP_MW_PER_S, WATCHDOG_S, WAYS, LossyUnit

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Order

PHASES = st.lists(
    st.tuples(st.sampled_from(sorted(WAYS)), st.integers(1, 14), st.floats(-1.0, 1.0)),
    min_size=2,
    max_size=14,
)


# Setpoints were taken without an answer, and then the unit was counted by the one that it had
# accepted before them: told that again in one step, and ramped from there.
AGED = [
    ("no answer, read late", 5, -1.0), ("hangs", 3, -1.0), ("write lost", 3, 1.0),
    ("not read", 6, 1.0),
]  # fmt: skip
CUT = [
    ("down", 3, 0.0), ("write lost", 13, 0.5), ("not read", 12, -1.0),
    ("no answer, read late", 4, -1.0), ("down", 1, 0.0), ("write lost", 3, 1.0),
    ("refuses, not read", 13, 1.0), ("well", 1, 1.0),
]  # fmt: skip
# Said again after a reconnect: the last tick knew nothing of it.
RESAID = [("read late", 2, 1.0), ("write lost", 11, 0.0), ("down", 1, 0.0), ("read late", 1, -1.0)]
# In its fallback by what was heard of it, and truly where a setpoint without an answer left it.
UNREAD = [
    ("refuses", 12, 1.0), ("no answer, read late", 3, -1.0), ("down", 2, 0.5), ("not read", 7, 1.0),
]  # fmt: skip
# Counted by its fallback, and its first reading was taken before the tick that did so.
LATE = [("neither answer nor reading", 11, 1.0), ("read late", 1, -1.0)]


def run(phases, fallback_mw, order=Order.AUTO):
    """Regulate through these phases (what gets through, ticks, AGC value); the unit 1 of three."""
    p = params(
        ramp_up_mw_per_s=np.full(3, RAMP_MW_PER_S), ramp_down_mw_per_s=np.full(3, RAMP_MW_PER_S),
        watchdog_s=np.full(3, WATCHDOG_S), fallback_mw=at(np.zeros(3), 1, fallback_mw),
    )  # fmt: skip
    now_s = 100.0
    unit = LossyUnit(fallback_mw, now_s)
    state = dataclasses.replace(
        initial_state(p), now_s=now_s, mode=Mode.REGULATING, mode_since_s=50.0,
        p_setpoint_mw=np.zeros(3), sent=np.ones(3, np.uint8),
    )  # fmt: skip
    for name, ticks, agc_pu in phases:
        for _ in range(ticks):
            now_s += 1.0
            unit.live(now_s)
            unit.hear(now_s - 0.1, WAYS[name])
            seen = _image(unit, now_s, agc_pu, order)
            state, d = tick(state, seen, p)
            if d.send[1]:
                unit.tell(float(d.p_setpoint_mw[1]), now_s, WAYS[name])
    return unit


def _image(unit, now_s, agc_pu, order):
    base = image(now_s=now_s, agc_pu=agc_pu, order=order)
    return dataclasses.replace(
        base, p_meas_mw=at(base.p_meas_mw, 1, unit.read_mw),
        measured_at_s=at(base.measured_at_s, 1, unit.read_s),
        quality=at(base.quality, 1, unit.quality), connected=at(base.connected, 1, unit.connected),
        accepted_mw=at(base.accepted_mw, 1, unit.accepted_mw),
        accepted_at_s=at(base.accepted_at_s, 1, unit.accepted_s),
        write_result=at(base.write_result, 1, unit.result),
    )  # fmt: skip


@settings(max_examples=200)
@example(AGED, 9.0, Order.AUTO)
@example(CUT, 0.0, Order.AUTO)
@example(RESAID, -9.0, Order.SAFE)
@example(UNREAD, 9.0, Order.AUTO)
@example(LATE, -9.0, Order.AUTO)
@given(PHASES, st.floats(-9.0, 9.0), st.sampled_from([Order.AUTO, Order.SAFE]))
def test_no_setpoint_leaves_the_ramp_whatever_the_link_loses(phases, fallback_mw, order):
    assert run(phases, fallback_mw, order).broken == []
