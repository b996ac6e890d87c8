"""Which units are trusted to do what their model says (`kernels/trust.py` tells how).

Only the response-aware policy foretells readings; with the others nobody is doubted.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vppd.core.allocation import Box
from vppd.core.response import Foresight
from vppd.core.types import F8, U1, Image, Params, Policy, State
from vppd.kernels import trust
from vppd.kernels.jit import entry

_count_doubt = entry(trust.count_doubt)
_judge = entry(trust.judge)
_shrink = entry(trust.shrink)

FORGET_S = 30.0  # time in which 63 % of what a reading said is forgotten
BENCHED = trust.BENCHED
RESPONSE_AWARE = int(Policy.RESPONSE_AWARE)


class Judged(NamedTuple):
    """Doubt of each unit, and who sits on the bench. Arrays of shape (n,)."""

    benched: int  # how many units are
    doubt: F8
    benched_s: F8
    bench_wait_s: F8


def judge(
    state: State, image: Image, params: Params, reason: U1, last_mw: F8, dt_s: float
) -> Judged | None:
    """Bench who is doubted too much: `reason` says so then. None where nobody is doubted."""
    if params.policy != RESPONSE_AWARE or not params.trust_error_pu > 0.0:
        return None
    n = reason.size
    state = _pardoned(state, image.pardon)
    doubt, benched_s, wait_s = np.empty(n), np.empty(n), np.empty(n)
    benched = _judge(
        image.now_s, dt_s, params.trust_error_pu, params.p_min_mw, params.p_max_mw,
        image.p_meas_mw, last_mw, state.doubt, state.benched_s, state.bench_wait_s,
        state.out_reason, reason, doubt, benched_s, wait_s,
    )  # fmt: skip
    return Judged(benched, doubt, benched_s, wait_s)


def _pardoned(state: State, unit: int) -> State:
    """The same, with the past of the unit forgotten that the operator trusts again."""
    if not 0 <= unit < state.doubt.size:
        return state
    columns = state.doubt.copy(), state.benched_s.copy(), state.bench_wait_s.copy()
    for column in columns:
        column[unit] = np.nan
    doubt, benched_s, bench_wait_s = columns
    return replace(state, doubt=doubt, benched_s=benched_s, bench_wait_s=bench_wait_s)


def shrink(judged: Judged, image: Image, params: Params, reason: U1, box: Box) -> None:
    """Shrink the box of doubtful units, in place."""
    _shrink(
        params.trust_error_pu, judged.doubt, reason, image.basepoint_mw, box.lower_mw,
        box.upper_mw, box.lower_reason, box.upper_reason, box.range_lower_mw, box.range_upper_mw,
    )  # fmt: skip


def as_measured(
    ahead: Foresight, judged: Judged | None, image: Image, reason: U1
) -> Foresight:  # fmt: skip
    """Foresight in which benched units stay where they are, whatever they are told."""
    if judged is None or judged.benched == 0:
        return ahead
    benched = (reason == BENCHED) & ~np.isnan(image.p_meas_mw)
    return ahead._replace(
        free_mw=np.where(benched, image.p_meas_mw, ahead.free_mw),
        gain_pu=np.where(benched, 0.0, ahead.gain_pu),
    )


def count_doubt(
    judged: Judged, ahead: Foresight, state: State, image: Image, params: Params, reason: U1
) -> F8:
    """Doubt after the readings of this tick, shape (n,)."""
    after = np.empty(reason.size)
    _count_doubt(
        params.trust_error_pu, FORGET_S, ahead.off_mw, image.p_meas_mw, state.p_seen_s,
        ahead.p_seen_s, params.p_min_mw, params.p_max_mw, image.p_avail_min_mw,
        image.p_avail_max_mw, judged.doubt, state.out_reason, reason, after,
    )  # fmt: skip
    return after
