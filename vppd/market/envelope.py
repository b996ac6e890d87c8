"""Between what bounds an answer to frequency must lie, given how late and how slow it may be.

    wanted(t)  = curve(f(t)), pu of the capacity
    lower(t)   = lowest wanted between `lag_max_s` and `lag_min_s` ago, rising at `slow_pu_per_s` at
                 most and falling at `fast_pu_per_s` at most
    upper(t)   = highest wanted there, rising at `fast_pu_per_s`, falling at `slow_pu_per_s`

An answer that begins later than `lag_max_s` or moves slower than `slow_pu_per_s` falls out of it.

Source: [C] NESO's illustrative script for Dynamic Containment (`lower_bound`, `upper_bound`), there
with max and min of the frequency in place of min and max of what is wanted: the same thing, for
the curve falls with frequency.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pace:
    """How late and how slow an answer may be, and how early and fast it may be at most."""

    lag_min_s: float
    lag_max_s: float
    slow_pu_per_s: float
    fast_pu_per_s: float


def curve_pu(freq_hz: F8, points_hz: tuple[float, ...], points_pu: tuple[float, ...]) -> F8:
    """Straight lines between points; level beyond the first and the last. Hz rise."""
    return np.asarray(np.interp(freq_hz, points_hz, points_pu))


def bounds_pu(lowest_pu: F8, highest_pu: F8, step_s: float, pace: Pace) -> tuple[F8, F8]:
    """Give the lower and upper bound of the answer, pu, shape (n,).

    Parameters
    ----------
    lowest_pu, highest_pu : ndarray, shape (n,)
        The least and the most that is wanted at each instant; the same array where the rule leaves
        no freedom.
    """
    near, far = round(pace.lag_min_s / step_s), round(pace.lag_max_s / step_s)
    lower = _ago(lowest_pu, near, far, np.min)
    upper = _ago(highest_pu, near, far, np.max)
    slow, fast = pace.slow_pu_per_s * step_s, pace.fast_pu_per_s * step_s
    return ramp_limited(lower, slow, fast), ramp_limited(upper, fast, slow)


def ramp_limited(values: F8, up: float, down: float) -> F8:
    """Follow `values` from the first one, by `up` and `down` a step at most."""
    if np.isinf(up) and np.isinf(down):
        return values
    followed = values.tolist()
    last = followed[0]
    for k, value in enumerate(followed):
        last = min(max(value, last - down), last + up)
        followed[k] = last
    return np.asarray(followed)


def outside_pu(response_pu: F8, lower_pu: F8, upper_pu: F8) -> F8:
    """How far an answer is out of its bounds; 0 inside."""
    return np.maximum(0.0, np.maximum(lower_pu - response_pu, response_pu - upper_pu))


def rolling_min(values: F8, samples: int) -> F8:
    """Lowest of the last `samples` values; of those there are, at the start."""
    return _ago(values, 0, samples - 1, np.min)


def _ago(values: F8, near: int, far: int, of: Callable[..., F8]) -> F8:
    """`of` the values between `far` and `near` samples ago; before the first, it is the first."""
    padded = np.concatenate((np.full(far, values[0]), values))
    return np.asarray(of(sliding_window_view(padded, far - near + 1)[: values.size], axis=1))
