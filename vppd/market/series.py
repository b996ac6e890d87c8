"""Series of values over time: checks, hold, interpolation, means. Shared by the scores."""

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def check_series(*series: F8) -> None:
    """Raise ValueError unless all have one shape (n,), n >= 1, and are finite."""
    if any(s.shape != series[0].shape or s.ndim != 1 or s.size == 0 for s in series):
        shapes = ", ".join(str(s.shape) for s in series)
        raise ValueError(f"series must have one shape (n,) with n >= 1, have {shapes}")
    if not all(np.isfinite(s).all() for s in series):
        raise ValueError("series must be finite")


def hold(t_s: F8, value: F8, at_s: F8) -> F8:
    """Newest value at each instant; NaN before the first. `t_s` does not fall.

    Instants that are the same but for rounding (1 ns) count as the same.
    """
    at = np.searchsorted(t_s, at_s + 1e-9, side="right") - 1
    return np.asarray(np.where(at >= 0, value[np.maximum(at, 0)], np.nan))


def hold_means(t_s: F8, value: F8, edges_s: F8) -> F8:
    """Mean of a held value over each interval between edges, weighted by time.

    Parameters
    ----------
    t_s, value : ndarray, shape (n,)
        Steps: `value[k]` holds from `t_s[k]` until the next. `t_s` does not fall.
    edges_s : ndarray, shape (m + 1,)
        Rising.

    Returns
    -------
    ndarray, shape (m,)
        NaN where the interval begins before the first value, or touches a NaN.
    """
    if value.size == 0:
        return np.full(edges_s.size - 1, np.nan)
    cuts = np.unique(np.concatenate((edges_s, t_s[(t_s > edges_s[0]) & (t_s < edges_s[-1])])))
    parts = hold(t_s, value, cuts[:-1]) * np.diff(cuts)
    first = np.searchsorted(cuts, edges_s[:-1])
    return np.asarray(np.add.reduceat(parts, first) / np.diff(edges_s))
