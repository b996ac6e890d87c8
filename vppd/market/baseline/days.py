"""Which days a baseline is the mean of, and the windows in them."""

from collections.abc import Iterator
from datetime import date, timedelta
from enum import Enum

import numpy as np

from vppd.market.baseline.record import F8, BaselineError, Calendar, Event, History


class DayType(Enum):
    """Days that are alike."""

    WEEKDAY = "weekday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday or holiday"


def day_type(day: date, calendar: Calendar) -> DayType:
    """Type of a day; a holiday is a Sunday."""
    if day in calendar.holidays or day.weekday() == 6:
        return DayType.SUNDAY
    return DayType.SATURDAY if day.weekday() == 5 else DayType.WEEKDAY


def days_before(
    history: History, calendar: Calendar, day: date, alike: frozenset[DayType], look_back_days: int
) -> Iterator[date]:
    """Days of the given types before a day, newest first, without events and excluded days.

    None is farther back than `look_back_days`, or older than the history.
    """
    for back in range(1, look_back_days + 1):
        earlier = day - timedelta(days=back)
        if earlier < history.first:
            return
        if earlier in calendar.events or earlier in calendar.excluded:
            continue
        if day_type(earlier, calendar) in alike:
            yield earlier


def known(history: History, day: date, first: int, count: int) -> F8:
    """Powers of a window, or a refusal that names the first that is not known.

    A day with a gap is not passed over in silence, for another day would stand in for it: whoever
    knows that it is to be left out says so (`excluded`).
    """
    values_mw = history.window(day, first, count)
    bad = np.flatnonzero(~np.isfinite(values_mw))
    if bad.size:
        raise BaselineError(
            f"no power is known for {instant(history, day, first + int(bad[0]))}"
            f" ({bad.size} of {count} intervals): give it, or exclude the day"
        )
    return values_mw


def instant(history: History, day: date, index: int) -> str:
    """Local begin of an interval, for people."""
    days, rest = divmod(index, history.per_day)
    minutes, seconds = divmod(rest * history.step_s, 60)
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
    return f"{day + timedelta(days=days)} {clock}"


def event_means(history: History, days: list[date], event: Event) -> F8:
    """Mean over days, interval by interval of the event; shape (count,), MW."""
    rows = [known(history, day, event.first, event.count) for day in days]
    return mean_of_rows(rows)


def mean_of_rows(rows: list[F8]) -> F8:
    """Mean of equally long rows; summed in their order, so that the bits never change."""
    total = np.zeros_like(rows[0])
    for row in rows:
        total = total + row
    return np.asarray(total / len(rows))


def window_before(history: History, event: Event, skip_s: float, basis_s: float) -> tuple[int, int]:
    """First interval and number of intervals of the window that ends `skip_s` before an event.

    Raises BaselineError where either is no whole number of intervals.
    """
    skip, count = (whole_intervals(history, length_s) for length_s in (skip_s, basis_s))
    if count < 1:
        raise BaselineError("the window before the event is empty")
    return event.first - skip - count, count


def whole_intervals(history: History, length_s: float) -> int:
    """Intervals in a length of time, which must be whole."""
    count = round(length_s / history.step_s)
    if abs(count * history.step_s - length_s) > 1e-6:
        raise BaselineError(
            f"{length_s:g} s are no whole number of intervals of {history.step_s} s"
        )
    return count


def check_window(
    history: History, calendar: Calendar, event: Event, first: int, count: int
) -> None:
    """Refuse an event beyond its day, and one whose window lies in an event of the day before."""
    if event.stop > history.per_day:
        raise BaselineError(f"the event ends after its day: a day has {history.per_day} intervals")
    if not history.first <= event.day <= history.days[-1]:
        raise BaselineError(f"{event.day} is not in the history")
    before = event.day - timedelta(days=1)
    if first < 0 and count > 0 and before in calendar.events:
        raise BaselineError(f"the window before the event begins on {before}, an event day")
