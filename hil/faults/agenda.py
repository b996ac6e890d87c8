"""Begins and ends faults when they are due, by whatever clock, and records both."""

import heapq
import math
from collections.abc import Callable, Iterable

from hil.faults.fault import Fault, FaultTarget

Record = Callable[[float, int, str, str], None]  # instant, unit, kind, detail: `Writer.event`
ENDS, BEGINS, ENDS_AT_ONCE = 0, 1, 2  # order at one instant; a fault of no duration begins first


class Agenda:
    """Schedule of faults.

    Parameters
    ----------
    faults : iterable of Fault
        Those that this agenda is for.
    t0_s : float
        Instant of the clock at which the scored run begins.
    target_of : callable
        What a fault happens to.
    record : callable
        Notes begin and end, as `Writer.event` does.
    """

    def __init__(
        self,
        faults: Iterable[Fault],
        t0_s: float,
        target_of: Callable[[Fault], FaultTarget],
        record: Record,
    ) -> None:
        self._t0_s = t0_s
        self._target_of = target_of
        self._record = record
        self._entries: list[tuple[float, int, int, Fault]] = []
        self._count = 0  # keeps the order of equal entries
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Plan one more fault; one that should have begun already does with the next `run_due`."""
        ends = ENDS if fault.duration_s > 0.0 else ENDS_AT_ONCE
        for at_s, order in ((fault.at_s, BEGINS), (fault.until_s, ends)):
            self._count += 1
            heapq.heappush(self._entries, (self._t0_s + at_s, order, self._count, fault))

    def next_s(self) -> float:
        """Instant at which something is due next; inf: never."""
        return self._entries[0][0] if self._entries else math.inf

    def run_due(self, now_s: float) -> None:
        """Begin and end all that is due."""
        while self._entries and self._entries[0][0] <= now_s:
            _, order, _, fault = heapq.heappop(self._entries)
            target = self._target_of(fault)
            if order == BEGINS:
                self._record(now_s, fault.unit, fault.kind, fault.detail)
                target.begin(fault, now_s)
            else:
                self._record(now_s, fault.unit, fault.back, "")
                target.end(fault, now_s)
