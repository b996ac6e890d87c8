"""PJM customer baseline load: high 4 of 5, symmetric additive adjustment ("3 day types with SAA").

Days
    The five newest weekdays before the event, without event days; of them the four whose usage in
    the hours of the event is highest. Saturdays: the two highest of three; Sundays and holidays:
    the same. A day whose usage in these hours is under 25 % of the mean of the chosen days is
    replaced by the next older one. No farther back than 45 days. [K]
Baseline
    Mean of the days, interval by interval. [K]
Adjustment
    Mean over three hours of (power of the event's day - mean of the days), added to every interval;
    up or down alike, without a limit. The hour just before the event is left out, so that who knows
    of the event cannot raise the baseline by it. [K] (That PJM takes three hours after skipping
    one: [S], for its same-day baseline.)
Threshold
    A relative root mean square error of 20 % or less certifies the baseline of a customer. [S]
Source
    PJM Operating Agreement, Schedule 1, section 3.3A.2; Manual 11, section 10.4.
Confidence
    [K] but for what is marked [S]; every number is a parameter. What PJM does where there are too
    few days (it takes event days) is not done: too few days are refused.
"""

import math
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Final

from vppd.market.baseline.days import (
    DayType,
    check_window,
    day_type,
    days_before,
    event_means,
    known,
    mean_of_rows,
    window_before,
)
from vppd.market.baseline.record import Baseline, BaselineError, Calendar, Event, History, Method
from vppd.market.parameters import check_whole
from vppd.market.record import Confidence

CERTIFIED_RRMSE_PCT: Final = 20.0
DAY_COUNTS = ("weekdays_x", "weekdays_y", "other_days_x", "other_days_y", "look_back_days")


@dataclass(frozen=True, slots=True)
class Rules:
    """How many days, and which window adjusts. A day count is a whole number."""

    weekdays_x: float = 4.0
    weekdays_y: float = 5.0
    other_days_x: float = 2.0
    other_days_y: float = 3.0
    look_back_days: float = 45.0
    low_usage_pu: float = 0.25
    adjusted: bool = True
    adjustment_skip_s: float = 3600.0
    adjustment_basis_s: float = 10800.0

    def __post_init__(self) -> None:
        check_whole(self, DAY_COUNTS)
        if self.weekdays_x > self.weekdays_y or self.other_days_x > self.other_days_y:
            raise ValueError("X of Y days: X is at most Y")

    def x_of_y(self, kind: DayType) -> tuple[int, int]:
        """X and Y for a type of day."""
        if kind is DayType.WEEKDAY:
            return int(self.weekdays_x), int(self.weekdays_y)
        return int(self.other_days_x), int(self.other_days_y)


def compute(history: History, calendar: Calendar, event: Event, rules: Rules) -> Baseline:
    """Baseline of one event. Raises BaselineError."""
    first, count = window_before(history, event, rules.adjustment_skip_s, rules.adjustment_basis_s)
    check_window(history, calendar, event, first if rules.adjusted else 0, count)
    days = _highest(history, calendar, event, rules)
    unadjusted_mw = event_means(history, days, event)
    if not rules.adjusted:
        return Baseline(unadjusted_mw, unadjusted_mw, tuple(days))
    basis_mw = mean_of_rows([known(history, day, first, count) for day in days])
    today_mw = known(history, event.day, first, count)
    shift_mw = math.fsum(today_mw - basis_mw) / count
    return Baseline(unadjusted_mw + shift_mw, unadjusted_mw, tuple(days),
                    (f"adjusted by {shift_mw:+.6g} MW",))  # fmt: skip


def _highest(history: History, calendar: Calendar, event: Event, rules: Rules) -> list[date]:
    """The X days of highest usage among the Y newest that count, newest first."""
    kind = day_type(event.day, calendar)
    x, y = rules.x_of_y(kind)
    usage_mw = _usages(history, calendar, event, rules, y)
    if len(usage_mw) < y:
        raise BaselineError(
            f"days of the type {kind.value} before {event.day}: {len(usage_mw)}, {y} are needed"
            f" within {rules.look_back_days:g} days"
        )
    ranked = sorted(usage_mw, key=lambda day: (-usage_mw[day], -day.toordinal()))
    return sorted(ranked[:x], reverse=True)


def _usages(
    history: History, calendar: Calendar, event: Event, rules: Rules, y: int
) -> dict[date, float]:
    """Mean usage, MW, of the Y newest days; one that is far lower than the rest is replaced."""
    kind = frozenset({day_type(event.day, calendar)})
    candidates = days_before(history, calendar, event.day, kind, int(rules.look_back_days))
    chosen = {day: _usage_mw(history, day, event) for day in islice(candidates, y)}
    while len(chosen) == y:
        least_mw = rules.low_usage_pu * sum(chosen.values()) / y
        if least_mw <= 0.0:  # no load: nothing is a small part of its usage
            return chosen
        low = next((day for day, mw in chosen.items() if mw < least_mw), None)
        if low is None:
            return chosen
        del chosen[low]
        chosen |= {day: _usage_mw(history, day, event) for day in islice(candidates, 1)}
    return chosen


def _usage_mw(history: History, day: date, event: Event) -> float:
    """What a load takes in the hours of the event: above 0 where generation is below."""
    p_mw = known(history, day, event.first, event.count)
    return -math.fsum(p_mw) / event.count


METHOD = Method(
    name="pjm-cbl",
    title="PJM customer baseline load, high 4 of 5 with symmetric additive adjustment",
    formula="mean of the 4 highest of 5 days + mean(today - days) over 3 h, an hour before",
    source="PJM Operating Agreement, Schedule 1, 3.3A.2; Manual 11, 10.4",
    confidence=Confidence.KNOWN,
    rules=Rules,
    compute=compute,
)
