"""What the page tells of the ticks of a journal, as they pass by."""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vppd.core.types import (
    Decision,
    EventCode,
    Image,
    Mode,
    Params,
    Quality,
    Reason,
    Verdict,
    WriteResult,
)
from vppd.journal.errors import NoTickError
from vppd.journal.header import Header
from vppd.journal.reader import EventRecord, Record, SegmentStart, TickRecord
from vppd.journal.rerun import WholeTick
from vppd.journal.tables import word_of
from vppd.kernels.sums import sum_in_order
from vppd.runtime.live_scores import INTERVAL_SCORED, PARAM
from vppd.runtime.score_journal import GAP_TICKS, GRID_S

F8 = NDArray[np.float64]
HELD_S: Final = 900.0  # what is held is what can be kept up for a quarter of an hour
SERIES: Final = (
    "utc_s", "request_mw", "measured_mw", "unserved_mw", "sold_up_mw", "sold_down_mw", "held_up_mw",
    "held_down_mw", "freq_hz",
)  # fmt: skip
COUNTS: Final = ("missed_ticks", "writes_refused", "writes_unknown")
ROUTINE: Final = frozenset({Verdict.FRESH, Verdict.UNCHANGED, Verdict.NONE})
ALARMS: Final = frozenset({
    "UNIT_LOST", "UNIT_FALLBACK", "GUARD_DROPPED", "ALLOCATION_REFUSED", "AWARD_ABOVE_HEADROOM",
    "UNSERVED", "SIGNAL", "journal_gap", "journal_recovered", "failed",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of core or daemon. `end`: it says that what began is over."""

    utc_s: float
    event: str
    unit: str
    word: str
    end: bool = False


@dataclass(frozen=True, slots=True)
class UnitDay:
    """What the journal has of one unit: how long what was not as it should be, s."""

    id: str
    kind: str
    unread_s: float  # never read
    stale_s: float  # the newest reading older than it may be, or of bad quality
    lost_s: float  # its link down
    refused: int  # times that its newest write was found refused, and was not before
    unknown: int  # likewise, without an answer


# What is counted of each unit, and its field of `UnitDay`.
SPENT: Final = {
    "unread": "unread_s", "stale": "stale_s", "lost": "lost_s",
    "refused": "refused", "unknown": "unknown",
}  # fmt: skip


@dataclass(slots=True)
class Day:
    """All of it. `series` by the names of `SERIES`, shape (ticks,); NaN: not known."""

    site: str = ""
    config_hashes: list[str] = field(default_factory=list)
    software: dict[str, str] = field(default_factory=dict)
    segments: int = 0
    series: dict[str, F8] = field(default_factory=dict)
    units: list[UnitDay] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    mode_s: dict[str, float] = field(default_factory=dict)
    known_s: float = 0.0  # time that ticks count for
    missed_ticks: int = 0
    writes: dict[str, int] = field(default_factory=dict)  # refused, unknown: of all units
    # Markets of intervals that were scored live, each with its parameters as words.
    markets: dict[str, dict[str, str]] = field(default_factory=dict)


class DayLog:
    """The day on its way: the records of `rerun`, one after the other.

    `since_s`, `until_s`: ticks and events between these two instants count, UTC.
    """

    def __init__(self, since_s: float, until_s: float) -> None:
        self._day = Day()
        self._span = since_s, until_s
        self._rows: list[tuple[float, ...]] = []
        self._params: Params | None = None
        self._header: Header | None = None
        self._spent: dict[str, F8] = {}  # of the units of `_params`
        self._units: dict[str, UnitDay] = {}  # of units before them
        self._before: tuple[float, Image] | None = None
        self._counted: dict[str, int] = {}  # counters of the tick before
        self._counts: dict[str, int] = dict.fromkeys(COUNTS, 0)
        self._mode = ""  # of the tick before

    def add(self, record: Record | WholeTick) -> None:
        """Take in one record. Raises NoTickError where a tick stands before any header."""
        if isinstance(record, SegmentStart):
            self._header = record.header
        elif isinstance(record, WholeTick):
            if self._span[0] <= record.record.meta.utc_s <= self._span[1]:
                self._tick(record.record, record.decision, record.header)
        elif isinstance(record, EventRecord):
            self._event(record)

    def _enter(self, header: Header) -> Params:
        """Take note of the segment of a tick that counts."""
        day, params = self._day, header.params
        if self._header is not None:  # its first
            day.site, day.software = header.about.site, dict(header.about.software)
            if header.about.config_hash not in day.config_hashes:
                day.config_hashes.append(header.about.config_hash)
            day.segments, self._header = day.segments + 1, None
            if self._params is None or self._params.ids != params.ids:
                self._settle_units()
                self._spent = {name: np.zeros(len(params.ids)) for name in SPENT}
                self._before = None
            self._params = params
        return params

    def _settle_units(self) -> None:
        """Sum up what there is of the units so far: others follow."""
        if self._params is None:
            return
        for i, (unit, kind) in enumerate(zip(self._params.ids, self._params.kinds, strict=True)):
            spent = {name: float(self._spent[name][i]) for name in SPENT}
            known = self._units.get(unit)
            if known is not None:
                spent = {name: spent[name] + getattr(known, f) for name, f in SPENT.items()}
            told: dict[str, Any] = {
                f: int(spent[name]) if name in ("refused", "unknown") else spent[name]
                for name, f in SPENT.items()
            }
            self._units[unit] = UnitDay(unit, kind, **told)

    def _tick(self, record: TickRecord, decision: Decision, header: Header) -> None:
        """Take in one tick, and all of its decision."""
        params, image, utc_s = self._enter(header), record.image, record.meta.utc_s
        self._rows.append(_row(utc_s, image, decision))
        self._count(utc_s, params)
        self._count_writes(image)
        self._before = utc_s, image
        self._mode = word_of(Mode, record.decision.mode)
        self._day.happenings += _core_events(record, params.ids)
        for name in COUNTS:  # they run since the start of the daemon
            now = int(getattr(record.meta, name))
            before = self._counted.get(name, now)
            self._counts[name] += now - before if now >= before else now
            self._counted[name] = now

    def _count(self, utc_s: float, params: Params) -> None:
        """Count the tick before for the time until this one; a gap is nobody's."""
        if self._before is None:
            return
        at_s, image = self._before
        lasts_s = utc_s - at_s
        if not 0.0 < lasts_s <= max(GRID_S, GAP_TICKS * params.tick_s):
            return
        day, spent = self._day, self._spent
        day.known_s += lasts_s
        day.mode_s[self._mode] = day.mode_s.get(self._mode, 0.0) + lasts_s
        unread = np.isnan(image.p_meas_mw)
        old = image.now_s - image.measured_at_s > params.telemetry_age_max_s
        spent["unread"] += lasts_s * unread
        spent["stale"] += lasts_s * ((old | (image.quality != Quality.ONLINE)) & ~unread)
        spent["lost"] += lasts_s * (image.connected == 0)

    def _count_writes(self, image: Image) -> None:
        """Count answers as they change: the journal has the newest one only."""
        before = self._before[1].write_result if self._before is not None else None
        if before is None:
            return
        for name, result in (("refused", WriteResult.REFUSED), ("unknown", WriteResult.UNKNOWN)):
            self._spent[name] += (image.write_result == result) & (before != result)

    def _event(self, record: EventRecord) -> None:
        """Take in an event of the daemon."""
        if record.utc_s is None or not self._span[0] <= record.utc_s <= self._span[1]:
            return
        fields = record.fields
        if record.event == INTERVAL_SCORED:
            self._day.markets[str(fields.get("market"))] = {
                name.removeprefix(PARAM): str(value)
                for name, value in fields.items() if name.startswith(PARAM)
            }  # fmt: skip
        unit = fields.get("device")
        told = ", ".join(f"{k} {v}" for k, v in fields.items() if isinstance(v, str | int | float))
        self._day.happenings.append(
            Happening(record.utc_s, record.event, unit if isinstance(unit, str) else "", told)
        )

    def day(self) -> Day:
        """All of it. Raises NoTickError."""
        if not self._rows or self._params is None:
            raise NoTickError("no whole tick in this part of the journal")
        day = self._day
        columns = np.ascontiguousarray(np.asarray(self._rows).T)
        day.series = dict(zip(SERIES, columns, strict=True))
        self._settle_units()
        day.units = list(self._units.values())
        day.missed_ticks = self._counts["missed_ticks"]
        day.writes = {name: self._counts[f"writes_{name}"] for name in ("refused", "unknown")}
        day.happenings.sort(key=lambda each: each.utc_s)
        return day


def _row(utc_s: float, image: Image, decision: Decision) -> tuple[float, ...]:
    held = np.flatnonzero(decision.promise_s == HELD_S)
    up, down = decision.promise_up_mw, decision.promise_down_mw
    return (
        utc_s, decision.request_mw, sum_in_order(image.p_meas_mw), decision.unserved_mw,
        image.regulation_capacity_up_mw, image.regulation_capacity_down_mw,
        float(up[held[0]]) if held.size else math.nan,
        float(down[held[0]]) if held.size else math.nan,
        image.freq_hz,
    )  # fmt: skip


def _core_events(record: TickRecord, ids: tuple[str, ...]) -> list[Happening]:
    """Events of a tick that somebody wants to know of: not each good value of the signal."""
    decision, found = record.decision, []
    for code, index, value in zip(
        decision.event_code.tolist(), decision.event_index.tolist(),
        decision.event_value.tolist(), strict=True,
    ):  # fmt: skip
        event, word, end = word_of(EventCode, code), "", False
        if code == EventCode.SIGNAL_VERDICT:
            end, event, word = int(value) in ROUTINE, "SIGNAL", word_of(Verdict, int(value))
            if end:
                continue
        elif code == EventCode.MODE:
            word = word_of(Mode, int(value))
        elif code == EventCode.UNIT_LOST:
            word = word_of(Reason, int(value))
        elif code in (EventCode.UNSERVED, EventCode.AWARD_ABOVE_HEADROOM):
            end, word = value == 0.0, f"{value:.3g} MW" if value else "over"
        unit = ids[index] if 0 <= index < len(ids) else ""
        found.append(Happening(record.meta.utc_s, event, unit, word, end))
    return found
