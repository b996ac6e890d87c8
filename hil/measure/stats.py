"""Percentiles, and numbers that may go into JSON."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def spread(values: F8) -> dict[str, float | None]:
    """Give p50, p99 and maximum of the finite values; None where there is none.

    Percentiles are values that occurred (no interpolation), so that p99 of few is the largest.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return {"p50": None, "p99": None, "max": None}
    p50, p99 = np.percentile(finite, [50.0, 99.0], method="inverted_cdf")
    return {"p50": float(p50), "p99": float(p99), "max": float(finite.max())}


def clean(value: Any) -> Any:
    """Turn numpy into plain values, and numbers that are not finite into None, all the way down."""
    if isinstance(value, dict):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
