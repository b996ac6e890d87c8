"""Quantiles of what was measured last, for status: a ring of numbers, sorted when asked."""

import math
from dataclasses import dataclass

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of the last values; `max` of all since the start. NaN: there was none yet."""

    p50: float = NAN
    p99: float = NAN
    max: float = NAN


NO_QUANTILES = Quantiles()


class Recent:
    """The last `size` values. Adding one costs nothing that grows."""

    def __init__(self, size: int = 3600) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1, is {size}")
        self.count = 0
        self._max = NAN
        self._size = size
        self._ring: list[float] = []

    def add(self, value: float) -> None:
        """Take a value in; the oldest goes."""
        if len(self._ring) < self._size:
            self._ring.append(value)
        else:
            self._ring[self.count % self._size] = value
        self.count += 1
        if not value <= self._max:  # the first one too: no comparison with NaN is true
            self._max = value

    def quantiles(self) -> Quantiles:
        """Median and 99th percentile, nearest rank: values that did occur."""
        if not self._ring:
            return NO_QUANTILES
        ordered = sorted(self._ring)
        last = len(ordered) - 1
        return Quantiles(
            ordered[math.ceil(0.50 * len(ordered)) - 1],
            ordered[min(last, math.ceil(0.99 * len(ordered)) - 1)],
            self._max,
        )
