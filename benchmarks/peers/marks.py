"""How good a peer's answers are: whether they add up to the request, and what they cost."""

import math

import numpy as np

from benchmarks import fleets
from benchmarks.timing import Row, row
from vppd.kernels.exact import split_exact


class Marks:
    """Marks of the answers of one peer, each held against the exact split of its problem."""

    def __init__(self) -> None:
        self._worst_mw = 0.0
        self._losses: list[float] = []

    def add(self, p: fleets.Problem, out_mw: np.ndarray) -> None:
        """Mark one answer."""
        self._worst_mw = max(self._worst_mw, abs(math.fsum(out_mw) - p.request_mw))
        best_mw = np.empty(out_mw.size)
        split_exact(p.request_mw, *p.arrays, math.nan, best_mw)
        self._losses.append(p.cost(out_mw) / p.cost(best_mw) - 1.0)

    def row(self, who: str, what: str, n: int, times_ns: list[int], note: str = "") -> Row:
        """The peer's row: its times, the worst sum, the median of what is lost."""
        loss = float(np.median(self._losses))
        return row(
            who, what, n, times_ns, sum_error_mw=self._worst_mw, cost_over_best=loss, note=note
        )
