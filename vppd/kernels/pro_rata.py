"""Pro rata split: everybody gives the same part of the room left. The field's baseline.

`out_i = base_i + share * (limit_i - base_i)`, with the limit on the side that is asked for and
one share in 0...1. Against `exact` it takes no account of cost, and moves slow units with fast.
"""

import numpy as np

from vppd.kernels.jit import F8, IN, OUT, f8, i8, kernel
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
def _room(rising: bool, base_mw: F8, lower_mw: F8, upper_mw: F8) -> float:
    """Room of all units on the side that is asked for, MW, >= 0."""
    room = 0.0
    for i in range(base_mw.shape[0]):
        b = _clip(base_mw[i], lower_mw[i], upper_mw[i])
        room += upper_mw[i] - b if rising else b - lower_mw[i]
    return room


@kernel()
def _write(
    share: float, rising: bool, base_mw: F8, lower_mw: F8, upper_mw: F8, out_mw: F8
) -> tuple[float, float, float]:
    """Write the split; its sum in two parts, and the sum of its magnitudes, MW."""
    total = 0.0
    error = 0.0
    size = 0.0
    for i in range(base_mw.shape[0]):
        b = _clip(base_mw[i], lower_mw[i], upper_mw[i])
        limit = upper_mw[i] if rising else lower_mw[i]
        x = b + share * (limit - b) if share < 1.0 else limit  # b + (limit - b) can miss it
        out_mw[i] = _clip(x, lower_mw[i], upper_mw[i])
        error += _lost(total, out_mw[i])
        total += out_mw[i]
        size += abs(out_mw[i])
    return total, error, size


@kernel()
def _place(gap: float, unit: float, lower_mw: F8, upper_mw: F8, out_mw: F8) -> None:
    """Put what rounding left on the first units with room."""
    for i in range(out_mw.shape[0]):
        if abs(gap) <= unit:
            return
        before = out_mw[i]
        out_mw[i] = _clip(before + gap, lower_mw[i], upper_mw[i])
        gap -= out_mw[i] - before


@kernel(i8(f8, IN, IN, IN, OUT))
def split_pro_rata(request_mw: float, base_mw: F8, lower_mw: F8, upper_mw: F8, out_mw: F8) -> int:
    """Split `request_mw` over n units, each by the same part of its room from its base.

    Parameters
    ----------
    request_mw : float
        What the units are to deliver together, MW, generation positive.
    base_mw, lower_mw, upper_mw : ndarray(float64), shape (n,)
        Where each unit starts from, and its limits of this tick, MW. A base outside the limits
        counts as the limit.
    out_mw : ndarray(float64), shape (n,)
        The split, MW. Untouched when the status is BAD_INPUT.

    Returns
    -------
    status : int
        OK, UNSERVED_UP, UNSERVED_DOWN, or BAD_INPUT: a NaN or a magnitude above MAGNITUDE_MAX,
        lower > upper, or shapes that differ.
    """
    n = base_mw.shape[0]
    if not (lower_mw.shape[0] == n and upper_mw.shape[0] == n and out_mw.shape[0] == n):
        return BAD_INPUT
    lower, base, upper = _sums(base_mw, lower_mw, upper_mw)
    if not (lower <= upper and abs(request_mw) <= MAGNITUDE_MAX):
        return BAD_INPUT
    rising = request_mw > base
    room = _room(rising, base_mw, lower_mw, upper_mw)
    share = 1.0
    if lower < request_mw and request_mw < upper:
        share = _clip(abs(request_mw - base) / room, 0.0, 1.0) if room > 0.0 else 0.0
    total, error, size = _write(share, rising, base_mw, lower_mw, upper_mw, out_mw)
    if request_mw > upper:
        return UNSERVED_UP
    if request_mw < lower:
        return UNSERVED_DOWN
    _place((request_mw - total) - error, EPS * size, lower_mw, upper_mw, out_mw)
    return OK
