"""Sums in index order."""
from numba import njit

@njit(cache=True)
def sum_in_order(values):
    total = 0.0
    for v in values:
        total += v
    return total
