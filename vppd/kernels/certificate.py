"""Check a split against its multiplier, in code that shares nothing with the split."""

import numpy as np

from vppd.kernels.jit import F8, IN, f8, kernel


@kernel()
def _two_sum(total: float, error: float, term: float) -> tuple[float, float]:
    """Add a term to a sum that carries its rounding error along."""
    after = total + term
    shift = after - total
    return after, error + ((total - (after - shift)) + (term - shift))


@kernel(f8(f8, IN, IN, IN, IN, f8, IN))
def kkt_violation_mw(
    request_mw: float,
    target_mw: F8,
    weight: F8,
    lower_mw: F8,
    upper_mw: F8,
    lam: float,
    out_mw: F8,
) -> float:
    """Largest violation of the optimality conditions of `split_exact`, MW.

    They are `out = clip(target + lam * weight, lower, upper)` for every unit, and a sum that is
    the request, as far as the limits can serve it. Arguments as there; a NaN makes a NaN.
    """
    worst = 0.0
    total = low = high = 0.0
    error = low_error = high_error = 0.0
    for i in range(out_mw.shape[0]):
        best: float = target_mw[i] + lam * weight[i]
        if best < lower_mw[i]:
            best = lower_mw[i]
        if best > upper_mw[i]:
            best = upper_mw[i]
        off: float = abs(out_mw[i] - best)
        if not off < np.inf:
            return off
        worst = max(worst, off)
        total, error = _two_sum(total, error, out_mw[i])
        low, low_error = _two_sum(low, low_error, lower_mw[i])
        high, high_error = _two_sum(high, high_error, upper_mw[i])
    served = request_mw
    if served < low + low_error:
        served = low + low_error
    if served > high + high_error:
        served = high + high_error
    off = abs((served - total) - error)
    return worst if off <= worst else off
