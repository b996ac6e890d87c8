"""Sums over the fleet that a decision tells, each in index order with its rounding carried along.

One pass for all of them: see `sums.py` for why a sum is not left to numpy.
"""

import numpy as np

from vppd.kernels.jit import F8, IN, IN_U1, OUT_U1, U1, f8, i8, kernel, several

IN_SPLIT = np.uint8(0)  # `vppd.core.types.Reason.NONE`


@kernel()
def _two_sum(total: float, error: float, term: float) -> tuple[float, float]:
    """Add a term to a sum that carries its rounding error along (TAOCP vol. 2, 4.2.2)."""
    after = total + term
    shift = after - total
    return after, error + ((total - (after - shift)) + (term - shift))


@kernel(i8(IN))
def count_known(values: F8) -> int:
    """Count the values that are not NaN."""
    count = 0
    for i in range(values.shape[0]):
        count += 0 if np.isnan(values[i]) else 1
    return count


@kernel()
def _room_mw(high_mw: float, low_mw: float) -> float:
    room_mw = high_mw - low_mw
    return room_mw if room_mw > 0.0 or np.isnan(room_mw) else 0.0


@kernel(several(f8, f8, f8, f8, f8)(IN, IN, IN, IN, IN, IN_U1, OUT_U1))
def tally(
    p_mw: F8,
    lower_mw: F8,
    upper_mw: F8,
    range_lower_mw: F8,
    range_upper_mw: F8,
    out_reason: U1,
    held: U1,
) -> tuple[float, float, float, float, float]:
    """Sum up n setpoints. All arrays: shape (n,).

    Parameters
    ----------
    p_mw : setpoints, and predictions of units outside the split
    lower_mw, upper_mw : limits of this tick
    range_lower_mw, range_upper_mw : the same without the ramp
    out_reason : reason why a unit takes no part, which goes into `held` (written)

    Returns
    -------
    tuple of float
        MW: counted for the units outside the split; then of those inside it, never below zero:
        room to rise and to fall within the limits, and within the ranges.
    """
    out = out_e = up = up_e = down = down_e = rise = rise_e = fall = fall_e = 0.0
    for i in range(p_mw.shape[0]):
        if out_reason[i] != IN_SPLIT:
            held[i] = out_reason[i]
            out, out_e = _two_sum(out, out_e, p_mw[i])
            continue
        up, up_e = _two_sum(up, up_e, _room_mw(upper_mw[i], p_mw[i]))
        down, down_e = _two_sum(down, down_e, _room_mw(p_mw[i], lower_mw[i]))
        rise, rise_e = _two_sum(rise, rise_e, _room_mw(range_upper_mw[i], p_mw[i]))
        fall, fall_e = _two_sum(fall, fall_e, _room_mw(p_mw[i], range_lower_mw[i]))
    return out + out_e, up + up_e, down + down_e, rise + rise_e, fall + fall_e


@kernel(i8(IN_U1, IN_U1))
def count_changed(before: U1, after: U1) -> int:
    """Count the entries that differ. Shapes (n,)."""
    count = 0
    for i in range(before.shape[0]):
        count += 1 if before[i] != after[i] else 0
    return count
