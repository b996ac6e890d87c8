"""Losses summed over time, by unit and cause.

A tick's loss counts until the next one: MW.s. Each is turned by the sign of its tick's loss, so
that too much and too little are both losses, and the table sums to the whole:

    sum of all parts = integral of |asked - delivered| dt
    accuracy         = 100 (1 - that / (capacity x time))       %

A part below 0 made up for others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vppd.kernels.sums import sum_in_order
from vppd.market.attribution import PLANT, Lost
from vppd.market.causes import Cause

F8 = NDArray[np.float64]
SUM_TOLERANCE: Final = 1e-6  # MW.s by which the parts may miss the whole, and MW those of a tick


@dataclass(frozen=True, slots=True)
class Blame:
    """Who and what a loss goes to."""

    ids: tuple[str, ...]
    part_mws: F8  # (n + 1, len(Cause)), MW.s; last row: what belongs to no unit
    loss_mws: float  # integral of |asked - delivered|
    short_mws: float  # part of it in which too little was delivered
    known_s: float  # time that was counted
    unknown_s: float  # time of which nobody knows: no tick, a unit or a signal never read
    capacity_mw: float  # sold up and down alike, throughout; NaN: it was not
    rounding_mw: float  # by which the parts of a tick missed its loss, at most

    @property
    def missed_mws(self) -> float:
        """By how much the parts miss the whole: rounding."""
        return self.loss_mws - sum_in_order(self.part_mws.ravel())

    @property
    def holds(self) -> bool:
        """Whether the parts sum to the whole, in all and tick by tick."""
        return abs(self.missed_mws) <= SUM_TOLERANCE and self.rounding_mw <= SUM_TOLERANCE

    @property
    def accuracy_pct(self) -> float:
        """Accuracy against what was sold, %; NaN where that, or the time, is not known."""
        return 100.0 - self.points(self.loss_mws)

    def points(self, mws: float) -> float:
        """Points of accuracy, %, that a part of the loss cost."""
        whole_mws = self.capacity_mw * self.known_s
        return 100.0 * mws / whole_mws if whole_mws > 0.0 else math.nan

    def by_cause(self) -> dict[Cause, float]:
        """MW.s of each cause, over all units and the plant."""
        return {cause: sum_in_order(self.part_mws[:, cause].copy()) for cause in Cause}

    def by_unit(self) -> dict[str, float]:
        """MW.s of each unit, over all causes."""
        sums = (sum_in_order(row.copy()) for row in self.part_mws[:PLANT])
        return dict(zip(self.ids, sums, strict=True))


class Tally:
    """Sums up losses, tick by tick. Units are told apart by their names, whatever their order."""

    def __init__(self) -> None:
        self._row: dict[str, int] = {}
        self._of: tuple[tuple[str, ...], NDArray[np.int64]] | None = None
        self._part_mws = np.zeros((1, len(Cause)))  # row 0: the plant
        self._loss_mws = self._short_mws = 0.0
        self._known_s = self._unknown_s = 0.0
        self._rounding_mw = 0.0
        self._sold: set[tuple[float, float]] = set()

    def add(
        self, ids: Sequence[str], lost: Lost, dt_s: float, sold_mw: tuple[float, float]
    ) -> None:
        """Count the loss of one tick for `dt_s`; `sold_mw`: up and down."""
        sign = -1.0 if lost.loss_mw < 0.0 else 1.0
        rows = self._rows(tuple(ids))
        self._part_mws[rows] += lost.part_mw * (sign * dt_s)
        self._loss_mws += sign * lost.loss_mw * dt_s
        self._short_mws += max(0.0, lost.loss_mw) * dt_s
        self._known_s += dt_s
        self._rounding_mw = max(self._rounding_mw, abs(lost.rounding_mw))
        self._sold.add(sold_mw)

    def skip(self, dt_s: float) -> None:
        """Count time of which nobody knows."""
        self._unknown_s += dt_s

    def blame(self) -> Blame:
        """Return what was counted so far."""
        order = [*range(1, len(self._part_mws)), 0]
        alike = {up_mw for up_mw, down_mw in self._sold if up_mw == down_mw}
        capacity_mw = alike.pop() if len(self._sold) == 1 and alike else math.nan
        return Blame(
            tuple(self._row), self._part_mws[order], self._loss_mws, self._short_mws,
            self._known_s, self._unknown_s, capacity_mw, self._rounding_mw,
        )  # fmt: skip

    def _rows(self, ids: tuple[str, ...]) -> NDArray[np.int64]:
        """Rows of these units, and of the plant."""
        if self._of is None or self._of[0] != ids:
            for unit in ids:
                self._row.setdefault(unit, len(self._row) + 1)
            more = np.zeros((len(self._row) + 1 - len(self._part_mws), len(Cause)))
            self._part_mws = np.concatenate((self._part_mws, more))
            self._of = ids, np.array([*(self._row[unit] for unit in ids), 0])
        return self._of[1]
