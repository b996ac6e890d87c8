"""Run every tick of a journal again, and compare with what was recorded, bit for bit."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vppd.core.types import Decision, Image, Params, State
from vppd.journal.errors import JournalError
from vppd.journal.header import Header
from vppd.journal.layout import ONE, PER_UNIT, Block, Column
from vppd.journal.reader import SegmentEnd, SegmentStart, StateRecord, TickRecord, read
from vppd.journal.scan import Ending, Progress, Tail, ticks_after

Tick = Callable[[State, Image, Params], tuple[State, Decision]]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replayed tick first differs from the recorded one."""

    segment: str
    tick: int
    field: str  # of Decision, or "state." and a field of State
    unit: str | None  # id; None where the field is no array over the units
    recorded: float | int | bool | None  # None: one of the two has no such event
    computed: float | int | bool | None

    def __str__(self) -> str:
        unit = f" of {self.unit}" if self.unit is not None else ""
        where = f"{self.segment}: tick {self.tick}: {self.field}{unit}"
        return f"{where}: recorded {_exact(self.recorded)}, computed {_exact(self.computed)}"


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay found."""

    ticks: int
    differing: int  # ticks whose decision differs
    first_difference: Difference | None
    missed_ticks: int  # as the shell counted them, over all runs
    runs: int  # starts of the daemon, and gaps: places where the state was taken as recorded
    segments: int
    bytes: int
    torn: int  # segments that do not end with a whole record
    unreadable: tuple[str, ...]  # places from which on a segment was not read, and why
    unread_ticks: int  # that stand there, as far as it shows

    @property
    def bit_exact(self) -> bool:
        """Whether ticks were replayed, and each gave the recorded bits."""
        return self.ticks > 0 and self.first_difference is None


def replay(
    path: Path,
    tick: Tick,
    *,
    skip_damaged: bool = False,
    progress: Progress | None = None,
) -> ReplayReport:
    """Replay a segment or a folder of segments.

    The state is carried from tick to tick. The recorded one is taken at the first tick, after a
    start of the daemon and after a gap; elsewhere it is compared with the carried one.

    Raises
    ------
    JournalError
        Nothing to read there, or damaged before its end (see `read`).
    """
    run = _Run(tick)
    for record in read(path, skip_damaged=skip_damaged, progress=progress):
        if isinstance(record, TickRecord):
            run.tick(record)
        elif isinstance(record, StateRecord):
            run.state(record)
        elif isinstance(record, SegmentStart):
            run.begin(record)
        elif isinstance(record, SegmentEnd):
            run.end(record)
    return run.report()


class _Run:
    """A replay on its way."""

    def __init__(self, tick: Tick) -> None:
        self._tick = tick
        self._compare: Compare
        self._params: Params
        self._state: State | None = None
        self._recorded: StateRecord | None = None
        self._ticks = self._differing = self._runs = 0
        self._missed: int | None = None
        self._missed_in_all = 0
        self._segments = self._bytes = self._torn = 0
        self._first: Difference | None = None
        self._unreadable: list[str] = []
        self._unread = 0
        self._seq: int | None = None  # of the next record
        self._lost = False  # it may be missing: the segment before is damaged

    def begin(self, record: SegmentStart) -> None:
        if self._lost and self._seq is not None:
            self._unread += max(0, record.header.first_seq - self._seq)
        self._lost = False
        self._compare = Compare(record.path.name, record.header)
        self._params = record.header.params
        self._segments += 1

    def end(self, record: SegmentEnd) -> None:
        self._bytes += record.path.stat().st_size
        tail = record.tail
        if record.header is not None:
            self._seq = tail.seq
        if tail.ending is Ending.DAMAGED:
            self._damaged(record.path, tail)
        if tail.followed:
            self._state = None
        elif tail.ending in (Ending.TORN, Ending.DAMAGED):
            self._torn += 1

    def _damaged(self, path: Path, tail: Tail) -> None:
        where = f"{path.name}: record {tail.seq} at byte {tail.offset}"
        self._unreadable.append(f"{where}: {tail.what}")
        ticks, self._seq = ticks_after(path, tail, self._seq)
        self._unread += ticks if tail.followed else 1
        self._lost = True

    def state(self, record: StateRecord) -> None:
        self._recorded = record

    def tick(self, record: TickRecord) -> None:
        before = self._start_of(record.image.tick)
        self._state, decision = self._tick(before, record.image, self._params)
        self._ticks += 1
        self._count_missed(record.meta.missed_ticks)
        self._note(self._compare.decision(record.image.tick, record.decision, decision))

    def _start_of(self, number: int) -> State:
        """State that this tick starts from: the carried one, or the recorded one."""
        carried, recorded, self._recorded = self._state, self._recorded, None
        if recorded is None:
            if carried is None:
                raise JournalError(f"tick {number} has no state to start from")
            return carried
        if carried is not None and recorded.continues:
            self._note(self._compare.state(number, recorded.state, carried))
            return recorded.state
        self._runs += 1
        if self._missed is None and recorded.continues:
            self._missed = -1  # the run began in a segment that is not here
        return recorded.state

    def _count_missed(self, counter: int) -> None:
        """Sum up a counter that begins at zero with each start of the daemon."""
        if self._missed == -1:
            self._missed = counter
        last = self._missed or 0
        self._missed_in_all += counter - last if counter >= last else counter
        self._missed = counter

    def _note(self, difference: Difference | None) -> None:
        if difference is not None:
            self._first = self._first or difference
            self._differing += 1

    def report(self) -> ReplayReport:
        return ReplayReport(
            ticks=self._ticks,
            differing=self._differing,
            first_difference=self._first,
            missed_ticks=self._missed_in_all,
            runs=self._runs,
            segments=self._segments,
            bytes=self._bytes,
            torn=self._torn,
            unreadable=tuple(self._unreadable),
            unread_ticks=self._unread,
        )


class Compare:
    """Compares records of one segment, in the columns that the file has."""

    def __init__(self, segment: str, header: Header) -> None:
        self._segment = segment
        self._ids = header.params.ids
        self._decision = Block("Decision", header.schema.decision, header.n)
        self._state = Block("State", header.schema.state, header.n)

    def decision(self, tick: int, recorded: Decision, computed: Decision) -> Difference | None:
        """First difference of two decisions; None where all bits are the same."""
        return self._block(self._decision, "", tick, recorded, computed)

    def state(self, tick: int, recorded: State, carried: State) -> Difference | None:
        """First difference of two states."""
        return self._block(self._state, "state.", tick, recorded, carried)

    def _block(
        self, block: Block, prefix: str, tick: int, recorded: object, computed: object
    ) -> Difference | None:
        if block.pack(recorded) == block.pack(computed):
            return None
        for column in block.columns:
            a, b = getattr(recorded, column.name), getattr(computed, column.name)
            at = _first_difference(column, a, b)
            if at is not None:
                unit = self._ids[at] if column.per == PER_UNIT else None
                values = (_value(column, a, at), _value(column, b, at))
                return Difference(self._segment, tick, prefix + column.name, unit, *values)
        raise JournalError(f"tick {tick} differs, and no field of it does")


def _first_difference(column: Column, a: Any, b: Any) -> int | None:
    """Index of the first value whose bits differ, 0 for one value; None if all are the same."""
    if column.per == ONE:
        kind = np.dtype("i8" if column.code == "i8" else "f8")
        return None if np.array(a, kind).tobytes() == np.array(b, kind).tobytes() else 0
    size = a.dtype.itemsize
    x, y = a.tobytes(), b.tobytes()
    for i in range(min(len(x), len(y)) // size):
        if x[i * size : (i + 1) * size] != y[i * size : (i + 1) * size]:
            return i
    return None if len(x) == len(y) else min(len(x), len(y)) // size


def _value(column: Column, values: Any, at: int) -> float | int | bool | None:
    if column.per == ONE:
        plain: float | int | bool = {"f8": float, "i8": int, "b1": bool}[column.code](values)
        return plain
    item: float | int | None = values[at].item() if at < len(values) else None
    return item


def _exact(value: float | int | bool | None) -> str:
    """Print a value so that two that differ never look the same."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} (bits {np.array(value).view(np.uint64).item():016x})"
    return repr(value)
