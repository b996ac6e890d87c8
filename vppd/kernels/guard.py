"""Interim."""

from numba import njit


@njit(cache=True)
def guard_setpoints(p, last, p_min, p_max, ru, rd, dt, amin, amax, out_reason, failed):
    c = 0
    for i in range(p.shape[0]):
        failed[i] = 0
        if out_reason[i] == 0 and not (p_min[i] - 1e-9 <= p[i] <= p_max[i] + 1e-9):
            failed[i] = 1
            c += 1
    return c
