"""First order plus dead time, once more: one unit, exactly, in plain Python."""

import math
from bisect import bisect_right


def moved(y, start_s, end_s, dead_s, lag_s, history):
    """Output after `start_s` to `end_s`; history: (instant, setpoint), the first from ever on."""
    edges = [t + dead_s for t, _ in history if start_s < t + dead_s < end_s]
    at_s = start_s
    for until_s in [*edges, end_s]:
        u = told(history, at_s - dead_s)
        y = u + (y - u) * math.exp(-(until_s - at_s) / lag_s) if lag_s > 0.0 else u
        at_s = until_s
    return y


def told(history, at_s):
    """Setpoint in force at an instant."""
    k = bisect_right([t for t, _ in history], at_s + 1e-12) - 1
    return history[max(k, 0)][1]
