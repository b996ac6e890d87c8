"""What a tick says in the log: its events, and one canonical line."""

from collections import Counter, defaultdict
from collections.abc import Callable

import structlog

from vppd.core.headroom import AWARD
from vppd.core.types import Decision, EventCode, Image, Mode, Reason, Trigger, Verdict
from vppd.ops.counted import unsigned_zero

MODE_CHANGED = "mode_changed"
UNIT_LOST = "unit_lost"
UNIT_BACK = "unit_back"
UNIT_FALLBACK = "unit_fallback"
SIGNAL_BAD = "signal_bad"
SIGNAL_GOOD = "signal_good"
UNSERVED_BEGAN = "unserved_began"
UNSERVED_ENDED = "unserved_ended"
AWARD_ABOVE_HEADROOM = "award_above_headroom"
AWARD_WITHIN_HEADROOM = "award_within_headroom"
GUARD_DROPPED = "guard_dropped"
ALLOCATION_REFUSED = "allocation_refused"
JOURNAL_FAILED = "journal_failed"
JOURNAL_BACK = "journal_back"
TICK = "tick"

UNIT_EVENTS = {
    EventCode.UNIT_LOST: UNIT_LOST,
    EventCode.UNIT_BACK: UNIT_BACK,
    EventCode.UNIT_FALLBACK: UNIT_FALLBACK,
}
LEVEL = {
    UNIT_LOST: "warning",
    UNIT_FALLBACK: "warning",
    SIGNAL_BAD: "warning",
    UNSERVED_BEGAN: "warning",
    AWARD_ABOVE_HEADROOM: "warning",
    GUARD_DROPPED: "error",  # the core let through what it never should: a bug
    ALLOCATION_REFUSED: "error",
}
GOOD_VERDICTS = (Verdict.NONE, Verdict.FRESH, Verdict.UNCHANGED)
BAD_MODES = (Mode.HOLD, Mode.RETURN, Mode.SAFE)
MW_DIGITS = 6  # watts


class DecisionLog:
    """Logs what changed in each tick, and counts it.

    Units that were lost or came back in the same tick for the same reason are one line: a broken
    switch is one event, not two hundred. The canonical line is at level debug; once in
    `summary_every_s` it is at level info.

    Parameters
    ----------
    ids : tuple of str
        Names of the units, in the order of the configuration.
    clock : callable
        Monotonic seconds.
    summary_every_s : float
        Time between two canonical lines at level info, s.
    """

    def __init__(
        self, ids: tuple[str, ...], clock: Callable[[], float], summary_every_s: float = 60.0
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._ids = ids
        self._clock = clock
        self._summary_every_s = summary_every_s
        self._summary_at_s = clock()
        self._signal_good = True
        self._log = structlog.get_logger()

    def of_units(self, ids: tuple[str, ...]) -> None:
        """Go on with other units."""
        self._ids = ids

    def publish(
        self, image: Image, decision: Decision, *, duration_s: float, late_s: float
    ) -> None:
        """Log the events of one tick, then the tick."""
        if decision.event_code.size:
            self._publish_events(image, decision)
        self._publish_tick(image, decision, duration_s, late_s)

    def _publish_events(self, image: Image, decision: Decision) -> None:
        units: dict[tuple[str, Reason], list[str]] = defaultdict(list)
        columns = (decision.event_code, decision.event_index, decision.event_value)
        for code, index, value in zip(*(column.tolist() for column in columns), strict=True):
            if code in UNIT_EVENTS:
                units[UNIT_EVENTS[EventCode(code)], Reason(int(value))].append(self._ids[index])
            else:
                self._publish_event(image, decision, EventCode(code), index, value)
        for (name, reason), ids in units.items():
            fields = {} if reason is Reason.NONE else {"reason": reason.name}
            self._emit(name, decision.tick, count=len(ids), units=ids, **fields)

    def _publish_event(
        self, image: Image, decision: Decision, code: EventCode, index: int, value: float
    ) -> None:
        tick = decision.tick
        match code:
            case EventCode.MODE:
                self._publish_mode(decision, Mode(int(value)))
            case EventCode.SIGNAL_VERDICT:
                self._publish_verdict(tick, Verdict(int(value)))
            case EventCode.UNSERVED:
                name = UNSERVED_BEGAN if value else UNSERVED_ENDED
                self._emit(name, tick, unserved_mw=unsigned_zero(value, MW_DIGITS))
            case EventCode.AWARD_ABOVE_HEADROOM:
                self._publish_award(image, decision, value)
            case EventCode.GUARD_DROPPED:
                self._emit(GUARD_DROPPED, tick, unit=self._ids[index], refused_mw=value)
            case EventCode.ALLOCATION_REFUSED:
                self._emit(ALLOCATION_REFUSED, tick, status=int(value))

    def _publish_mode(self, decision: Decision, mode: Mode) -> None:
        self.counts[MODE_CHANGED] += 1
        emit = self._log.warning if mode in BAD_MODES else self._log.info
        emit(
            MODE_CHANGED,
            tick=decision.tick,
            mode=mode.name,
            regulation_mw=unsigned_zero(decision.regulation_mw, MW_DIGITS),
        )

    def _publish_award(self, image: Image, decision: Decision, missing_mw: float) -> None:
        """Tell what was sold beside what can be promised; the horizon is that of core.headroom."""
        up_mw, down_mw = decision.promise_up_mw, decision.promise_down_mw
        self._emit(
            AWARD_ABOVE_HEADROOM if missing_mw else AWARD_WITHIN_HEADROOM,
            decision.tick,
            missing_mw=unsigned_zero(missing_mw, MW_DIGITS),
            sold_up_mw=image.regulation_capacity_up_mw,
            sold_down_mw=image.regulation_capacity_down_mw,
            headroom_up_mw=unsigned_zero(float(up_mw[AWARD]), MW_DIGITS),
            headroom_down_mw=unsigned_zero(float(down_mw[AWARD]), MW_DIGITS),
        )

    def _publish_verdict(self, tick: int, verdict: Verdict) -> None:
        """Fresh in one tick and unchanged in the next is the normal course, not an event."""
        good = verdict in GOOD_VERDICTS
        if good and self._signal_good:
            return
        self._signal_good = good
        self._emit(SIGNAL_GOOD if good else SIGNAL_BAD, tick, verdict=verdict.name)

    def _publish_tick(
        self, image: Image, decision: Decision, duration_s: float, late_s: float
    ) -> None:
        self.counts[TICK] += 1
        emit = self._log.debug
        now_s = self._clock()
        if now_s - self._summary_at_s >= self._summary_every_s:
            self._summary_at_s = now_s
            emit = self._log.info
        emit(
            TICK,
            tick=decision.tick,
            trigger=Trigger(image.trigger).name,
            mode=Mode(decision.mode).name,
            agc_pu=image.agc_pu,
            request_mw=unsigned_zero(decision.request_mw, MW_DIGITS),
            served_mw=unsigned_zero(decision.served_mw, MW_DIGITS),
            unserved_mw=unsigned_zero(decision.unserved_mw, MW_DIGITS),
            headroom_mw=unsigned_zero(decision.headroom_mw, MW_DIGITS),
            footroom_mw=unsigned_zero(decision.footroom_mw, MW_DIGITS),
            duration_s=round(duration_s, 6),
            late_s=round(late_s, 6),
        )

    def _emit(self, name: str, tick: int, **fields: object) -> None:
        self.counts[name] += 1
        emit = getattr(self._log, LEVEL.get(name, "info"))
        emit(name, tick=tick, **fields)


class JournalLog:
    """Logs when the journal stops recording, and when it goes on: a full disk is no secret."""

    def __init__(self) -> None:
        self._failed = False
        self._log = structlog.get_logger()

    def publish(self, *, failed: bool, reason: str, records_lost: int) -> None:
        """Take in the state of the journal after a tick. `reason` may be empty: it is too slow."""
        if failed is self._failed:
            return
        self._failed = failed
        if failed:
            self._log.error(JOURNAL_FAILED, reason=reason or "the disk is too slow")
        else:
            self._log.warning(JOURNAL_BACK, records_lost=records_lost)
