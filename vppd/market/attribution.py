"""Each MW that a plant is off what was asked, given to units and causes. Pure.

At the instant of a tick, `asked` is basepoints + signal as received + droop, `delivered` the sum of
the newest readings, as the scores take them. Their difference is the loss, and

    asked - delivered = (asked - request)                         what was not even requested
                      + (request - sum of expected_i)             what was not served
                      + sum of (expected_i - measured_i)          what is not there, by unit

holds by telescoping: `expected_i` is what the tick expects of a unit at the first look-ahead point
(of a policy without one: its setpoint). The first part belongs to the mode: a signal that is stale
or was refused, an order. The second is shared as `core.explain` shares it, among the units with
room behind their limits, each with the limit that holds it. Of the third, as much as the unit's
last reading was off what the model foretold for its instant is unexplained; the rest is on its way.

Parts have the sign of what they add to the loss, so a unit that made up for others has parts
against it, and all parts of a tick sum to its loss.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vppd.core.explain import NOTHING_MW, explain
from vppd.core.response import Foresight
from vppd.core.tick import before_the_split, elapsed_s
from vppd.core.types import (
    F8,
    Decision,
    Image,
    Mode,
    Params,
    Policy,
    Reason,
    State,
    WriteResult,
)
from vppd.kernels import status
from vppd.kernels.response import keep
from vppd.kernels.sums import sum_in_order
from vppd.market.causes import CAUSE_BY_NUMBER, Cause

PLANT: Final = -1  # row of what belongs to no unit
FAILED: Final = (status.BAD_INPUT, status.MISMATCH)
UNSERVED: Final = (status.UNSERVED_UP, status.UNSERVED_DOWN)
LOST_WRITES: Final = (int(WriteResult.REFUSED), int(WriteResult.UNKNOWN))
CAUSE_OF_MODE: Final = {
    Mode.STARTING: Cause.STARTING,
    Mode.SAFE: Cause.OPERATOR,
    Mode.LOCAL: Cause.OPERATOR,
}


@dataclass(frozen=True, slots=True)
class Lost:
    """What one tick was off, and why."""

    asked_mw: float
    delivered_mw: float
    part_mw: F8  # (n + 1, len(Cause)), last row: the plant; sums to asked - delivered
    rounding_mw: float  # of that sum, before it was put to the plant's UNEXPLAINED

    @property
    def loss_mw(self) -> float:
        """Asked - delivered, MW; > 0: too little."""
        return self.asked_mw - self.delivered_mw


@dataclass(frozen=True, slots=True)
class Follow:
    """What a response model knows between two ticks, whatever the policy does."""

    carried: dict[str, Any]  # fields of State that the policy left alone
    off_mw: F8 | None = None  # (n,) newest readings less what was foretold; NaN: not known


NOTHING_FOLLOWED: Final = Follow({})


def signal_mw(image: Image) -> float:
    """AGC as received times what was sold, MW; a little beyond +-1 asks for no more than that.

    NaN where no value came; 0 where nothing was sold.
    """
    up_mw, down_mw = image.regulation_capacity_up_mw, image.regulation_capacity_down_mw
    if up_mw == 0.0 and down_mw == 0.0:
        return 0.0
    agc_pu = max(-1.0, min(1.0, image.agc_pu)) if math.isfinite(image.agc_pu) else math.nan
    return agc_pu * (up_mw if agc_pu >= 0.0 else down_mw)


def attribute(
    before: State,
    after: State,
    image: Image,
    params: Params,
    decision: Decision,
    follow: Follow,
    foreseen: Foresight | None = None,
) -> tuple[Lost | None, Follow]:
    """Give the loss of one tick to units and causes.

    Parameters
    ----------
    before, after : State
        That the tick started from, and that it left.
    follow : Follow
        As this function returned it for the tick before; `NOTHING_FOLLOWED` at the first.
    foreseen : Foresight, optional
        Of the tick, where its policy has one (`core.tick.tick_foreseen`): it is not made again.

    Returns
    -------
    tuple
        The loss, None where a unit or the signal was never read (unknown is not zero); and what
        the next call needs.
    """
    ahead = foreseen or _foretold(before, image, params, follow)
    follow = _followed(ahead, params, decision, follow)
    asked_mw = sum_in_order(image.basepoint_mw) + signal_mw(image) + decision.droop_mw
    delivered_mw = sum_in_order(image.p_meas_mw)
    if not math.isfinite(asked_mw - delivered_mw):
        return None, follow
    part_mw = np.zeros((len(params.ids) + 1, len(Cause)))
    if decision.mode in (Mode.STARTING, Mode.SAFE):  # nobody was asked to follow the signal
        part_mw[PLANT, CAUSE_OF_MODE[Mode(decision.mode)]] = asked_mw - delivered_mw
        return Lost(asked_mw, delivered_mw, part_mw, 0.0), follow
    cause = CAUSE_OF_MODE.get(Mode(decision.mode), Cause.SIGNAL)
    part_mw[PLANT, cause] += asked_mw - decision.request_mw
    _add_unserved(part_mw, before, image, params, decision)
    _add_not_there(part_mw, after, image, decision, follow.off_mw)
    rounding_mw = (asked_mw - delivered_mw) - sum_in_order(part_mw.ravel())
    part_mw[PLANT, Cause.UNEXPLAINED] += rounding_mw
    return Lost(asked_mw, delivered_mw, part_mw, rounding_mw), follow


def _foretold(before: State, image: Image, params: Params, follow: Follow) -> Foresight | None:
    """Foresight of the tick; under a policy that uses none, what it would have been."""
    if params.policy != Policy.RESPONSE_AWARE:
        # nobody is doubted under another policy, so nobody may be in what it would have foreseen
        params = replace(params, policy=int(Policy.RESPONSE_AWARE), trust_error_pu=0.0)
        before = replace(before, **follow.carried)
    dt_s = elapsed_s(before, image, params)
    return before_the_split(before, image, params, dt_s)[2]


def _followed(
    ahead: Foresight | None, params: Params, decision: Decision, follow: Follow
) -> Follow:
    if ahead is None:
        return follow
    off_mw = ahead.off_mw
    if follow.off_mw is not None and follow.off_mw.size == off_mw.size:
        off_mw = np.where(np.isnan(off_mw), follow.off_mw, off_mw)  # the reading is the same
    if params.policy == Policy.RESPONSE_AWARE:
        return Follow({}, off_mw)  # the state has it
    past_end, p_mw = params.fixed.past_end, decision.p_setpoint_mw
    keep(past_end, decision.send, p_mw, ahead.told_mw, ahead.past_mw)
    carried = {
        "slow_mw": ahead.slow_mw,
        "recovery_mw": ahead.recovery_mw,
        "p_model_mw": ahead.p_model_mw,
        "p_offset_mw": ahead.p_offset_mw,
        "p_seen_s": ahead.p_seen_s,
        "past_mw": ahead.past_mw,
        "when_s": ahead.when_s,
    }
    return Follow(carried, off_mw)


def _add_unserved(
    part_mw: F8, before: State, image: Image, params: Params, decision: Decision
) -> None:
    """Share what was not served, among those who had room behind a limit."""
    if decision.status in FAILED or (decision.held_by == Reason.GUARD).any():
        part_mw[PLANT, Cause.GUARD] += decision.unserved_mw
        return
    if decision.status not in UNSERVED:  # what units with steps or a grid leave
        part_mw[PLANT, Cause.STEPS] += decision.unserved_mw
        return
    why = explain(before, image, params, decision)
    units = np.arange(len(params.ids))
    part_mw[units, CAUSE_BY_NUMBER[why.cause]] += why.missing_mw  # each unit once
    left_mw = _give(part_mw, Cause.DOUBTED, _benched_mw(image, params, decision), why.beyond_mw)
    left_mw = _give(part_mw, Cause.LATE, _coming_mw(decision), left_mw)
    part_mw[PLANT, Cause.SATURATED] += left_mw


def _give(part_mw: F8, cause: Cause, most_mw: F8, left_mw: float) -> float:
    """Give units up to `most_mw`, shape (n,), of what is left, in proportion; return the rest.

    Only those count whose part has the sign of what is left.
    """
    most_mw = np.where(most_mw * left_mw > 0.0, most_mw, 0.0)
    sum_mw = sum_in_order(most_mw)
    if abs(sum_mw) <= NOTHING_MW:
        return left_mw
    given_mw = most_mw * min(1.0, left_mw / sum_mw)
    part_mw[:PLANT, cause] += given_mw
    return left_mw - sum_in_order(given_mw)


def _benched_mw(image: Image, params: Params, decision: Decision) -> F8:
    """What benched units that answer in time had given at their rating, shape (n,), MW.

    The split counts them where they are, so `explain` gives them no part of what is missing.
    """
    benched = decision.held_by == Reason.BENCHED
    in_time = benched & (params.dead_time_s < params.look_ahead_s)
    rating_mw = params.p_max_mw if decision.unserved_mw > 0.0 else params.p_min_mw
    return np.where(in_time, rating_mw - image.p_meas_mw, 0.0)


def _coming_mw(decision: Decision) -> F8:
    """What units were told and will deliver after the first look-ahead point, shape (n,), MW."""
    return np.asarray(decision.p_setpoint_mw - decision.expected_mw)


def _add_not_there(
    part_mw: F8, after: State, image: Image, decision: Decision, off_mw: F8 | None
) -> None:
    """Give each unit what it is expected to deliver and does not, by its readings."""
    expected_mw = np.where(  # an older journal does not say
        np.isnan(decision.expected_mw), decision.p_setpoint_mw, decision.expected_mw
    )
    missing_mw = expected_mw - image.p_meas_mw
    cause = CAUSE_BY_NUMBER[after.out_reason]  # LATE of those that take part
    refused, unknown = (image.write_result == result for result in LOST_WRITES)
    lost = (after.out_reason == Reason.NONE) & (refused | unknown)
    cause = np.where(lost, Cause.UNREACHABLE, cause)
    unexplained_mw = np.zeros_like(missing_mw)
    if off_mw is not None:
        short_mw = np.where(np.isnan(off_mw), 0.0, -off_mw)
        alike = (cause == Cause.LATE) & (short_mw * missing_mw > 0.0)
        less_mw = np.where(np.abs(short_mw) < np.abs(missing_mw), short_mw, missing_mw)
        unexplained_mw = np.where(alike, less_mw, 0.0)
    units = np.arange(missing_mw.size)
    part_mw[units, cause] += missing_mw - unexplained_mw  # each unit once
    part_mw[:PLANT, Cause.UNEXPLAINED] += unexplained_mw
