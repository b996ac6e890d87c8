"""The instants that people ask a journal for: what `--at` takes."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

FORMS: Final = "an ISO instant, HH:MM:SS, #TICK, or +SECONDS from the journal's start"

_NUMBER = re.compile(r"#(\d{1,18})")
_SECONDS = re.compile(r"\+(\d{1,12}(?:\.\d*)?)(?: ?s)?")
_CLOCK = re.compile(r"T?(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?")


class InstantError(Exception):
    """An instant that cannot be read, or of which the journal has no tick."""


@dataclass(frozen=True, slots=True)
class TickNumber:
    """`#123`."""

    number: int


@dataclass(frozen=True, slots=True)
class SinceStart:
    """`+42.5`: seconds from the first tick of the journal."""

    after_s: float


@dataclass(frozen=True, slots=True)
class At:
    """An instant, seconds since 1970."""

    utc_s: float


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """`HH:MM:SS` of the journal's first day, or of the next one where that is before its start."""

    clock: time
    zone: tzinfo | None  # None: local time


Instant = TickNumber | SinceStart | At | TimeOfDay


def parse(text: str) -> Instant:
    """Read an instant. A time without a zone is local time. Raises InstantError."""
    text = text.strip()
    number, seconds, clock = (form.fullmatch(text) for form in (_NUMBER, _SECONDS, _CLOCK))
    if number is not None:
        return TickNumber(int(number[1]))
    if seconds is not None:
        return SinceStart(float(seconds[1]))
    try:
        if clock is not None:
            at = time.fromisoformat(clock[0].removeprefix("T"))
            return TimeOfDay(at.replace(tzinfo=None), at.tzinfo)
        return At(datetime.fromisoformat(text).astimezone().timestamp())
    except (ValueError, OverflowError, OSError):
        raise InstantError(f"{text!r} is no instant: {FORMS}") from None


def instant_s(asked: At | SinceStart | TimeOfDay, first_s: float, last_s: float) -> float:
    """Seconds since 1970 of an instant, in a journal from `first_s` to `last_s`.

    Raises InstantError where a time of day stands for several days.
    """
    if isinstance(asked, At):
        return asked.utc_s
    if isinstance(asked, SinceStart):
        return first_s + asked.after_s
    day = datetime.fromtimestamp(first_s, UTC).astimezone(asked.zone).date()
    days = (_on(day + timedelta(days=k), asked) for k in range(3))
    first, second, *_ = (at_s for at_s in days if at_s >= math.floor(first_s))
    if second <= last_s:
        raise InstantError(f"{asked.clock} is on several days of this journal: give the date, too")
    return max(first, first_s)


def _on(day: date, asked: TimeOfDay) -> float:
    return datetime.combine(day, asked.clock, asked.zone).astimezone(UTC).timestamp()


def utc_text(utc_s: float) -> str:
    """Write an instant as ISO 8601, UTC, to the millisecond."""
    if not math.isfinite(utc_s):
        return "unknown"
    text = datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
