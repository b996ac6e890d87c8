"""Merit order split: the first unit in the order goes to its limit before the next one moves."""

import numpy as np

from vppd.kernels.jit import F8, I8, IN, IN_I8, OUT, f8, i8, kernel
from vppd.kernels.status import BAD_INPUT, OK, UNSERVED_DOWN, UNSERVED_UP

MAGNITUDE_MAX = 1e100  # as in the exact split
EPS = 2.0**-52


@kernel()
def _clip(x: float, lower: float, upper: float) -> float:
    x = x if x > lower else lower
    return x if x < upper else upper


@kernel()
def _lost(total: float, term: float) -> float:
    """What rounding takes from `total + term`, exactly (two-sum)."""
    after = total + term
    shift = after - total
    return (total - (after - shift)) + (term - shift)


@kernel()
def _is_order(order: I8, n: int) -> bool:
    """Whether `order` names each unit once, judged by its sum and its sum of squares.

    Every index is tested, so nothing is read or written outside the arrays. The two sums find
    any one wrong entry; a list that passes them all the same costs optimality, not the sum.
    """
    total = 0
    squares = 0
    for k in range(n):
        if order[k] < 0 or order[k] >= n:
            return False
        total += order[k] - k
        squares += order[k] * order[k] - k * k
    return total == 0 and squares == 0


@kernel()
def _sums(base_mw: F8, lower_mw: F8, upper_mw: F8) -> tuple[float, float, float]:
    """Sums of lower limits, of clipped bases and of upper limits, MW; NaN for bad input."""
    lower = 0.0
    base = 0.0
    upper = 0.0
    lower_error = 0.0
    base_error = 0.0
    upper_error = 0.0
    for i in range(base_mw.shape[0]):
        # Written positively: every comparison is false for a NaN.
        good = (
            abs(base_mw[i]) <= MAGNITUDE_MAX
            and lower_mw[i] >= -MAGNITUDE_MAX
            and lower_mw[i] <= upper_mw[i]
            and upper_mw[i] <= MAGNITUDE_MAX
        )
        if not good:
            return np.nan, np.nan, np.nan
        b = _clip(base_mw[i], lower_mw[i], upper_mw[i])
        lower_error += _lost(lower, lower_mw[i])
        lower += lower_mw[i]
        base_error += _lost(base, b)
        base += b
        upper_error += _lost(upper, upper_mw[i])
        upper += upper_mw[i]
    return lower + lower_error, base + base_error, upper + upper_error


@kernel()
def _fill(left: float, order: I8, base_mw: F8, lower_mw: F8, upper_mw: F8, out_mw: F8) -> None:
    """Move units in their order until `left` (MW, signed) is used up."""
    for k in range(order.shape[0]):
        i = order[k]
        b = _clip(base_mw[i], lower_mw[i], upper_mw[i])
        out_mw[i] = _clip(b + left, lower_mw[i], upper_mw[i])
        left -= out_mw[i] - b


@kernel()
def _place(request_mw: float, order: I8, lower_mw: F8, upper_mw: F8, out_mw: F8) -> None:
    """Put what rounding left on the first units of the order with room."""
    total = 0.0
    error = 0.0
    size = 0.0
    for i in range(out_mw.shape[0]):
        error += _lost(total, out_mw[i])
        total += out_mw[i]
        size += abs(out_mw[i])
    gap = (request_mw - total) - error
    for k in range(order.shape[0]):
        if abs(gap) <= EPS * size:
            return
        i = order[k]
        before = out_mw[i]
        out_mw[i] = _clip(before + gap, lower_mw[i], upper_mw[i])
        gap -= out_mw[i] - before


@kernel(i8(f8, IN, IN_I8, IN, IN, OUT))
def split_merit_order(
    request_mw: float, base_mw: F8, order_index: I8, lower_mw: F8, upper_mw: F8, out_mw: F8
) -> int:
    """Split `request_mw` over n units: the first of the order moves first, up and down.

    With the order by cost of leaving the base, the cheapest moves first in both directions. For
    a price stack, where the dearest is to go down first, the caller turns the order around.

    Parameters
    ----------
    request_mw : float
        What the units are to deliver together, MW, generation positive.
    base_mw, lower_mw, upper_mw : ndarray(float64), shape (n,)
        Where each unit starts from, and its limits of this tick, MW. A base outside the limits
        counts as the limit.
    order_index : ndarray(int64), shape (n,)
        Indices of the units, cheapest first.
    out_mw : ndarray(float64), shape (n,)
        The split, MW. Untouched when the status is BAD_INPUT.

    Returns
    -------
    status : int
        OK, UNSERVED_UP, UNSERVED_DOWN, or BAD_INPUT: a NaN or a magnitude above MAGNITUDE_MAX,
        lower > upper, an order that is none, or shapes that differ.
    """
    n = base_mw.shape[0]
    shapes = lower_mw.shape[0] == n and upper_mw.shape[0] == n and out_mw.shape[0] == n
    if not (shapes and order_index.shape[0] == n and _is_order(order_index, n)):
        return BAD_INPUT
    lower, base, upper = _sums(base_mw, lower_mw, upper_mw)
    if not (lower <= upper and abs(request_mw) <= MAGNITUDE_MAX):
        return BAD_INPUT
    served_mw = _clip(request_mw, lower, upper)
    left = served_mw - base
    if served_mw == upper:
        left = np.inf  # so that every unit ends on its limit, not an ulp before it
    elif served_mw == lower:
        left = -np.inf
    for i in range(n):
        out_mw[i] = _clip(base_mw[i], lower_mw[i], upper_mw[i])
    _fill(left, order_index, base_mw, lower_mw, upper_mw, out_mw)
    _place(served_mw, order_index, lower_mw, upper_mw, out_mw)
    if request_mw > upper:
        return UNSERVED_UP
    if request_mw < lower:
        return UNSERVED_DOWN
    return OK
