"""Rows of the result, and how a call is timed."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One line of the table. Times in microseconds; NaN where there is none."""

    who: str
    what: str  # the problem that is solved
    n: int
    median_us: float = float("nan")
    p99_us: float = float("nan")
    runs: int = 0
    sum_error_mw: float = float("nan")  # |sum of the answer - request|, the worst of all runs
    cost_over_best: float = float("nan")  # objective against the exact one: 0 is optimal
    p999_us: float = float("nan")  # of 1,000 runs one takes longer
    max_us: float = float("nan")
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file: NaN as null."""
        return {k: None if v != v else v for k, v in asdict(self).items()}


def row(who: str, what: str, n: int, times_ns: list[float], **more: Any) -> Row:
    """Make a row of measured times."""
    times_us = np.array(times_ns) / 1e3
    return Row(
        who, what, n, float(np.median(times_us)), float(np.percentile(times_us, 99)), len(times_ns),
        **more,
    )  # fmt: skip


def timed(call: Callable[[], Any]) -> tuple[int, Any]:
    """Time one call: ns, and its result."""
    start_ns = time.perf_counter_ns()
    result = call()
    return time.perf_counter_ns() - start_ns, result


def repeat(
    call: Callable[[int], int], *, budget_s: float, at_least: int, at_most: int
) -> list[int]:
    """Call with 0, 1, 2, ... until the time is used up; each call returns the ns that count."""
    end_s = time.monotonic() + budget_s
    times_ns: list[int] = []
    while len(times_ns) < at_most and (len(times_ns) < at_least or time.monotonic() < end_s):
        times_ns.append(call(len(times_ns)))
    return times_ns
