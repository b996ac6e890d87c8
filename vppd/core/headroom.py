"""Headroom that can be promised to the TSO, and whether what was sold is within it.

A TSO that awards capacity asks: how far from the *plan* can this plant be moved, and held there,
within the next quarter of an hour? So promises are counted from the basepoints, whatever the AGC
signal asks at the moment; the way there begins where the plant is now (`kernels/headroom.py`). The
room from the present output, which a dispatcher wants to see, is `headroom_mw` and `range_up_mw`
of the decision. Droop draws on the same room.
"""

from typing import NamedTuple

import numpy as np

from vppd.core.response import Foresight
from vppd.core.types import F8, U1, AwardGuard, Decision, Image, Mode, Params
from vppd.kernels import headroom, rows
from vppd.kernels.jit import entry

_promise = entry(headroom.promise)

# What was sold is held against the third: reserves are to last for 15 min at full activation
# (Commission Regulation (EU) 2017/1485, Art. 156(9), the least that is asked of a limited store).
AWARD = 2
MARGIN_PU = (
    0.02  # of what was sold: missing less is no alarm, so that noise does not make it flicker
)
MARGIN_MW = 1e-3
NOT_REGULATED = (Mode.STARTING, Mode.SAFE, Mode.LOCAL)  # AGC moves nothing there
NO_GUARD = int(AwardGuard.NONE)


class Promise(NamedTuple):
    """MW above and below the basepoints at each horizon, shape (4,); never below zero."""

    s: F8  # horizons, s from now
    up_mw: F8
    down_mw: F8
    firm_up_mw: F8  # with an error of the SoC, what is firm of each unit, and one unit lost
    firm_down_mw: F8


def promised(
    mode: Mode, image: Image, params: Params, out_reason: U1, last_mw: F8,
    range_lower_mw: F8, range_upper_mw: F8, ahead: Foresight | None,
) -> Promise:  # fmt: skip
    """What can be promised as of now; nothing in a mode that does not follow AGC."""
    horizons_s = params.fixed.horizons_s
    sums_mw = np.zeros((4, horizons_s.size))
    if mode not in NOT_REGULATED:
        _promise(
            out_reason, image.basepoint_mw, last_mw, _output_mw(image, last_mw, ahead),
            range_lower_mw, range_upper_mw, image.soc_pu,
            params.fixed.units, params.fixed.left_pu, params.soc_error_pu, params.soc_horizon_s,
            params.unit_group, params.group_parent, params.group_lower_mw, params.group_upper_mw,
            np.empty((headroom.GROUP_ROWS, params.group_parent.size)), horizons_s, sums_mw,
        )  # fmt: skip
    sums_mw.setflags(False)  # type: ignore[call-arg]  # see `tick.seal`
    return Promise(horizons_s, sums_mw[0], sums_mw[1], sums_mw[2], sums_mw[3])


def _output_mw(image: Image, last_mw: F8, ahead: Foresight | None) -> F8:
    """Output of each unit now: by its model where there is one, which has less noise."""
    if ahead is not None:
        output_mw: F8 = ahead.block[rows.OUTPUT]
        return output_mw
    return np.where(np.isnan(image.p_meas_mw), last_mw, image.p_meas_mw)


def award_short_mw(promise: Promise, image: Image) -> tuple[float, float]:
    """What is missing of the capacity that was sold, up and down, MW; negative: to spare."""
    return (
        image.regulation_capacity_up_mw - float(promise.up_mw[AWARD]),
        image.regulation_capacity_down_mw - float(promise.down_mw[AWARD]),
    )


def is_award_short(
    was: int, mode: Mode, short_mw: tuple[float, float], image: Image, params: Params
) -> int:  # fmt: skip
    """1 while more was sold than can be promised. Begins beyond a margin, ends at nothing missing.

    `short_mw`: what is missing up and down (`award_short_mw`).
    No news in a mode that does not follow AGC: the mode says it all.
    """
    if params.award_guard == NO_GUARD:
        return 0
    if mode in NOT_REGULATED:
        return was
    margin_pu = 0.0 if was else MARGIN_PU
    short_up_mw, short_down_mw = short_mw
    # Written so that what is not known, NaN, is not there.
    enough = short_up_mw <= max(MARGIN_MW, margin_pu * image.regulation_capacity_up_mw)
    enough = enough and short_down_mw <= max(
        MARGIN_MW, margin_pu * image.regulation_capacity_down_mw
    )
    return 0 if enough else 1


def capacity_told_mw(image: Image, decision: Decision, params: Params) -> tuple[float, float]:
    """Regulation capacity, up and down, that the TSO is told of, MW.

    What was sold; with `clamp` no more than what can be promised. AGC asks for a share of what
    was sold all the same, and what cannot be served of it is unserved.
    """
    sold_mw = (image.regulation_capacity_up_mw, image.regulation_capacity_down_mw)
    if params.award_guard != AwardGuard.CLAMP or not decision.promise_up_mw.size:
        return sold_mw
    able_mw = (decision.promise_up_mw[AWARD], decision.promise_down_mw[AWARD])
    up_mw, down_mw = (
        sold if able >= sold else float(able) for sold, able in zip(sold_mw, able_mw, strict=True)
    )
    return up_mw, down_mw
