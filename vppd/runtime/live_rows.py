"""What the ticks of the last interval told, as the scores of a journal take it."""

import math
from typing import Final

import numpy as np

from vppd.runtime.score_journal import COLUMNS, F8, GAP_TICKS, GRID_S, Ticks

FIRST_ROWS: Final = 256
UTC: Final = 0  # column


class LiveRows:
    """Rows of ticks, oldest first, in an array that grows; a gap or a clock set back clears it."""

    def __init__(self, tick_s: float) -> None:
        self.known_since_s = math.nan  # UTC of the first row of an unbroken stretch
        self._tick_s = tick_s
        self._rows = np.empty((FIRST_ROWS, len(COLUMNS)))
        self._count = 0

    def add(self, row: tuple[float, ...]) -> None:
        """Take the row of a tick, as `score_journal.row_of` gives it."""
        utc_s = row[UTC]
        gap_s = utc_s - float(self._rows[self._count - 1, UTC]) if self._count else math.nan
        if not 0.0 <= gap_s <= max(GRID_S, GAP_TICKS * self._tick_s):
            self._count = 0
            self.known_since_s = utc_s
        if self._count == len(self._rows):
            self._rows = np.concatenate((self._rows, np.empty_like(self._rows)))
        self._rows[self._count] = row
        self._count += 1

    def drop_before(self, utc_s: float) -> None:
        """Forget the rows before an instant, but for the newest of them: it holds until then."""
        first = int(np.searchsorted(self._rows[: self._count, UTC], utc_s, side="right")) - 1
        if first > 0:
            self._count -= first
            self._rows[: self._count] = self._rows[first : first + self._count].copy()

    def ticks(self) -> Ticks:
        """A copy of all rows: what is added later does not change it."""
        columns: F8 = np.ascontiguousarray(self._rows[: self._count].T)
        named = dict(zip(COLUMNS, columns, strict=True))
        return Ticks(capacity_mw=math.nan, tick_s=self._tick_s, **named)

    def grid_s(self, begin_s: float, end_s: float) -> F8:
        """Whole seconds from `begin_s`, or from when ticks are known, up to before `end_s`."""
        first_s = math.ceil(max(begin_s, self.known_since_s)) if self._count else end_s
        return first_s + GRID_S * np.arange(max(0, math.ceil(end_s - first_s)), dtype=np.float64)
