"""All alarms of one plant: who hides whom, which came first, and how many a person can read.

Pure but for its own memory: time is passed in, nothing is written. What changes is kept until
`take_changes` fetches it, for the log and the journal.

Flood control: of the alarms below HIGH no more than `Settings.shown_max` are raised in any
`window_s` (EEMUA 191 and ISA-18.2-2016, 16.4: ten in ten minutes are what one operator can take
in). The others are suppressed, counted, and shown one by one when it is quieter, the most urgent
first.
"""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from vppd.ops.alarms import state as life
from vppd.ops.alarms.catalogue import FLOOD, Kind, Priority, Scope
from vppd.ops.alarms.settings import BY_CATALOGUE, Settings
from vppd.ops.alarms.state import NAN, Alarm, State

WORDS_MAX: Final = 200  # of a name or a reason

Key = tuple[str, str]
NOTHING: Final = Alarm()


class AlarmError(Exception):
    """An order that cannot be carried out; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """One alarm went from one state to another."""

    at_s: float  # monotonic
    id: str
    kind: Kind
    was: State
    state: State
    alarm: Alarm
    value: float  # NaN: it has none
    detail: str
    who: str = ""  # empty: nobody, it came by itself
    why: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One alarm, for people. Instants are monotonic s, NaN: never."""

    id: str
    subject: str  # unit, link or task; empty: the plant
    kind: Kind
    state: State
    alarm: Alarm
    since_s: float  # when it came into its state
    value: float
    detail: str
    who: str  # who brought it into its state
    why: str


@dataclass(slots=True)
class _Entry:
    """What the board remembers of one alarm."""

    kind: Kind
    alarm: Alarm = NOTHING
    since_s: float = NAN
    value: float = NAN
    detail: str = ""
    cause: str = ""  # id of the alarm that explains this one while it is active
    who: str = ""
    why: str = ""


class Board:
    """The alarms of one plant.

    Parameters
    ----------
    subjects : mapping
        By scope, what there may be alarms of; the plant itself needs none.
    settings : Settings
        Priorities, delays, and how many alarms one operator is shown.
    """

    def __init__(
        self,
        subjects: Mapping[Scope, frozenset[str]] | None = None,
        settings: Settings = BY_CATALOGUE,
    ) -> None:
        self._settings = settings
        self._subjects = {Scope.PLANT: frozenset({""})} | dict(subjects or {})
        self._entries: dict[Key, _Entry] = {}
        self._shown: deque[float] = deque()  # instants at which a lesser alarm was raised
        self._held: dict[Key, _Entry] = {}  # suppressed by the flood control
        self._active: Counter[str] = Counter()  # active alarms of each group
        self._changes: list[Change] = []
        self._due_s = math.inf

    def add_subjects(self, scope: Scope, subjects: Iterable[str]) -> None:
        """Let there be alarms of more subjects: all at once, for ten thousand take their time."""
        self._subjects[scope] = self._subjects.get(scope, frozenset()).union(subjects)

    def go_by(self, settings: Settings, now_s: float) -> None:
        """Go by other settings, what is raised already, too.

        What has become urgent is held back no more.
        """
        self._settings = settings
        for key, entry in tuple(self._entries.items()):
            entry.kind = settings.kinds[key[0]]
        for key, entry in tuple(self._held.items()):
            if not _is_lesser(entry.kind):
                self._store(key, entry, life.suppress(entry.alarm, ""), now_s)
        self._due_s = -math.inf
        self.elapse(now_s)

    # -- what the daemon says ------------------------------------------------------------------

    def sense(
        self,
        name: str,
        now_s: float,
        *,
        present: bool,
        subject: str = "",
        value: float = NAN,
        detail: str = "",
        cause: str = "",
    ) -> None:
        """Take in whether a condition is there; `elapse` comes after all of them.

        `cause` is the id of an alarm that, while active, says it all: this one is suppressed then.
        Raises KeyError for a name that is not in the catalogue.
        """
        entry = self._entries.get((name, subject))
        if entry is None:
            if not present:
                return
            entry = self._entries[name, subject] = _Entry(self._settings.kinds[name])
        if present:
            entry.value, entry.detail, entry.cause = value, detail, cause
        delays = entry.kind.delays
        after = life.sense(entry.alarm, delays, now_s, present=present)
        if after is not entry.alarm:
            self._put((name, subject), entry, after, now_s)
            self._due_s = -math.inf  # the rest follows at `elapse`, once for all that was sensed

    def pulse(self, name: str, now_s: float, *, subject: str = "", detail: str = "",
              value: float = NAN) -> None:  # fmt: skip
        """Take in something that happened and is over: it stays active for its off delay."""
        fields = {"subject": subject, "detail": detail, "value": value}
        self.sense(name, now_s, present=True, **fields)  # type: ignore[arg-type]
        self.sense(name, now_s, present=False, subject=subject)

    def measure(self, name: str, now_s: float, value: float, *, detail: str = "") -> None:
        """Hold a value against its kind's limit, with the dead band."""
        kind = self._settings.kinds[name]
        entry = self._entries.get((name, ""))
        was = entry is not None and entry.alarm.present
        present = life.exceeds(value, kind.limit, kind.dead_band, was=was)
        if present or was:
            self.sense(name, now_s, present=present, value=value, detail=detail)

    def elapse(self, now_s: float) -> None:
        """Let time pass. Costs nothing before something is due."""
        if now_s < self._due_s:
            return
        for key, entry in tuple(self._entries.items()):
            after = life.elapse(entry.alarm, entry.kind.delays, now_s)
            if after is not entry.alarm:
                self._put(key, entry, after, now_s)
        self._settle(now_s)

    @property
    def due_s(self) -> float:
        """When `elapse` has something to do next, monotonic s; infinite: never."""
        return self._due_s

    # -- what operators say --------------------------------------------------------------------

    def acknowledge(self, alarm_id: str, who: str, why: str, now_s: float) -> None:
        """Take note of an alarm. Raises AlarmError."""
        key, entry = self._find(alarm_id, who, why)
        if entry.alarm.acknowledged:
            state = entry.alarm.state.replace("_", " ")
            raise AlarmError(f"{alarm_id} is {state}: there is nothing to acknowledge")
        self._order(key, entry, life.acknowledge(entry.alarm), who, why, now_s)

    def shelve(self, alarm_id: str, who: str, why: str, now_s: float, for_s: float) -> None:
        """Hide an alarm for some time, or for longer if it is hidden. Raises AlarmError."""
        key, entry = self._find(alarm_id, who, _given(why))
        limit_s = entry.kind.shelve_max_s
        if limit_s == 0.0:
            raise AlarmError(f"{alarm_id} may not be shelved")
        if not 0.0 < for_s <= limit_s:
            raise AlarmError(f"{alarm_id} may be shelved for at most {limit_s:g} s, not {for_s:g}")
        self._order(key, entry, life.shelve(entry.alarm, now_s + for_s), who, why, now_s)

    def unshelve(self, alarm_id: str, who: str, why: str, now_s: float) -> None:
        """Show a shelved alarm again. Raises AlarmError."""
        key, entry = self._find(alarm_id, who, why)
        if math.isnan(entry.alarm.shelved_until_s):
            raise AlarmError(f"{alarm_id} is not shelved")
        self._order(key, entry, life.unshelve(entry.alarm), who, why, now_s)

    def remove_from_service(self, alarm_id: str, who: str, why: str, now_s: float) -> None:
        """Hide an alarm until it is returned to service. Raises AlarmError."""
        key, entry = self._find(alarm_id, who, _given(why))
        if entry.kind.shelve_max_s == 0.0:
            raise AlarmError(f"{alarm_id} may not be taken out of service")
        self._order(key, entry, life.remove_from_service(entry.alarm), who, why, now_s)

    def return_to_service(self, alarm_id: str, who: str, why: str, now_s: float) -> None:
        """Show it again. Raises AlarmError."""
        key, entry = self._find(alarm_id, who, why)
        if not entry.alarm.out_of_service:
            raise AlarmError(f"{alarm_id} is in service")
        self._order(key, entry, life.return_to_service(entry.alarm), who, why, now_s)

    # -- what others see -----------------------------------------------------------------------

    def snapshot(self) -> tuple[Shown, ...]:
        """Every alarm that is not normal: shown before hidden, the most urgent and oldest first."""
        found = [
            Shown(
                alarm_id(*key), key[1], entry.kind, entry.alarm.state, entry.alarm, entry.since_s,
                entry.value, entry.detail, entry.who, entry.why,
            )
            for key, entry in self._entries.items()
            if entry.alarm.state is not State.NORMAL
        ]  # fmt: skip
        return tuple(sorted(found, key=_urgency))

    def take_changes(self) -> tuple[Change, ...]:
        """What changed since the last call, in order."""
        changes, self._changes = tuple(self._changes), []
        return changes

    # -- inside --------------------------------------------------------------------------------

    def _find(self, wanted: str, who: str, why: str) -> tuple[Key, _Entry]:
        """The alarm of an id, which may be normal. Raises AlarmError."""
        if not who.strip():
            raise AlarmError("who gives the order must be named")
        if len(who) > WORDS_MAX or len(why) > WORDS_MAX:
            raise AlarmError(f"a name or a reason may have {WORDS_MAX} characters")
        name, _, subject = wanted.partition(":")
        kind = self._settings.kinds.get(name)
        if kind is None or subject not in self._subjects.get(kind.scope, frozenset()):
            raise AlarmError(f"{wanted[:WORDS_MAX]}: there is no such alarm; see docs/alarms.md")
        key = (name, subject)
        return key, self._entries.get(key) or _Entry(kind)

    def _order(
        self, key: Key, entry: _Entry, after: Alarm, who: str, why: str, now_s: float
    ) -> None:
        self._entries[key] = entry
        self._put(key, entry, after, now_s, who, why)
        self._settle(now_s)

    def _put(
        self, key: Key, entry: _Entry, after: Alarm, now_s: float, who: str = "", why: str = ""
    ) -> None:
        """Take over an alarm's new record; raised ones are ranked, and held back if too many."""
        if after.active and not entry.alarm.active:
            after = replace(after, first_out=not self._active[entry.kind.group])
        self._store(key, entry, self._by_design(entry, after, now_s), now_s, who, why)

    def _by_design(self, entry: _Entry, after: Alarm, now_s: float) -> Alarm:
        """Hide what its cause explains, and what is one too many; count what is shown."""
        if not after.active:
            return replace(after, suppressed_by="") if after.suppressed_by else after
        raised = after.state is State.UNACKNOWLEDGED is not entry.alarm.state
        if not raised:
            return after
        if entry.cause and self._is_active(entry.cause):
            return life.suppress(after, entry.cause)
        if not _is_lesser(entry.kind):
            return after
        if len(self._window(now_s)) >= self._settings.shown_max or self._held:
            return life.suppress(after, FLOOD.name)
        self._shown.append(now_s)
        return after

    def _store(
        self, key: Key, entry: _Entry, after: Alarm, now_s: float, who: str = "", why: str = ""
    ) -> None:
        """Keep an alarm's new record, and what follows from it."""
        before, entry.alarm = entry.alarm, after
        self._active[entry.kind.group] += after.active - before.active
        if after.suppressed_by == FLOOD.name:
            self._held[key] = entry
        else:
            self._held.pop(key, None)
        if after.state is not before.state or who:
            entry.since_s, entry.who, entry.why = now_s, who, why
            self._changes.append(
                Change(
                    now_s, alarm_id(*key), entry.kind, before.state, after.state, after,
                    entry.value, entry.detail, who, why,
                )
            )  # fmt: skip
        if after.state is State.NORMAL and not after.present:
            self._entries.pop(key, None)

    def _settle(self, now_s: float) -> None:
        """After a change: show what nothing hides any more, count the flood, find what is due."""
        for key, entry in tuple(self._entries.items()):
            by = entry.alarm.suppressed_by
            if by and by != FLOOD.name and not self._is_active(by):
                self._put(key, entry, life.suppress(entry.alarm, ""), now_s)
        self._show_again(now_s)
        self._count_flood(now_s)
        due_s = [life.due_s(entry.alarm, entry.kind.delays) for entry in self._entries.values()]
        self._due_s = min([*due_s, self._quiet_s()])

    def _show_again(self, now_s: float) -> None:
        """Show what was held back, as far as a person can take it in."""
        if not self._held or len(self._window(now_s)) > self._settings.shown_again:
            return
        held = sorted(
            self._held.items(), key=lambda item: (item[1].kind.priority, item[1].alarm.raised_s)
        )
        for key, entry in held[: self._settings.shown_max - len(self._shown)]:
            after = life.suppress(entry.alarm, "")
            if after.state is State.UNACKNOWLEDGED:
                self._shown.append(now_s)
            self._store(key, entry, after, now_s)

    def _count_flood(self, now_s: float) -> None:
        """Raise or end the alarm that says how many are held back."""
        held, key, flood = len(self._held), (FLOOD.name, ""), self._settings.kinds[FLOOD.name]
        entry = self._entries.get(key)
        if entry is None:
            if not held:
                return
            entry = self._entries[key] = _Entry(flood)
        entry.value = float(held)
        self._put(key, entry, life.sense(entry.alarm, flood.delays, now_s, present=held > 0), now_s)

    def _window(self, now_s: float) -> deque[float]:
        """Instants of the lesser alarms raised in the last `window_s`."""
        while self._shown and self._shown[0] <= now_s - self._settings.window_s:
            self._shown.popleft()
        return self._shown

    def _quiet_s(self) -> float:
        """When it is quiet enough for those held back; infinite: there are none."""
        if not self._held:
            return math.inf
        again = self._settings.shown_again
        if len(self._shown) <= again:
            return -math.inf
        return self._shown[-again - 1] + self._settings.window_s

    def _is_active(self, wanted: str) -> bool:
        name, _, subject = wanted.partition(":")
        entry = self._entries.get((name, subject))
        return entry is not None and entry.alarm.active


def alarm_id(name: str, subject: str) -> str:
    """What people call an alarm: `agc_lost`, `unit_lost:ev-07`."""
    return f"{name}:{subject}" if subject else name


def _is_lesser(kind: Kind) -> bool:
    return kind.priority > Priority.HIGH and kind.name != FLOOD.name


def _given(why: str) -> str:
    if not why.strip():
        raise AlarmError("a reason must be given")
    return why


_ORDER = (
    State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED, State.SUPPRESSED, State.SHELVED,
    State.OUT_OF_SERVICE,
)  # fmt: skip


def _urgency(shown: Shown) -> tuple[bool, int, int, float, str]:
    hidden = shown.state in life.HIDDEN
    return hidden, shown.kind.priority, _ORDER.index(shown.state), shown.since_s, shown.id
