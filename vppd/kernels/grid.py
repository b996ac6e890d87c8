"""Numbers on grids: what is read and what is told, rounded before anything is computed from it.

A number of a grid is a whole number of steps divided by the steps in one unit, `k / per`: the
double that is nearest to it. So two that are equal have the same bits, and a journal can keep the
whole number. Rounding is to the nearest, ties to even; it keeps the order of two numbers.
"""

import numpy as np

from vppd.kernels.jit import F8, I8, IN, IN_I8, OUT, f8, i8, kernel

STAY = 0.75  # steps
EXACT = 2.0**52  # from here on doubles are whole numbers: nothing is left to round


@kernel()
def _rounded(value: float, per: float) -> float:
    """Nearest number of the grid; itself where there is no grid, or none so fine."""
    steps = value * per
    if not (per > 0.0 and abs(steps) < EXACT):
        return value
    near: float = np.rint(steps) / per + 0.0  # no -0.0
    return near


@kernel(i8(IN, IN, OUT))
def round_all(values: F8, per: F8, out: F8) -> int:
    """Round n values to grids of `per` steps in one unit; 0 where there is none. Shapes (n,).

    Returns how many were on their grid.
    """
    count = 0
    for i in range(values.shape[0]):
        out[i] = _rounded(values[i], per[i])
        count += 1 if out[i] == values[i] else 0
    return count


@kernel(i8(f8, f8, IN, IN, IN, OUT))
def round_instants(
    anchor_us: float, step_us: float, now_s: F8, before_s: F8, rounded_before_s: F8, out_s: F8
) -> int:
    """Move n instants back to whole steps from an anchor. Shapes (n,).

    No instant passes the anchor: what came at it or after it stays so, and what came before it
    stays before. With the last tick as the anchor, every order of an instant and a tick is kept.

    Parameters
    ----------
    anchor_us, step_us : float
        Instant from which steps are counted, and the step: whole microseconds.
    now_s, before_s, rounded_before_s : shape (n,)
        Instants, those of the last time, and what they became: one that is the same stays the same.
    out_s : shape (n,), written
        In whole microseconds. NaN stays NaN.

    Returns
    -------
    int
        Number of instants that are not those of the last time.
    """
    fresh = 0
    for i in range(now_s.shape[0]):
        if now_s[i] == before_s[i]:
            out_s[i] = rounded_before_s[i]
            continue
        fresh += 1
        since_us = np.floor(now_s[i] * 1e6) - anchor_us
        out_s[i] = (anchor_us + np.floor(since_us / step_us) * step_us) / 1e6
    return fresh


@kernel()
def _within(x_mw: float, lower_mw: float, upper_mw: float, per: float) -> float:
    """Nearest number of the grid within the limits; NaN where none is."""
    near_mw = np.rint(x_mw * per) / per
    if near_mw > upper_mw:
        near_mw = np.floor(upper_mw * per) / per
    if near_mw < lower_mw:
        near_mw = np.ceil(lower_mw * per) / per
    return near_mw + 0.0 if lower_mw <= near_mw <= upper_mw else np.nan


@kernel(i8(IN, IN, IN, IN, IN_I8, OUT, OUT))
def fit_to_grid(
    per_mw: F8, last_mw: F8, lower_mw: F8, upper_mw: F8, member: I8, carried_mw: F8, p_mw: F8
) -> int:
    """Round n setpoints to their grids within their limits; what one loses the next one gets.

    So sums stay right within a step, over the units of no group, and of each group by itself: a
    group at its limit is not pushed beyond it by its neighbours. A unit whose last setpoint is
    nearer than `STAY` steps keeps it: else each of many that share a small change would go to and
    fro by a step. A setpoint that is on its grid stays, and none moves by more than two steps.
    Where no number of the grid lies within the limits, the setpoint stays off it.

    Parameters
    ----------
    per_mw, last_mw, lower_mw, upper_mw : shape (n,)
        Steps of the grid in 1 MW (0: none); last setpoints (NaN: none); limits of the setpoints.
    member : shape (n + 1,)
        Group of each unit; -1: none.
    carried_mw : shape (g + 1,), written
        Room: what is still to be given within each group, and outside all.
    p_mw : shape (n,), written

    Returns
    -------
    int
        Number of setpoints that were moved.
    """
    moved = 0
    groups = carried_mw.shape[0] - 1
    for g in range(groups + 1):
        carried_mw[g] = 0.0
    for i in range(p_mw.shape[0]):
        x_mw, per = p_mw[i], per_mw[i]
        if not (per > 0.0 and abs(x_mw * per) < EXACT) or np.rint(x_mw * per) / per == x_mw:
            continue
        g = member[i] if member[i] >= 0 else groups
        step_mw = 1.0 / per
        extra_mw = min(max(carried_mw[g], -step_mw), step_mw)
        wanted_mw = x_mw + extra_mw
        last = last_mw[i]
        stays = lower_mw[i] <= last <= upper_mw[i] and abs(wanted_mw - last) < STAY * step_mw
        fitted_mw = _within(last if stays else wanted_mw, lower_mw[i], upper_mw[i], per)
        if not np.isnan(fitted_mw):
            carried_mw[g] += x_mw - fitted_mw
            p_mw[i] = fitted_mw
            moved += 1
    return moved
