"""`vppd attribute`: run a journal's ticks again, and give each lost MW.s to units and causes."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vppd.core.tick import tick_foreseen
from vppd.core.types import State
from vppd.journal.errors import JournalError, NoTickError
from vppd.journal.find import span_s
from vppd.journal.header import Header
from vppd.journal.instant import InstantError
from vppd.journal.reader import SegmentStart, StateRecord, TickRecord, read
from vppd.journal.scan import Progress
from vppd.market.attribution import NOTHING_FOLLOWED, PLANT, Lost, attribute
from vppd.market.blame import Blame, Tally
from vppd.market.causes import WORDS, Cause
from vppd.runtime.score_journal import GAP_TICKS, GRID_S, asked_utc_s

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Attribution:
    """The blame of a stretch of a journal."""

    blame: Blame
    since_s: float  # UTC
    until_s: float


@dataclass(frozen=True, slots=True)
class _Pending:
    """A tick that waits for the next one: until then it counts."""

    header: Header
    record: TickRecord
    lost: Lost | None


def attributed(
    path: Path, since: str | None, until: str | None, progress: Progress | None = None
) -> Attribution:
    """Attribute the losses of a journal, between two instants where they are given.

    Raises
    ------
    InstantError
        `since` or `until` is none, or nothing lies between them.
    JournalError
        As `journal.reader.read`.
    """
    first_s, last_s = span_s(path)
    since_s = max(first_s, asked_utc_s(since, first_s, last_s, first_s))
    until_s = min(last_s, asked_utc_s(until, first_s, last_s, last_s))
    if not since_s < until_s:
        raise InstantError("nothing of the journal lies between --since and --until")
    run = _Run(since_s, until_s)
    for record in read(path, progress=progress):
        if isinstance(record, SegmentStart):
            run.header = record.header
        elif isinstance(record, StateRecord):
            run.take(record)
        elif isinstance(record, TickRecord):
            if record.meta.utc_s >= until_s + GRID_S:
                break
            run.tick(record)
    run.end()
    return Attribution(run.tally.blame(), since_s, until_s)


class _Run:
    """A journal on its way through the core."""

    def __init__(self, since_s: float, until_s: float) -> None:
        self.tally = Tally()
        self.header: Header | None = None
        self._span_s = since_s, until_s
        self._state: State | None = None
        self._follow = NOTHING_FOLLOWED
        self._waits: _Pending | None = None

    def take(self, record: StateRecord) -> None:
        """Take the recorded state where it is not what the tick before handed on."""
        if self._state is None or not record.continues:
            self._state, self._follow = record.state, NOTHING_FOLLOWED

    def tick(self, record: TickRecord) -> None:
        """Run one tick again; count the one before it, until now."""
        if self.header is None or self._state is None:
            raise JournalError(f"tick {record.image.tick} has no state to start from")
        before, params = self._state, self.header.params
        self._state, decision, foreseen = tick_foreseen(before, record.image, params)
        lost, self._follow = attribute(
            before, self._state, record.image, params, decision, self._follow, foreseen
        )
        self._count(record.meta.utc_s)
        self._waits = _Pending(self.header, record, lost)

    def end(self) -> None:
        """Count the last tick up to the end of the stretch."""
        if self._waits is None:
            raise NoTickError("no whole tick in this journal")
        self._count(self._span_s[1])

    def _count(self, now_s: float) -> None:
        """Count the tick that waits, as far as it lies within the stretch."""
        if self._waits is None:
            return
        waits = self._waits
        at_s = waits.record.meta.utc_s
        tick_s = waits.header.params.tick_s
        longest_s = max(GRID_S, GAP_TICKS * tick_s)
        lasts_s = now_s - at_s
        # After a gap nobody knows what the plant did; a clock that was set back says nothing.
        known_s = tick_s if not 0.0 <= lasts_s <= longest_s else lasts_s
        begin_s, end_s = self._span_s
        for from_s, to_s, known in (
            (at_s, at_s + known_s, waits.lost is not None),
            (at_s + known_s, now_s, False),
        ):
            dt_s = min(to_s, end_s) - max(from_s, begin_s)
            if dt_s > 0.0:
                self._add(waits, dt_s, known=known)

    def _add(self, waits: _Pending, dt_s: float, *, known: bool) -> None:
        if not known or waits.lost is None:
            self.tally.skip(dt_s)
            return
        image = waits.record.image
        sold_mw = image.regulation_capacity_up_mw, image.regulation_capacity_down_mw
        self.tally.add(waits.header.params.ids, waits.lost, dt_s, sold_mw)


def as_json(found: Attribution) -> dict[str, object]:
    """One JSON document; what is not known is null. Units in the order of the configuration."""
    blame = found.blame
    return {
        "schema": SCHEMA,
        "since_s": found.since_s,
        "until_s": found.until_s,
        "known_s": blame.known_s,
        "unknown_s": blame.unknown_s,
        "capacity_mw": _known(blame.capacity_mw),
        "accuracy_pct": _known(blame.accuracy_pct),
        "loss_mws": blame.loss_mws,
        "short_mws": blame.short_mws,
        "over_mws": blame.loss_mws - blame.short_mws,
        "missed_mws": blame.missed_mws,
        "by_cause": {
            cause.name.lower(): {
                "mws": mws, "points": _known(blame.points(mws)), "meaning": WORDS[cause],
            }
            for cause, mws in blame.by_cause().items()
        },
        "by_unit": {
            unit: {"mws": mws, "points": _known(blame.points(mws)), "causes": _row(blame, at)}
            for at, (unit, mws) in enumerate(blame.by_unit().items())
        },
        "plant": _row(blame, PLANT),
    }  # fmt: skip


def _row(blame: Blame, at: int) -> dict[str, float]:
    """Parts of a unit, or of the plant, by cause; those without any are left out."""
    row = blame.part_mws[at].tolist()
    return {cause.name.lower(): row[cause] for cause in Cause if row[cause] != 0.0}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def to_json(found: Attribution) -> str:
    """The same as text."""
    return json.dumps(as_json(found), allow_nan=False, ensure_ascii=False)
