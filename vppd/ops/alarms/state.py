"""The life of one alarm, as pure functions of its record and the time (ISA-18.2-2016, 5.3).

Whether its condition is there, whether somebody has acknowledged it, and whether it is shown are
three separate things; the state follows from them. Time is monotonic seconds and passed in.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

NAN = math.nan


class State(StrEnum):
    """What an operator sees of an alarm."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"  # the condition is there, nobody has taken note
    ACKNOWLEDGED = "acknowledged"  # it is there, and somebody knows
    RETURNED = "returned"  # it is gone, and nobody has taken note of it
    SHELVED = "shelved"  # hidden by an operator, for some time
    SUPPRESSED = "suppressed"  # hidden by design: the cause is shown, or there are too many
    OUT_OF_SERVICE = "out_of_service"  # hidden until somebody puts it back


HIDDEN = (State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long a condition has to be there, or gone, before it counts, s."""

    on_s: float = 0.0
    off_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. Instants are monotonic s; NaN: never, or not now."""

    active: bool = False  # its condition is there, the delays counted
    pending_since_s: float = NAN  # since when the condition is otherwise than `active`
    acknowledged: bool = True
    raised_s: float = NAN  # when it last became active
    count: int = 0  # how often it did
    shelved_until_s: float = NAN
    suppressed_by: str = ""  # id of the alarm that is the cause, or FLOOD; empty: it is not
    out_of_service: bool = False
    first_out: bool = False  # it came first of its group

    @property
    def present(self) -> bool:
        """Whether the condition is there, the delays not counted."""
        return self.active if math.isnan(self.pending_since_s) else not self.active

    @property
    def state(self) -> State:
        """What an operator sees. Who hides it longest is named."""
        if self.out_of_service:
            return State.OUT_OF_SERVICE
        if not math.isnan(self.shelved_until_s):
            return State.SHELVED
        if self.suppressed_by:
            return State.SUPPRESSED
        if self.active:
            return State.ACKNOWLEDGED if self.acknowledged else State.UNACKNOWLEDGED
        return State.NORMAL if self.acknowledged else State.RETURNED


def exceeds(value: float, limit: float, dead_band: float, *, was: bool) -> bool:
    """Whether a value is beyond its limit; it is back only when it is so by the dead band.

    NaN is no news: what was, is.
    """
    if math.isnan(value):
        return was
    return value > (limit - dead_band if was else limit)


def sense(alarm: Alarm, delays: Delays, now_s: float, *, present: bool) -> Alarm:
    """Take in whether the condition is there."""
    if present == alarm.present:
        return elapse(alarm, delays, now_s)
    pending_since_s = NAN if present == alarm.active else now_s
    return elapse(replace(alarm, pending_since_s=pending_since_s), delays, now_s)


def elapse(alarm: Alarm, delays: Delays, now_s: float) -> Alarm:
    """Let time pass: delays that are over, and a shelf that is."""
    if now_s >= alarm.shelved_until_s:
        alarm = _shown(replace(alarm, shelved_until_s=NAN))
    if now_s >= turns_s(alarm, delays):
        alarm = _turned(alarm, now_s)
    return alarm


def turns_s(alarm: Alarm, delays: Delays) -> float:
    """When its condition counts as there, or as gone; NaN: nothing is on its way."""
    return alarm.pending_since_s + (delays.off_s if alarm.active else delays.on_s)


def due_s(alarm: Alarm, delays: Delays) -> float:
    """When `elapse` would next change it; infinite: never."""
    instants_s = (turns_s(alarm, delays), alarm.shelved_until_s)
    return min((at_s for at_s in instants_s if not math.isnan(at_s)), default=math.inf)


def acknowledge(alarm: Alarm) -> Alarm:
    """Take note of it."""
    return replace(alarm, acknowledged=True)


def shelve(alarm: Alarm, until_s: float) -> Alarm:
    """Hide it until then. What was not acknowledged is asked for again then, if it is there."""
    return replace(alarm, shelved_until_s=until_s, acknowledged=True)


def unshelve(alarm: Alarm) -> Alarm:
    """Show it again."""
    return _shown(replace(alarm, shelved_until_s=NAN))


def suppress(alarm: Alarm, by: str) -> Alarm:
    """Hide it by design; `by` empty: show it again."""
    if by:
        return replace(alarm, suppressed_by=by, acknowledged=True)
    return _shown(replace(alarm, suppressed_by=""))


def remove_from_service(alarm: Alarm) -> Alarm:
    """Hide it until it is returned."""
    return replace(alarm, out_of_service=True, acknowledged=True)


def return_to_service(alarm: Alarm) -> Alarm:
    """Show it again."""
    return _shown(replace(alarm, out_of_service=False))


def _shown(alarm: Alarm) -> Alarm:
    """After one of the things that hid it is gone: an active one asks for attention again."""
    hidden = alarm.state in HIDDEN
    return alarm if hidden else replace(alarm, acknowledged=not alarm.active)


def _turned(alarm: Alarm, now_s: float) -> Alarm:
    """Become active, which asks for attention unless it is hidden, or become inactive."""
    if alarm.active:
        return replace(alarm, active=False, pending_since_s=NAN)
    return replace(
        alarm,
        active=True,
        pending_since_s=NAN,
        raised_s=now_s,
        count=alarm.count + 1,
        acknowledged=alarm.state in HIDDEN,
        first_out=False,
    )
