"""What an order will do, computed before it is given: the tick itself, with and without it.

No part of the tick. The next tick is run twice from the same inputs, once as things stand and once
as they would; that is exact for the next tick. Where a held unit ends up follows from its limits.
"""

from dataclasses import dataclass, replace

import numpy as np

from vppd.core.headroom import AWARD
from vppd.core.orders import Standing
from vppd.core.tick import tick
from vppd.core.types import F8, Decision, Image, Order, Params, Reason, State
from vppd.kernels.sums import sum_in_order

MOVED_MW = 1e-6  # less than a watt is no move
NEVER_HELD = (Reason.UNREACHABLE, Reason.FALLBACK, Reason.TELEMETRY_AGE, Reason.LOCAL_CONTROL)


@dataclass(frozen=True, slots=True)
class Effect:
    """What an order will do. Power in MW, generation positive."""

    units: int  # units that it is about
    unreached: int  # of them: units that cannot be told now
    now_mw: float  # their setpoints
    then_mw: float  # where their setpoints end up
    moved_mw: float  # sum of how far each of them goes
    others_mw: float  # what the setpoints of all others change by in the next tick
    request_mw: float  # of the next tick, with it
    request_change_mw: float
    unserved_mw: float  # of the next tick, with it
    unserved_change_mw: float
    promise_up_mw: float  # headroom around the plan, in 15 min, with it
    promise_down_mw: float
    promise_up_change_mw: float
    promise_down_change_mw: float
    capacity_up_mw: float  # regulation capacity, with it
    capacity_down_mw: float
    mode: int  # Mode of the next tick, with it


def effect(state: State, image: Image, params: Params, before: Standing, after: Standing) -> Effect:
    """Effect of what changes from `before` to `after`.

    `state` is what the last tick handed on, `image` what it saw: nothing newer is known.
    """
    as_is = _next(state, image, params, before)
    changed = _next(state, image, params, after)
    about = _about(before, after)
    now_mw = state.p_setpoint_mw
    then_mw = _ends_at_mw(after, image, params, changed)
    unknown = np.isnan(now_mw)
    way_mw = np.where(about & ~unknown, then_mw - now_mw, 0.0)
    others_mw = np.where(about, 0.0, changed.p_setpoint_mw - as_is.p_setpoint_mw)
    up_mw, down_mw = changed.promise_up_mw[AWARD], changed.promise_down_mw[AWARD]
    return Effect(
        units=int(np.count_nonzero(about)),
        unreached=int(np.count_nonzero(about & np.isin(state.out_reason, NEVER_HELD))),
        now_mw=sum_in_order(np.where(about & ~unknown, now_mw, 0.0)),
        then_mw=sum_in_order(np.where(about, then_mw, 0.0)),
        moved_mw=sum_in_order(np.abs(np.where(np.abs(way_mw) > MOVED_MW, way_mw, 0.0))),
        others_mw=sum_in_order(others_mw),
        request_mw=changed.request_mw,
        request_change_mw=changed.request_mw - as_is.request_mw,
        unserved_mw=changed.unserved_mw,
        unserved_change_mw=changed.unserved_mw - as_is.unserved_mw,
        promise_up_mw=float(up_mw),
        promise_down_mw=float(down_mw),
        promise_up_change_mw=float(up_mw - as_is.promise_up_mw[AWARD]),
        promise_down_change_mw=float(down_mw - as_is.promise_down_mw[AWARD]),
        capacity_up_mw=after.regulation_capacity_up_mw,
        capacity_down_mw=after.regulation_capacity_down_mw,
        mode=changed.mode,
    )


def _next(state: State, image: Image, params: Params, standing: Standing) -> Decision:
    image = replace(
        image,
        tick=image.tick + 1,
        now_s=image.now_s + params.tick_s,
        order=standing.order,
        regulation_capacity_up_mw=standing.regulation_capacity_up_mw,
        regulation_capacity_down_mw=standing.regulation_capacity_down_mw,
        basepoint_mw=standing.basepoint_mw,
        locked=standing.locked,
        operator_mw=standing.operator_mw,
        pardon=standing.pardon,
    )
    return tick(state, image, params)[1]


def _about(before: Standing, after: Standing) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Units that something changes for by order, and not by the split."""
    n = before.locked.size
    if before.order != after.order:
        return np.ones(n, dtype=bool)
    held = (before.locked != 0) | (after.locked != 0)
    moved = ~np.isclose(before.operator_mw, after.operator_mw, rtol=0.0, atol=0.0, equal_nan=True)
    plan = before.basepoint_mw != after.basepoint_mw
    about: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        (before.locked != after.locked) | (held & moved) | plan
    )
    if 0 <= after.pardon < n:
        about[after.pardon] = True
    return about


def _ends_at_mw(standing: Standing, image: Image, params: Params, decision: Decision) -> F8:
    """Where setpoints end up: the operator's value, the safe one, or what the next tick says."""
    held = (standing.locked != 0) & ~np.isnan(standing.operator_mw)
    wanted_mw = np.where(held, standing.operator_mw, decision.p_setpoint_mw)
    if standing.order is Order.SAFE:
        wanted_mw = np.where(held, standing.operator_mw, params.safe_mw)
    low_mw = np.fmax(params.p_min_mw, image.p_avail_min_mw)
    high_mw = np.fmin(params.p_max_mw, image.p_avail_max_mw)
    crossed = low_mw > high_mw
    low_mw = np.where(crossed, params.p_min_mw, low_mw)
    high_mw = np.where(crossed, params.p_max_mw, high_mw)
    fixed = held | (standing.order is Order.SAFE)
    return np.where(fixed, np.minimum(np.maximum(wanted_mw, low_mw), high_mw), wanted_mw)
