"""Why each unit got its setpoint: what a Decision does not keep, computed again for one tick.

No part of the tick: `vppd explain` calls it for recorded inputs. The same steps of the tick give
the same box and the same foresight; the split's own rule, with a unit's limits left out, gives
what that unit would have got.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import nan
from typing import Final

import numpy as np

from vppd.core.allocation import Mask
from vppd.core.response import Foresight, aim, economic_mw, lasting_mw
from vppd.core.tick import (
    Able,
    Asked,
    before_the_split,
    elapsed_s,
)
from vppd.core.types import F8, U1, Decision, Image, Mode, Params, Policy, Reason, State
from vppd.kernels import exact, rows, status
from vppd.kernels.sums import sum_in_order

NOTHING_MW: Final = 1e-6  # 1 W: what is less is rounding
AT_LIMIT_MW: Final = 1e-9  # the split may end an ulp before a limit
FREE: Final = int(Reason.NONE)
UNSERVED: Final = (status.UNSERVED_UP, status.UNSERVED_DOWN)


class Slack(IntEnum):
    """Why a unit that no limit holds is not where its share is. Numbers beside those of Reason."""

    LATE = 100  # it answers after the look-ahead points: it takes its economic target
    FITTED = 101  # it takes steps, or values of a grid: the others take what that leaves


ROOM_IN_RANGE: Final = (Reason.NONE, Reason.RAMP, Reason.DEAD_BAND, *Slack)


@dataclass(frozen=True, slots=True)
class Why:
    """One tick, explained. Arrays of shape (n,), (K,) or (K, n); K look-ahead points, at least 1.

    A policy that knows nothing of responses has one point, and all of a setpoint arrives there.
    """

    dt_s: float  # since the last tick, as the ramps count it
    agc_pu: float  # AGC value in use; NaN: none
    last_mw: F8  # where each ramp starts from
    model_mw: F8  # what the unit delivers by its model, now; NaN: there is none
    gain_pu: F8  # (K, n) part of a change that counts there for the split
    target_mw: F8  # where the split would leave it at price 0; of a unit out of it, were it in
    weight: F8  # how far one unit of price moves it, MW; NaN: the policy has no price
    price: F8  # (K,) as far as it moves any unit
    would_mw: F8  # what it would have got without its own limits; NaN: the split was refused
    kept_mw: F8  # would - setpoint: what its limits kept from it; < 0: what they forced on it
    missing_mw: F8  # its part of what was not served, had the limits below its rating been lifted
    beyond_mw: float  # the rest of it: more than the ratings of all units that answer in time
    room_mw: F8  # between setpoint and rating (what holds no longer: range), >= 0, where it is held
    cause: U1  # Reason or Slack


@dataclass(frozen=True, slots=True)
class _Rule:
    """How the split shares: target + weight * (sum over k of price_k * gain_k)."""

    target_mw: F8
    weight: F8
    gain_pu: F8
    price: F8

    def share_mw(self) -> F8:
        push = np.zeros_like(self.target_mw)
        for price, gain_pu in zip(self.price.tolist(), self.gain_pu, strict=True):
            push = push + price * gain_pu
        return self.target_mw + self.weight * push


@dataclass(frozen=True, slots=True)
class _Inside:
    """What a tick was given, what it found on its way, and what it gave."""

    image: Image
    params: Params
    decision: Decision
    dt_s: float
    asked: Asked
    able: Able
    ahead: Foresight | None


def explain(state: State, image: Image, params: Params, decision: Decision) -> Why:
    """Say why each unit got its setpoint: `decision` is what the tick gave for these inputs."""
    inside = _look_inside(state, image, params, decision)
    with np.errstate(invalid="ignore"):  # what is not known stays NaN
        return _why(inside)


def _why(inside: _Inside) -> Why:
    params, decision = inside.params, inside.decision
    rule = _rule(inside)
    would_mw = _would_mw(rule, inside)
    kept_mw = would_mw - decision.p_setpoint_mw
    kept_mw = np.where(np.abs(kept_mw) <= NOTHING_MW, 0.0, kept_mw)
    cause = _cause(rule, kept_mw, params, decision)
    room_mw = _room_mw(cause, kept_mw, inside)
    missing_mw, beyond_mw = _missing(rule, room_mw, decision)
    model_mw = np.full_like(would_mw, nan)
    if inside.ahead is not None:
        model_mw = inside.ahead.output_mw
    return Why(
        inside.dt_s, inside.asked.agc_pu, inside.able.last_mw, model_mw,
        rule.gain_pu, rule.target_mw, rule.weight, rule.price,
        would_mw, kept_mw, missing_mw, beyond_mw, room_mw, cause,
    )  # fmt: skip


def _look_inside(state: State, image: Image, params: Params, decision: Decision) -> _Inside:
    dt_s = elapsed_s(state, image, params)
    asked, able, ahead = before_the_split(state, image, params, dt_s)
    return _Inside(image, params, decision, dt_s, asked, able, ahead)


def _rule(inside: _Inside) -> _Rule:
    params, ahead = inside.params, inside.ahead
    points = max(1, inside.decision.ahead_s.size)
    all_of_it = np.ones((points, len(params.ids)))
    if inside.asked.mode is Mode.SAFE:
        return _Rule(params.safe_mw, np.zeros_like(params.safe_mw), all_of_it, np.zeros(points))
    if ahead is not None:
        return _aimed(ahead, inside)
    price, plan_mw, box = (
        np.array([inside.decision.lam]),
        inside.image.basepoint_mw,
        inside.able.box,
    )
    if params.policy != Policy.EXACT:
        return _Rule(plan_mw, np.full_like(params.cost, nan), all_of_it, price)
    weight = 1.0 / params.cost
    price = _that_moves(price, all_of_it, plan_mw, weight, box.lower_mw, box.upper_mw)
    return _Rule(plan_mw, weight, all_of_it, price)


def _that_moves(
    price: F8, gain_pu: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8
) -> F8:  # fmt: skip
    """Prices as far as they move any unit.

    Where all units of a point stand at their limits and more is wanted, its price is beyond the
    last breakpoint and says no more than that; a share at such a price would be any number.
    """
    moves = price.copy()
    for k, gain in enumerate(gain_pu):
        counts = gain > 0.0
        slope = (weight * gain)[counts]
        up = ((upper_mw - target_mw)[counts] / slope).max(initial=0.0)
        down = ((lower_mw - target_mw)[counts] / slope).min(initial=0.0)
        moves[k] = min(max(price[k], down), up)
    return moves


def _aimed(ahead: Foresight, inside: _Inside) -> _Rule:
    """What the split aimed at; of units that are held at one value, had they taken part."""
    box, params, n = inside.able.box, inside.params, len(inside.params.ids)
    low_mw, high_mw = box.range_lower_mw, box.range_upper_mw
    moves = np.zeros(n, dtype=np.uint8)
    to = aim(ahead, params, box.lower_mw, box.upper_mw, moves)
    target_mw, weight = to.target_mw[:n], to.weight[:n]
    pinned = low_mw == high_mw
    if pinned.any():
        reach_low_mw, reach_high_mw = _reach_mw(inside.image, params)
        low_mw = np.where(pinned, reach_low_mw, low_mw)
        high_mw = np.where(pinned, reach_high_mw, high_mw)
        lasts_mw = lasting_mw(low_mw, high_mw, inside.image, params)
        there_mw, base_mw = economic_mw(
            ahead.slow_mw, inside.image.basepoint_mw, ahead.recovery_mw, *lasts_mw, params
        )
        block = ahead.block.copy()
        block[[rows.TARGET, rows.BASE]] = there_mw, base_mw
        block[[rows.LASTS_LOWER, rows.LASTS_UPPER]] = lasts_mw
        other = aim(ahead._replace(block=block), params, low_mw, high_mw, moves)
        target_mw = np.where(pinned, other.target_mw[:n], target_mw)
        weight = np.where(pinned, other.weight[:n], weight)
    price = _that_moves(
        inside.decision.ahead_price, to.gain_pu, to.target_mw, to.weight, to.lower_mw, to.upper_mw
    )
    return _Rule(target_mw, weight, to.gain_pu[:, :n], price)


def _reach_mw(image: Image, params: Params) -> tuple[F8, F8]:
    """Rating, and what is available; the rating alone where the two contradict each other."""
    low_mw = np.fmax(params.p_min_mw, image.p_avail_min_mw)
    high_mw = np.fmin(params.p_max_mw, image.p_avail_max_mw)
    crossed = low_mw > high_mw
    return np.where(crossed, params.p_min_mw, low_mw), np.where(crossed, params.p_max_mw, high_mw)


def _would_mw(rule: _Rule, inside: _Inside) -> F8:
    if inside.decision.status in (status.BAD_INPUT, status.MISMATCH):
        return np.full_like(rule.target_mw, nan)
    if inside.asked.mode is not Mode.SAFE and inside.params.policy == Policy.PRO_RATA:
        return _pro_rata_mw(inside)
    if inside.asked.mode is not Mode.SAFE and inside.params.policy == Policy.MERIT_ORDER:
        return _merit_order_mw(inside)
    return rule.share_mw()


def _pro_rata_mw(inside: _Inside) -> F8:
    """The part of the room that every unit gave, taken of the room up to the rating.

    Of a free unit it stands as it is: by this rule its limits scale its share, and do not hold it.
    """
    params, decision, box = inside.params, inside.decision, inside.able.box
    base_mw, open_mw = _bases_mw(inside)
    rises = decision.request_mw > sum_in_order(base_mw)
    limit_mw = box.upper_mw if rises else box.lower_mw
    is_free = _is_free(params, decision)
    room_mw = sum_in_order(np.where(is_free, limit_mw - base_mw, 0.0))
    moved_mw = sum_in_order(np.where(is_free, decision.p_setpoint_mw - base_mw, 0.0))
    share = moved_mw / room_mw if room_mw != 0.0 else float(decision.status in UNSERVED)
    would_mw = open_mw + share * ((params.p_max_mw if rises else params.p_min_mw) - open_mw)
    return np.where(is_free, decision.p_setpoint_mw, would_mw)


def _merit_order_mw(inside: _Inside) -> F8:
    """What is left when a unit's turn comes, as far as its rating lets it."""
    params, decision = inside.params, inside.decision
    base_mw, open_mw = _bases_mw(inside)
    moved_mw = decision.p_setpoint_mw - base_mw
    left_mw = sum_in_order(moved_mw) + decision.unserved_mw
    before_mw = np.empty_like(moved_mw)
    for i in np.argsort(params.cost, kind="stable").tolist():
        before_mw[i] = left_mw
        left_mw -= moved_mw[i]
    would_mw = np.minimum(np.maximum(open_mw + before_mw, params.p_min_mw), params.p_max_mw)
    # A free one took just what was left; only its ramp may have begun elsewhere than its basepoint.
    return np.where(_is_free(params, decision), decision.p_setpoint_mw, would_mw)


def _bases_mw(inside: _Inside) -> tuple[F8, F8]:
    """Basepoints within the box, and within the rating alone."""
    box, params, plan_mw = inside.able.box, inside.params, inside.image.basepoint_mw
    base_mw = np.minimum(np.maximum(plan_mw, box.lower_mw), box.upper_mw)
    return base_mw, np.minimum(np.maximum(plan_mw, params.p_min_mw), params.p_max_mw)


def _is_free(params: Params, decision: Decision) -> Mask:
    """Units that no limit holds, and that take any value."""
    is_free: Mask = (decision.held_by == FREE) & ~_stiff(params)
    return is_free


def _stiff(params: Params) -> Mask:
    stiff: Mask = (params.resolution_mw > 0.0) | (params.step_min_mw > 0.0)
    return stiff


def _cause(rule: _Rule, kept_mw: F8, params: Params, decision: Decision) -> U1:
    """Reason that held each unit, or the Slack in which it is."""
    cause, p_mw = decision.held_by.copy(), decision.p_setpoint_mw
    low = (cause == FREE) & (p_mw <= decision.lower_mw + AT_LIMIT_MW)
    cause[low] = decision.lower_reason[low]
    high = (cause == FREE) & (p_mw >= decision.upper_mw - AT_LIMIT_MW)
    cause[high] = decision.upper_reason[high]
    late = (cause == FREE) & ~(rule.gain_pu > 0.0).any(axis=0)
    cause[late] = Slack.LATE
    cause[(cause == FREE) & _stiff(params) & (kept_mw != 0.0)] = Slack.FITTED
    return cause


def _room_mw(cause: U1, kept_mw: F8, inside: _Inside) -> F8:
    """Room of each unit behind what holds it, MW, on the side where something is missing.

    A ramp, a dead band or a late answer is over with time, and then the other limits hold:
    the room ends at them. The room behind any other limit ends at the rating.
    """
    able, params, decision = inside.able, inside.params, inside.decision
    p_mw = decision.p_setpoint_mw
    side = np.sign(kept_mw)
    if decision.status in UNSERVED:
        side = np.full_like(p_mw, np.sign(decision.unserved_mw))
    passing = np.isin(cause, ROOM_IN_RANGE)
    high_mw = np.where(passing, able.box.range_upper_mw, params.p_max_mw)
    low_mw = np.where(passing, able.box.range_lower_mw, params.p_min_mw)
    room_mw = np.where(side > 0.0, high_mw - p_mw, np.where(side < 0.0, p_mw - low_mw, 0.0))
    return np.maximum(room_mw, 0.0)


def _missing(rule: _Rule, room_mw: F8, decision: Decision) -> tuple[F8, float]:
    """Share what was not served by the split's own rule among the units with room, as delivered.

    Second value: what is left when every unit that answers in time stands at its rating. Together
    they are `unserved_mw`.
    """
    unserved_mw = decision.unserved_mw
    part_mw = np.zeros_like(room_mw)
    if decision.status not in UNSERVED:
        return part_mw, 0.0
    # By the first look-ahead point: it is the one that says what is served.
    gain_pu = rule.gain_pu[0]
    some = (gain_pu > 0.0) & (room_mw > NOTHING_MW)
    gain_pu, got_mw = gain_pu[some], decision.p_setpoint_mw[some]
    weight = np.where(np.isnan(rule.weight), 1.0, rule.weight)[some]
    now_mw = gain_pu * got_mw
    then_mw = now_mw + gain_pu * room_mw[some] * np.sign(unserved_mw)
    out_mw = np.empty_like(now_mw)
    exact.split_exact(
        sum_in_order(now_mw) + unserved_mw, gain_pu * rule.target_mw[some],
        gain_pu * gain_pu * weight, np.minimum(now_mw, then_mw), np.maximum(now_mw, then_mw),
        0.0, out_mw,
    )  # fmt: skip
    part_mw[some] = out_mw - now_mw
    return part_mw, unserved_mw - sum_in_order(part_mw)
