"""Split a request by the policy, then fit the setpoints to what the units can act on.

A unit with a smallest step or a grid of values cannot take any number. It is fitted first, and
the units that can take any number absorb what that leaves, so that the sum stays exact.
"""

from collections.abc import Callable
from math import isnan, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vppd.core.response import ABLE_PU, Aim, Foresight, aim
from vppd.core.types import F8, I8, U1, Params, Policy, Reason
from vppd.kernels import ahead, exact, limits, merit_order, pro_rata, share, status
from vppd.kernels.jit import entry
from vppd.kernels.sums import sum_in_order

_find_held, _share = entry(share.find_held), entry(share.share)
_split_exact = entry(exact.split_exact)
_find_holders = entry(limits.find_holders)
_split_merit_order = entry(merit_order.split_merit_order)
_split_pro_rata = entry(pro_rata.split_pro_rata)

FREE, GROUP = np.uint8(Reason.NONE), np.uint8(Reason.GROUP)
RAMP, DEAD_BAND = np.uint8(Reason.RAMP), np.uint8(Reason.DEAD_BAND)
RANGE_MIN_MW = 1e-6
QUIET_PU, QUIET_MAX_MW = 1e-5, 5e-4  # missing less, of all ranges, is no reason to move anybody

Mask = NDArray[np.bool_]
NO_PRICE = NOTHING = np.empty(0)
PRO_RATA, MERIT_ORDER = int(Policy.PRO_RATA), int(Policy.MERIT_ORDER)
SOFTNESS = np.array([0.0, 1e-3])  # MW of miss at each look-ahead point for a unit of its price


class Split(NamedTuple):
    """One split: setpoints, and the certificate of the kernel."""

    p_mw: F8
    status: int
    lam: float
    kkt_mw: float
    price: F8  # multipliers of the look-ahead points, shape (K,)
    group_price: F8  # and of the limits of groups, shape (g,)
    group_missed_mw: F8  # what units cannot keep of those
    served_mw: float  # at the first look-ahead point; without those what setpoints add up to


Solve = Callable[[F8, F8, float], Split]  # within lower and upper, MW; from a first multiplier


class Box(NamedTuple):
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
        solve = _solver(request_mw, basepoint_mw, params)
    else:
        solve = _by_response(foresight, params)
    first = solve(box.lower_mw, box.upper_mw, lam)
    if first.status == status.BAD_INPUT:
        return first, np.zeros(len(params.ids), dtype=np.uint8)
    if foresight is None:
        held = held_by(first.p_mw, box)
    else:
        held, near_mw = _held_and_near(first.p_mw, foresight, params, box)
        may_stay = first.status == status.OK and not isnan(near_mw)
        if may_stay and (staying := _all_stay(request_mw, near_mw, first, foresight)) is not None:
            return staying, np.where(held == FREE, DEAD_BAND, held)
    mark_groups(held, first.group_price, params)
    if params.fixed.stiff == 0:
        return first, held
    stiff = (params.resolution_mw > 0.0) | (params.step_min_mw > 0.0)
    # A unit on its way is not fitted: were each part of the way rounded back because it is
    # smaller than the step, a slow unit would never leave its place.
    arrived = held != RAMP
    fitted_mw, dead = _fit(first.p_mw, last_mw, arrived, box, params)
    if np.array_equal(fitted_mw, first.p_mw):
        return first, held
    second = _rest_to_the_others(request_mw, solve, fitted_mw, stiff, first, box)
    held = held_by(second.p_mw, box)
    if foresight is not None:
        held[(held == FREE) & (foresight.still != 0)] = DEAD_BAND
    return second, np.where(dead & (second.p_mw == last_mw), DEAD_BAND, held)


def _solver(request_mw: float, basepoint_mw: F8, params: Params) -> Solve:
    """By a policy that knows nothing of responses."""
    if params.group_parent.size and params.policy == Policy.EXACT:
        return _with_groups(request_mw, basepoint_mw, params)
    return _by_policy(request_mw, basepoint_mw, params)


def _by_policy(request_mw: float, basepoint_mw: F8, params: Params) -> Solve:
    """Split so that the setpoints add up to the request."""

    def solve(lower_mw: F8, upper_mw: F8, lam: float) -> Split:
        out_mw = np.empty_like(lower_mw)
        kkt_mw = nan
        if params.policy == PRO_RATA:
            code = _split_pro_rata(request_mw, basepoint_mw, lower_mw, upper_mw, out_mw)
            lam = nan
        elif params.policy == MERIT_ORDER:
            order = np.argsort(params.cost, kind="stable")
            code = _split_merit_order(request_mw, basepoint_mw, order, lower_mw, upper_mw, out_mw)
            lam = nan
        else:
            code, lam, kkt_mw = _split_exact(
                request_mw, basepoint_mw, 1.0 / params.cost, lower_mw, upper_mw, lam, out_mw
            )
        return split_of(out_mw, code, lam, kkt_mw, sum_in_order(out_mw))

    return solve


def _with_groups(request_mw: float, basepoint_mw: F8, params: Params) -> Solve:
    """Split so that the setpoints add up to the request, within the limits of groups, too."""
    n = basepoint_mw.size
    problem = Ahead(params, 1, params.fixed.member[:n])
    gain, weight, wanted_mw = np.ones((1, n)), 1.0 / params.cost, np.array([request_mw])

    def solve(lower_mw: F8, upper_mw: F8, lam: float) -> Split:
        # A pinned unit moves at no price: its weight would only say how far prices are tried.
        pull = np.where(lower_mw < upper_mw, weight, 1.0)
        done = problem.solve(
            wanted_mw, gain, basepoint_mw, pull, lower_mw, upper_mw, np.array([lam])
        )
        if done.code == status.BAD_INPUT:
            return split_of(basepoint_mw, done.code, lam, done.kkt_mw, nan)
        p_mw = done.out_mw
        return done.split(p_mw, sum_in_order(p_mw), NO_PRICE)

    return solve


def _held_and_near(
    p_mw: F8, foresight: Foresight, params: Params, box: Box
) -> tuple[U1, float]:  # fmt: skip
    """Reason that held each unit, and what may be missing if all keep their setpoints, MW.

    The second is NaN where somebody is to move. Nobody is if each unit would move by little, and
    none is on its way as fast as its ramp lets it. Those that were not worth to move have a reason,
    too.
    """
    held = np.empty(p_mw.size, np.uint8)
    far, range_mw = _find_held(
        params.quiet_pu, p_mw, foresight.told_mw, params.fixed.units, box.lower_mw, box.upper_mw,
        box.lower_reason, box.upper_reason, foresight.still, held,
    )  # fmt: skip
    if far or not params.quiet_pu > 0.0:
        return held, nan
    return held, min(QUIET_PU * range_mw, QUIET_MAX_MW)


def _all_stay(
    request_mw: float, near_mw: float, first: Split, foresight: Foresight
) -> Split | None:  # fmt: skip
    """The same split with the last setpoints in the place of its own; None if too much is missing.

    Nothing is worth a move if next to nothing is missing.
    """
    served_mw = foresight.served_mw(foresight.told_mw)
    if not abs(request_mw - served_mw) <= near_mw:
        return None
    return first._replace(p_mw=foresight.told_mw.copy(), served_mw=served_mw)


def _by_response(foresight: Foresight, params: Params) -> Solve:
    """Split so that what is delivered at the look-ahead points is the request.

    The first point is hard. The second is soft: it asks medium units to take over in good time,
    and what they cannot do is no power that is missing yet.
    """

    def solve(lower_mw: F8, upper_mw: F8, lam: float) -> Split:
        done = None
        if not params.group_parent.size:
            done = _at_once(foresight, params, lower_mw, upper_mw)
        if done is None:
            done = _step_by_step(foresight, params, lower_mw, upper_mw)
        if done.status == status.BAD_INPUT:
            return split_of(
                foresight.told_mw, done.status, lam, done.kkt_mw, nan, foresight.ahead_price
            )
        return done

    return solve


def _at_once(foresight: Foresight, params: Params, lower_mw: F8, upper_mw: F8) -> Split | None:
    """Split without groups in one kernel; None where rounding has left something to do."""
    points, n = foresight.gain_pu.shape
    out_mw, price = np.empty(n + 1), np.empty(points)
    code, kkt_mw, served_mw = _share(
        ABLE_PU, SOFTNESS, foresight.request_mw, foresight.free_mw, foresight.gain_pu,
        foresight.block, params.fixed.units, lower_mw, upper_mw, foresight.told_mw,
        foresight.still, foresight.ahead_price,
        out_mw, price, np.empty(params.fixed.share_work),
    )  # fmt: skip
    if code == ahead.UNFINISHED:
        return None
    return Split(
        out_mw[:n], code, float(price[0]), kkt_mw, price, NOTHING, NOTHING, served_mw
    )  # fmt: skip


def _step_by_step(foresight: Foresight, params: Params, lower_mw: F8, upper_mw: F8) -> Split:
    """The same with groups, and with what rounding has left."""
    n, points = foresight.told_mw.size, foresight.ahead_s.size
    problem = Ahead(params, points, params.fixed.member)
    to = aim(foresight, params, lower_mw, upper_mw, foresight.still)
    if params.group_parent.size:
        to = _late_ones_first(problem, to, foresight)
    done = problem.solve(
        to.wanted_mw, to.gain_pu, to.target_mw, to.pull, to.lower_mw, to.upper_mw,
        foresight.ahead_price,
    )  # fmt: skip
    p_mw = done.out_mw[:n]
    served_mw = nan if done.code == status.BAD_INPUT else foresight.served_mw(p_mw)
    return done.split(p_mw, served_mw, done.price)


def _late_ones_first(problem: "Ahead", to: Aim, foresight: Foresight) -> Aim:
    """Pin who answers too late for the first point at what groups leave of his own aim.

    Else a fast unit behind a limit that binds would make room for itself at the first point by
    sending its slow neighbours the other way, which they would only be by the second.
    """
    gain_pu, wanted_mw = to.gain_pu.copy(), to.wanted_mw.copy()
    gain_pu[0], wanted_mw[0] = 0.0, 0.0
    range_mw = foresight.upper_mw - foresight.lower_mw  # a limit that binds costs each by range
    weight = np.append(np.maximum(range_mw, RANGE_MIN_MW), to.weight[-1])
    pull = np.where(to.lower_mw < to.upper_mw, weight, 1.0)
    done = problem.solve(
        wanted_mw, gain_pu, to.target_mw, pull, to.lower_mw, to.upper_mw, foresight.ahead_price
    )
    if done.code == status.BAD_INPUT:
        return to
    late = to.gain_pu[0] == 0.0
    lower_mw = np.where(late, done.out_mw, to.lower_mw)
    upper_mw = np.where(late, done.out_mw, to.upper_mw)
    pull = np.where(lower_mw < upper_mw, to.weight, 1.0)
    return to._replace(lower_mw=lower_mw, upper_mw=upper_mw, pull=pull)


class Answer(NamedTuple):
    """What the several-point kernel says of `units` units and their groups."""

    code: int  # status
    kkt_mw: float  # largest violation of the optimality conditions
    out_mw: F8  # (units,)
    price: F8  # (points,)
    group_price: F8  # (groups,)
    group_missed_mw: F8

    def split(self, p_mw: F8, served_mw: float, price: F8) -> Split:
        """Split with these setpoints."""
        return Split(
            p_mw, self.code, float(self.price[0]), self.kkt_mw, price,
            self.group_price, self.group_missed_mw, served_mw,
        )  # fmt: skip


class Ahead:
    """Problems for the several-point kernel, with its room. `member`: group of each unit."""

    def __init__(self, params: Params, points: int, member: I8) -> None:
        self._params, self._points, self._member = params, points, member
        self._softness = SOFTNESS[:points]
        self._work = np.empty(ahead.work_size(member.size, params.group_parent.size))

    def solve(
        self, wanted_mw: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
        price_start: F8,
    ) -> Answer:  # fmt: skip
        """Solve one."""
        params = self._params
        points, groups = self._points, params.group_parent.size
        out_mw, price, missed_mw = np.empty(target_mw.size), np.empty(points), np.empty(points)
        group_price, group_missed_mw = np.empty(groups), np.empty(groups)
        code, _, kkt_mw = ahead.split_fitting(
            wanted_mw, self._softness, gain, target_mw, weight, lower_mw, upper_mw,
            self._member, params.group_parent, params.group_lower_mw, params.group_upper_mw,
            price_start, out_mw, price, missed_mw, group_price, group_missed_mw, self._work,
        )  # fmt: skip
        return Answer(code, kkt_mw, out_mw, price, group_price, group_missed_mw)


def split_of(
    p_mw: F8, code: int, lam: float, kkt_mw: float, served_mw: float, price: F8 = NO_PRICE
) -> Split:
    """Split without groups, where what is told is what is expected."""
    return Split(p_mw, code, lam, kkt_mw, price, NOTHING, NOTHING, served_mw)


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


def mark_groups(held: U1, group_price: F8, params: Params) -> None:
    """Give units that are free within their own limits, but not within their groups', a reason."""
    if not group_price.size or not group_price.any():
        return
    bound = np.zeros(group_price.size + 1, dtype=np.bool_)  # the last: of units in no group
    for g, parent in enumerate(params.group_parent.tolist()):
        bound[g] = group_price[g] != 0.0 or bound[parent]
    held[(held == FREE) & bound[params.unit_group]] = GROUP


def held_by(p_mw: F8, box: Box) -> U1:
    """Reason that bound each unit at its setpoint, shape (n,); NONE if it was free."""
    held = np.empty(p_mw.size, np.uint8)
    _find_holders(p_mw, box.lower_mw, box.upper_mw, box.lower_reason, box.upper_reason, held)
    return held
