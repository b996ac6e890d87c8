"""Find one tick of a journal, with the state that it started from, and run it again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vppd.core.types import Decision, State
from vppd.journal.compare import Difference
from vppd.journal.errors import DamageError, NoTickError
from vppd.journal.header import Header
from vppd.journal.instant import (
    Instant,
    InstantError,
    TickNumber,
    instant_s,
    utc_text,
)
from vppd.journal.reader import (
    EventRecord,
    Record,
    TickRecord,
    read,
)
from vppd.journal.rerun import Tick, WholeTick, rerun
from vppd.journal.scan import Progress, segments

SHOWN_S: Final = 1e-3  # instants are printed to the millisecond: a copy of one is its tick


@dataclass(frozen=True, slots=True)
class Found:
    """One tick: its inputs, what was recorded, and whether the core gives the same for it now."""

    segment: str
    header: Header
    record: TickRecord
    decision: Decision  # all of it, see `rerun.WholeTick`
    before: State  # that it started from
    difference: Difference | None  # between what was recorded and what the core gives now
    first_s: float  # UTC of the journal's first tick
    age_s: float  # of the tick at the instant that was asked for; 0 where its number was
    shadow: bool | None  # nothing was written to devices; None: the journal does not say
    damage: DamageError | None  # of its segment, behind it


@dataclass(frozen=True, slots=True)
class _Mark:
    """Beginning of a segment that holds ticks."""

    path: Path
    utc_s: float
    number: int
    shadow: bool | None  # where a daemon starts in it


def find(path: Path, asked: Instant, tick: Tick, *, progress: Progress | None = None) -> Found:
    """Find the tick in force at an instant, or of a number, and run it again.

    The state is carried from the beginning of its segment, or from the last gap.

    Raises
    ------
    InstantError
        The journal has no such tick, or several.
    NoTickError
        It has none at all.
    JournalError
        As `read`; DamageError where the tick cannot be told for damage.
    """
    marks = _marks(path)
    last = _last_tick(marks[-1].path)
    if isinstance(asked, TickNumber):
        hit, damage = _numbered(marks, last, asked.number, tick, progress)
        age_s = 0.0
    else:
        at_s = instant_s(asked, marks[0].utc_s, last.meta.utc_s)
        hit, damage = _in_force(marks, last, at_s, tick, progress)
        age_s = max(0.0, at_s - hit.record.meta.utc_s)
    return Found(
        hit.segment, hit.header, hit.record, hit.decision, hit.before, hit.difference,
        marks[0].utc_s, age_s, _shadow(marks, hit.segment), damage,
    )  # fmt: skip


def span_s(path: Path, *, skip_damaged: bool = False) -> tuple[float, float]:
    """UTC of the first and of the last tick of a journal. Raises as `find`.

    With `skip_damaged`, of those that can be read.
    """
    marks = _marks(path, skip_damaged)
    return marks[0].utc_s, _last_tick(marks[-1].path).meta.utc_s


def _marks(path: Path, skip_damaged: bool = False) -> list[_Mark]:
    found = (_mark(part, skip_damaged) for part in segments(path))
    marks = [mark for mark in found if mark is not None]
    if not marks:
        raise NoTickError(f"{path}: no whole tick in this journal")
    return marks


def _mark(path: Path, skip_damaged: bool) -> _Mark | None:
    shadow: bool | None = None
    for record in read(path, skip_damaged=skip_damaged):
        if isinstance(record, EventRecord) and record.event == "start":
            shadow = bool(record.fields.get("shadow"))
        if isinstance(record, TickRecord):
            return _Mark(path, record.meta.utc_s, record.image.tick, shadow)
    return None


def _last_tick(path: Path) -> TickRecord:
    ticks = (r for r in read(path, skip_damaged=True) if isinstance(r, TickRecord))
    *_, last = ticks
    return last


def _shadow(marks: list[_Mark], segment: str) -> bool | None:
    said = [m.shadow for m in marks if m.path.name <= segment and m.shadow is not None]
    return said[-1] if said else None


def _in_force(
    marks: list[_Mark], last: TickRecord, at_s: float, tick: Tick, progress: Progress | None
) -> tuple[WholeTick, DamageError | None]:
    """Last tick that began by `at_s`. DamageError where damage hides whether it is the last one."""
    begun = [mark for mark in marks if mark.utc_s < at_s + SHOWN_S]
    if not begun:
        raise InstantError(f"{utc_text(at_s)} is before the first tick: {_range(marks, last)}")
    records = read(begun[-1].path, progress=progress)
    steps = _steps(records, tick)
    hit = next(steps)
    for step in steps:
        if step.record.meta.utc_s >= at_s + SHOWN_S:
            break
        hit = step
    until_s = hit.record.meta.utc_s + hit.header.params.tick_s + SHOWN_S
    if hit.record.seq == last.seq and at_s >= until_s:
        raise InstantError(f"{utc_text(at_s)} is after the last tick: {_range(marks, last)}")
    return hit, _damage_in(records)


def _numbered(
    marks: list[_Mark], last: TickRecord, number: int, tick: Tick, progress: Progress | None
) -> tuple[WholeTick, DamageError | None]:
    """Tick of a number; every start of the daemon counts anew, so there may be several."""
    found = []
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        passes_it = after is not None and mark.number < after.number <= number
        if mark.number > number or passes_it:
            continue
        records = read(mark.path, progress=progress)
        steps = _steps(records, tick)
        hit = next((step for step in steps if step.record.image.tick == number), None)
        if hit is not None:
            found.append((hit, _damage_in(records)))
    if not found:
        raise InstantError(f"there is no tick #{number}: {_range(marks, last)}")
    if len(found) > 1:
        times = " and at ".join(utc_text(hit.record.meta.utc_s) for hit, _ in found)
        raise InstantError(f"there are several ticks #{number}, at {times}: give the time")
    return found[0]


def _steps(records: Iterator[Record], tick: Tick) -> Iterator[WholeTick]:
    """Run the ticks of one segment again, one after the other."""
    return (step for step in rerun(records, tick) if isinstance(step, WholeTick))


def _damage_in(records: Iterator[Record]) -> DamageError | None:
    """Read to the end, and return what does not hold there."""
    try:
        for _ in records:
            pass
    except DamageError as error:
        return error
    return None


def _range(marks: list[_Mark], last: TickRecord) -> str:
    """Say what the journal covers."""
    first = marks[0]
    return (
        f"the journal goes from {utc_text(first.utc_s)} (#{first.number}, +0) to"
        f" {utc_text(last.meta.utc_s)} (#{last.image.tick}, +{last.meta.utc_s - first.utc_s:.3f})"
    )
