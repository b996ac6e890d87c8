"""`vppd attribute`: run a journal's ticks again, and give each lost MW.s to units and causes."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vppd.core.response import Foresight
from vppd.core.tick import tick_foreseen
from vppd.core.types import Decision, Image, Params, State
from vppd.journal.errors import NoTickError
from vppd.journal.find import span_s
from vppd.journal.instant import InstantError
from vppd.journal.reader import Record, SegmentEnd, read
from vppd.journal.rerun import WholeTick, rerun
from vppd.journal.scan import Progress
from vppd.market.attribution import NOTHING_FOLLOWED, PLANT, Lost, attribute
from vppd.market.blame import Blame, Tally
from vppd.market.causes import WORDS, Cause
from vppd.runtime.score_journal import GAP_TICKS, GRID_S, asked_utc_s

SCHEMA: Final = 1
NOTHING: Final = "nothing of the journal lies between --since and --until"


@dataclass(frozen=True, slots=True)
class Attribution:
    """The blame of a stretch of a journal."""

    blame: Blame
    since_s: float  # UTC
    until_s: float


@dataclass(frozen=True, slots=True)
class _Pending:
    """A tick that waits for the next one: until then it counts."""

    step: WholeTick
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
        As `journal.rerun.rerun`.
    """
    since_s, until_s = -math.inf, math.inf
    if since is not None or until is not None:
        first_s, last_s = span_s(path)
        since_s = asked_utc_s(since, first_s, last_s, first_s)
        until_s = asked_utc_s(until, first_s, last_s, last_s)
        if not max(first_s, since_s) < min(last_s, until_s):
            raise InstantError(NOTHING)
    log = LossLog(since_s, until_s)
    for record in rerun(read(path, progress=progress), log.tick):
        log.add(record)
        if log.over:
            break
    return log.attribution()


class LossLog:
    """The losses of each tick, while a journal is run again with `tick`.

    `since_s`, `until_s`: of the stretch that counts, UTC.
    """

    def __init__(self, since_s: float = -math.inf, until_s: float = math.inf) -> None:
        self.over = False  # the stretch is: nothing counts any more
        self._tally = Tally()
        self._span_s = since_s, until_s
        self._foresight: Foresight | None = None
        self._follow = NOTHING_FOLLOWED
        self._first_s = self._last_s = math.nan
        self._waits: _Pending | None = None

    def tick(self, state: State, image: Image, params: Params) -> tuple[State, Decision]:
        """Run a tick as the core does, and keep what it foresaw for the `add` that follows."""
        after, decision, self._foresight = tick_foreseen(state, image, params)
        return after, decision

    def add(self, record: Record | WholeTick) -> None:
        """Take in one record; count the tick before, until this one."""
        if isinstance(record, SegmentEnd) and record.tail.followed:
            self._follow = NOTHING_FOLLOWED  # ticks are missing there
        elif isinstance(record, WholeTick) and not self.over:
            self._add_tick(record)

    def _add_tick(self, step: WholeTick) -> None:
        utc_s = step.record.meta.utc_s
        if utc_s >= self._span_s[1] + GRID_S:
            self.over = True
            return
        if step.recorded is not None and not step.recorded.continues:
            self._follow = NOTHING_FOLLOWED
        lost, self._follow = attribute(
            step.before, step.after, step.record.image, step.header.params, step.decision,
            self._follow, self._foresight,
        )  # fmt: skip
        self._count(utc_s)
        self._waits = _Pending(step, lost)
        self._first_s = utc_s if math.isnan(self._first_s) else self._first_s
        self._last_s = utc_s

    def attribution(self) -> Attribution:
        """All of it: the last tick counts up to the end of the stretch.

        Raises
        ------
        NoTickError, InstantError
            There is no tick, or no time between any.
        """
        if self._waits is None:
            raise NoTickError("no whole tick in this journal")
        since_s, until_s = max(self._first_s, self._span_s[0]), min(self._last_s, self._span_s[1])
        if not since_s < until_s:
            raise InstantError(NOTHING)
        self._count(until_s)
        self._waits = None
        return Attribution(self._tally.blame(), since_s, until_s)

    def _count(self, now_s: float) -> None:
        """Count the tick that waits, as far as it lies within the stretch."""
        if self._waits is None:
            return
        waits = self._waits
        at_s = waits.step.record.meta.utc_s
        tick_s = waits.step.header.params.tick_s
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
            self._tally.skip(dt_s)
            return
        image = waits.step.record.image
        sold_mw = image.regulation_capacity_up_mw, image.regulation_capacity_down_mw
        self._tally.add(waits.step.header.params.ids, waits.lost, dt_s, sold_mw)


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
