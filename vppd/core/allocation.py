"""Split a request by the policy, then fit the setpoints to what the units can act on.

A unit with a smallest step or a grid of values cannot take any number. It is fitted first, and
the units that can take any number absorb what that leaves, so that the sum stays exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from vppd.core.response import Foresight, aim
from vppd.core.types import F8, U1, Params, Policy, Reason
from vppd.kernels import ahead, exact, limits, merit_order, pro_rata, status
from vppd.kernels.sums import sum_in_order

RAMP = np.uint8(Reason.RAMP)

Mask = NDArray[np.bool_]
NO_PRICE = NOTHING = np.empty(0)
NO_GROUP = np.empty(0, dtype=np.int64)
SOFTNESS = np.array([0.0, 1e-3])  # MW of miss at each look-ahead point for a unit of its price


@dataclass(frozen=True, slots=True)
class Split:
    """One split: setpoints, and the certificate of the kernel."""

    p_mw: F8
    status: int
    lam: float
    kkt_mw: float
    served_mw: float  # of the request: sum of setpoints, or of what they will deliver
    price: F8  # multipliers of the look-ahead points, shape (K,)


Solve = Callable[[F8, F8, float], Split]  # within lower and upper, MW; from a first multiplier


@dataclass(frozen=True, slots=True)
class Box:
    """Limits of this tick, MW, and who set them (Reason). Arrays of shape (n,)."""

    lower_mw: F8
    upper_mw: F8
    lower_reason: U1
    upper_reason: U1
    range_lower_mw: F8  # the box without its ramp limits
    range_upper_mw: F8


def split(
    request_mw: float, basepoint_mw: F8, last_mw: F8, box: Box, lam: float, params: Params,
    foresight: Foresight | None = None,
) -> tuple[Split, U1]:  # fmt: skip
    """Split `request_mw` within the box; second value: Reason that bound each unit.

    With foresight the policy is response-aware, and the request is what is to be delivered.
    """
    if foresight is None:
        solve = _by_policy(request_mw, basepoint_mw, params)
    else:
        solve = _by_response(foresight, box, params)
    first = solve(box.lower_mw, box.upper_mw, lam)
    if first.status == status.BAD_INPUT:
        return first, np.zeros(len(params.ids), dtype=np.uint8)
    held = held_by(first.p_mw, box)
    if limits.count_stiff(params.resolution_mw, params.step_min_mw) == 0:
        return first, held
    stiff = (params.resolution_mw > 0.0) | (params.step_min_mw > 0.0)
    # A unit on its way is not fitted: were each part of the way rounded back because it is
    # smaller than the step, a slow unit would never leave its place.
    arrived = held != RAMP
    fitted_mw, dead = _fit(first.p_mw, last_mw, arrived, box, params)
    if np.array_equal(fitted_mw, first.p_mw):
        return first, held
    second = _rest_to_the_others(request_mw, solve, fitted_mw, stiff, first, box)
    return second, np.where(
        dead & (second.p_mw == last_mw), np.uint8(Reason.DEAD_BAND), held_by(second.p_mw, box)
    )


def _by_policy(request_mw: float, basepoint_mw: F8, params: Params) -> Solve:
    """Split so that the setpoints add up to the request."""

    def solve(lower_mw: F8, upper_mw: F8, lam: float) -> Split:
        out_mw = np.empty_like(lower_mw)
        kkt_mw = nan
        if params.policy == Policy.PRO_RATA:
            code = pro_rata.split_pro_rata(request_mw, basepoint_mw, lower_mw, upper_mw, out_mw)
            lam = nan
        elif params.policy == Policy.MERIT_ORDER:
            order = np.argsort(params.cost, kind="stable")
            code = merit_order.split_merit_order(
                request_mw, basepoint_mw, order, lower_mw, upper_mw, out_mw
            )
            lam = nan
        else:
            code, lam, kkt_mw = exact.split_exact(
                request_mw, basepoint_mw, 1.0 / params.cost, lower_mw, upper_mw, lam, out_mw
            )
        return Split(out_mw, code, lam, kkt_mw, sum_in_order(out_mw), NO_PRICE)

    return solve


def _by_response(foresight: Foresight, box: Box, params: Params) -> Solve:
    """Split so that what is delivered at the look-ahead points is the request.

    The first point is hard. The second is soft: it asks medium units to take over in good time,
    and what they cannot do is no power that is missing yet.
    """
    n, points = foresight.told_mw.size, foresight.ahead_s.size
    out_mw, price, missed_mw = np.empty(n + 1), np.empty(points), np.empty(points)
    work = np.empty(ahead.work_size(n + 1, 0))

    def solve(lower_mw: F8, upper_mw: F8, lam: float) -> Split:
        to = aim(foresight, params, box.range_lower_mw, box.range_upper_mw, lower_mw, upper_mw)
        code, _, kkt_mw = ahead.split_ahead(
            to.wanted_mw, SOFTNESS, to.gain_pu, to.target_mw, to.weight, to.lower_mw, to.upper_mw,
            NO_GROUP, NO_GROUP, NOTHING, NOTHING, foresight.price, out_mw, price, missed_mw,
            NOTHING, NOTHING, work,
        )  # fmt: skip
        if code == status.BAD_INPUT:
            return Split(foresight.told_mw, code, lam, kkt_mw, nan, foresight.price)
        p_mw = out_mw[:n].copy()
        _, served_mw = foresight.expected_mw(p_mw)
        return Split(p_mw, code, float(price[0]), kkt_mw, served_mw, price.copy())

    return solve


def _fit(p_mw: F8, last_mw: F8, arrived: Mask, box: Box, params: Params) -> tuple[F8, Mask]:
    """Fit setpoints to grid and smallest step; second value: units held in their dead band."""
    fitted_mw = p_mw.copy()
    grid = arrived & (params.resolution_mw > 0.0)
    if grid.any():
        step_mw = params.resolution_mw[grid]
        on_grid_mw = np.rint(p_mw[grid] / step_mw) * step_mw
        within = (box.lower_mw[grid] <= on_grid_mw) & (on_grid_mw <= box.upper_mw[grid])
        fitted_mw[grid] = np.where(within, on_grid_mw, p_mw[grid])
    dead = arrived & (np.abs(fitted_mw - last_mw) < params.step_min_mw)
    dead &= (box.lower_mw <= last_mw) & (last_mw <= box.upper_mw)
    return np.where(dead, last_mw, fitted_mw), dead


def _rest_to_the_others(
    request_mw: float, solve: Solve, fitted_mw: F8, stiff: Mask, first: Split, box: Box
) -> Split:
    """Split again with the fitted units pinned. Keeps the first split if this serves less."""
    lower_mw = np.where(stiff, fitted_mw, box.lower_mw)
    upper_mw = np.where(stiff, fitted_mw, box.upper_mw)
    second = solve(lower_mw, upper_mw, first.lam)
    missed_first_mw = abs(request_mw - first.served_mw)
    missed_second_mw = abs(request_mw - second.served_mw)
    tolerance_mw = 1e-9 * (1.0 + abs(request_mw))
    return second if missed_second_mw <= missed_first_mw + tolerance_mw else first


def held_by(p_mw: F8, box: Box) -> U1:
    """Reason that bound each unit at its setpoint, shape (n,); NONE if it was free."""
    held = np.empty(p_mw.size, dtype=np.uint8)
    limits.find_holders(p_mw, box.lower_mw, box.upper_mw, box.lower_reason, box.upper_reason, held)
    return held
