"""The state before the first tick."""

import numpy as np

from vppd.core.response import nothing_sent
from vppd.core.types import Mode, Params, Reason, State, Verdict

NAN = float("nan")


def initial_state(params: Params) -> State:
    """State of a plant of which nothing is known yet: no setpoint, no signal, no unit reached."""
    n = len(params.ids)
    p_setpoint_mw = np.full(n, NAN)
    # Never read, never told: counted by the fallback. No event: nothing was lost yet.
    out_reason = np.full(n, Reason.FALLBACK, dtype=np.uint8)
    p_offset_mw = np.zeros(n)
    past_mw, when_s = nothing_sent(params)
    ahead_price = np.empty(0)
    sent = np.zeros(n, dtype=np.uint8)
    side = np.zeros(n, dtype=np.uint8)
    for array in (p_setpoint_mw, out_reason, p_offset_mw, past_mw, when_s, ahead_price, sent, side):
        array.setflags(write=False)
    return State(
        now_s=NAN,
        mode=Mode.STARTING,
        mode_since_s=NAN,
        agc_pu=NAN,
        agc_accepted_s=NAN,
        agc_seen_s=NAN,
        agc_sequence=-1,
        regulation_pu=0.0,
        verdict=Verdict.NONE,
        lam=0.0,
        unserved=0,
        p_setpoint_mw=p_setpoint_mw,
        out_reason=out_reason,
        slow_mw=0.0,
        p_model_mw=p_setpoint_mw,
        p_offset_mw=p_offset_mw,
        p_seen_s=p_setpoint_mw,
        past_mw=past_mw,
        ahead_price=ahead_price,
        when_s=when_s,
        award_short=0,
        sent=sent,
        told_mw=p_setpoint_mw,
        side=side,
        side_since_s=p_setpoint_mw,
        switches_left=p_setpoint_mw,
        recovery_mw=p_setpoint_mw,
        doubt=p_setpoint_mw,
        benched_s=p_setpoint_mw,
        bench_wait_s=p_setpoint_mw,
    )
