"""Second, independent check of every setpoint before it leaves the core.

Written from the requirement, not from `limits.py`, with which it shares no code: a setpoint is a
number, lies within the rating, and is no further from the last one than the ramp allows. Faster
is allowed only *back*: to the edge of what is available, or of what a store can carry, from
beyond that edge.
"""

import numpy as np

from vppd.kernels import rows
from vppd.kernels.jit import F8, IN, IN_2D, IN_U1, OUT_U1, U1, f8, i8, kernel

# Failures, as bits of the mask.
NOT_FINITE = 1
RATING = 2
RAMP = 4

TOLERANCE_MW = 1e-9
S_PER_H = 3600.0

# Numbers of `vppd.core.types.Reason`. With the first three the value is an order of vppd's own.
# With any other it is a prediction (a lost unit at its fallback, say), which obeys no ramp; but
# it may still be sent, so it has to lie within the rating. What is only measured need not.
NONE = 0
OPERATOR = 8
CROSSED = 9
LOCAL_CONTROL = 13


@kernel()
def _ends_too_soon(stock_mwh: float, drain_mw: float, horizon_h: float) -> bool:
    """Whether a stock is gone before the horizon. Not if nothing drains it, nor for a NaN."""
    return drain_mw > 0.0 and not stock_mwh >= drain_mw * horizon_h and stock_mwh < np.inf


@kernel()
def _may_fall(
    p_mw: float, last_mw: float, edge_mw: float, stock_mwh: float, efficiency: float, hours: float
) -> bool:
    """Whether a fall may be faster than the ramp: from above the edge, and not below it.

    There are two edges: `edge_mw`, and the power that drains `stock_mwh` in just `hours`. A rise
    is the same with all signs turned, and the room left in the store as its stock.
    """
    if last_mw > edge_mw and p_mw >= edge_mw - TOLERANCE_MW:
        return True
    return (
        _ends_too_soon(stock_mwh, last_mw / efficiency, hours)
        and _ends_too_soon(stock_mwh, (p_mw + TOLERANCE_MW) / efficiency, hours)
    )  # fmt: skip


@kernel(i8(IN, IN, IN_2D, f8, IN, IN, IN, f8, IN_U1, OUT_U1))
def guard_setpoints(
    p_setpoint_mw: F8,
    last_mw: F8,
    units: F8,
    dt_s: float,
    p_avail_min_mw: F8,
    p_avail_max_mw: F8,
    soc_pu: F8,
    soc_horizon_s: float,
    out_reason: U1,
    failed: U1,
) -> int:
    """Check n setpoints, MW, generation positive.

    Parameters
    ----------
    p_setpoint_mw : shape (n,)
        What is to be sent. The other arrays and numbers are those that `fold_limits` gets.
    units : shape (len(rows.UNIT_FIELDS), n)
    failed : shape (n,), written
        Mask of NOT_FINITE, RATING and RAMP.

    Returns
    -------
    int
        Number of units that failed.
    """
    p_min_mw, p_max_mw = units[rows.P_MIN], units[rows.P_MAX]
    ramp_up_mw_per_s, ramp_down_mw_per_s = units[rows.RAMP_UP], units[rows.RAMP_DOWN]
    energy_mwh, soc_min_pu, soc_max_pu = (
        units[rows.ENERGY],
        units[rows.SOC_MIN],
        units[rows.SOC_MAX],
    )
    efficiency_charge_pu, efficiency_discharge_pu = units[rows.CHARGE], units[rows.DISCHARGE]
    hours = soc_horizon_s / S_PER_H
    count = 0
    for i in range(p_setpoint_mw.shape[0]):
        p = p_setpoint_mw[i]
        last = last_mw[i]
        ordered = out_reason[i] == NONE or out_reason[i] == OPERATOR or out_reason[i] == CROSSED
        mask = 0
        if not abs(p) < np.inf:
            mask = NOT_FINITE
        elif out_reason[i] != LOCAL_CONTROL:
            if not (p >= p_min_mw[i] - TOLERANCE_MW and p <= p_max_mw[i] + TOLERANCE_MW):
                mask = RATING
            rate = ramp_up_mw_per_s[i] if p > last else ramp_down_mw_per_s[i]
            reach = rate * dt_s if dt_s > 0.0 else 0.0
            if ordered and not abs(p - last) <= reach + TOLERANCE_MW:
                floor = p_min_mw[i]
                ceiling = p_max_mw[i]
                if p_avail_min_mw[i] > floor:
                    floor = p_avail_min_mw[i]
                if p_avail_max_mw[i] < ceiling:
                    ceiling = p_avail_max_mw[i]
                if p < last:
                    stock = (soc_pu[i] - soc_min_pu[i]) * energy_mwh[i]
                    excused = _may_fall(p, last, ceiling, stock, efficiency_discharge_pu[i], hours)
                else:
                    room = (soc_max_pu[i] - soc_pu[i]) * energy_mwh[i]
                    excused = _may_fall(
                        -p, -last, -floor, room, 1.0 / efficiency_charge_pu[i], hours
                    )
                if not excused:
                    mask += RAMP
        failed[i] = mask
        count += 1 if mask != 0 else 0
    return count
