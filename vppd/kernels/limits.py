"""Interim."""

import numpy as np
from numba import njit


@njit(cache=True)
def fold_limits(
    p_min,
    p_max,
    last,
    ramp_up,
    ramp_down,
    dt,
    soc,
    energy,
    soc_min,
    soc_max,
    ec,
    ed,
    horizon,
    amin,
    amax,
    out_reason,
    pinned,
    lower,
    upper,
    lr,
    ur,
    rl,
    ru,
):
    for i in range(p_min.shape[0]):
        if out_reason[i] != 0:
            lower[i] = upper[i] = rl[i] = ru[i] = pinned[i]
            lr[i] = ur[i] = out_reason[i]
            continue
        l = p_min[i]
        u = p_max[i]
        lr[i] = 1
        ur[i] = 1
        if amin[i] > l:
            l = min(amin[i], u)
            lr[i] = 4
        if amax[i] < u:
            u = max(amax[i], l)
            ur[i] = 4
        if energy[i] > 0.0:
            if not (soc[i] >= 0.0):
                l = u = last[i]
                lr[i] = ur[i] = 5
            else:
                cap = max(0.0, soc[i] - soc_min[i]) * energy[i] * ed[i] * 3600.0 / horizon
                if cap < u:
                    u = cap
                    ur[i] = 3
                cap = -max(0.0, soc_max[i] - soc[i]) * energy[i] / ec[i] * 3600.0 / horizon
                if cap > l:
                    l = cap
                    lr[i] = 3
        rl[i] = l
        ru[i] = u
        a = last[i] - ramp_down[i] * dt
        b = last[i] + ramp_up[i] * dt
        if a > l:
            l = min(a, u)
            lr[i] = 2
        if b < u:
            u = max(b, l)
            ur[i] = 2
        lower[i] = l
        upper[i] = u
