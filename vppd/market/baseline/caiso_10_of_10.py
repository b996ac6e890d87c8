"""CAISO 10-of-10: the mean of the ten newest days of the type, scaled by the morning.

Days
    The ten newest weekdays before the event without event days, all ten of them ([S] for 10 of the
    10 newest eligible days, as taken over by AEMO); for weekends and holidays the four newest. At
    least five and four; no farther back than 45 days. [K]
Baseline
    Mean of the days, interval by interval. [S]
Adjustment
    Multiplied by (power of the event's day / mean of the days), each over the three hours that end
    an hour before the event; the factor is kept within 1 +- 20 %. [K]
Source
    CAISO tariff, section 4.13.4.1, and BPM for Demand Response; AEMO's register of baseline
    methodologies names it as the "CAISO 10 of 10" framework.
Confidence
    [K] for the adjustment and for the least numbers of days: all are parameters. Limits other than
    20 % have been in force for some products.
"""

import math
from dataclasses import dataclass
from datetime import date
from itertools import islice

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

DAY_COUNTS = (
    "weekdays", "weekdays_least", "other_days", "other_days_least", "look_back_days",
)  # fmt: skip
WEEKDAYS = frozenset({DayType.WEEKDAY})
OTHERS = frozenset({DayType.SATURDAY, DayType.SUNDAY})


@dataclass(frozen=True, slots=True)
class Rules:
    """How many days, and which window scales. A day count is a whole number."""

    weekdays: float = 10.0
    weekdays_least: float = 5.0
    other_days: float = 4.0
    other_days_least: float = 4.0
    look_back_days: float = 45.0
    adjusted: bool = True
    adjustment_skip_s: float = 3600.0
    adjustment_basis_s: float = 10800.0
    adjustment_limit_pu: float = 0.2

    def __post_init__(self) -> None:
        check_whole(self, DAY_COUNTS)
        if self.adjustment_limit_pu >= 1.0:
            raise ValueError("adjustment_limit_pu must be below 1")


def compute(history: History, calendar: Calendar, event: Event, rules: Rules) -> Baseline:
    """Baseline of one event. Raises BaselineError."""
    first, count = window_before(history, event, rules.adjustment_skip_s, rules.adjustment_basis_s)
    check_window(history, calendar, event, first if rules.adjusted else 0, count)
    days, notes = _newest(history, calendar, event, rules)
    unadjusted_mw = event_means(history, days, event)
    if not rules.adjusted:
        return Baseline(unadjusted_mw, unadjusted_mw, tuple(days), notes)
    basis_mw = mean_of_rows([known(history, day, first, count) for day in days])
    today_mw = known(history, event.day, first, count)
    ratio = _ratio(math.fsum(today_mw), math.fsum(basis_mw))
    factor = min(max(ratio, 1.0 - rules.adjustment_limit_pu), 1.0 + rules.adjustment_limit_pu)
    told = f"adjusted by {factor:.6g}" + (f", limited from {ratio:.6g}" if factor != ratio else "")
    return Baseline(factor * unadjusted_mw, unadjusted_mw, tuple(days), (*notes, told))


def _newest(
    history: History, calendar: Calendar, event: Event, rules: Rules
) -> tuple[list[date], tuple[str, ...]]:
    is_weekday = day_type(event.day, calendar) is DayType.WEEKDAY
    wanted, least = (
        (int(rules.weekdays), int(rules.weekdays_least))
        if is_weekday
        else (int(rules.other_days), int(rules.other_days_least))
    )
    alike = WEEKDAYS if is_weekday else OTHERS
    found = days_before(history, calendar, event.day, alike, int(rules.look_back_days))
    days = list(islice(found, wanted))
    if len(days) < least:
        what = "weekdays" if is_weekday else "weekend days and holidays"
        raise BaselineError(
            f"{what} before {event.day}: {len(days)}, {least} are needed"
            f" within {rules.look_back_days:g} days"
        )
    short = () if len(days) == wanted else (f"{len(days)} days where {wanted} are wanted",)
    return days, short


def _ratio(today_mw: float, basis_mw: float) -> float:
    """Today over the days before. Nothing can be scaled that is nothing, or of the other sign."""
    if not today_mw * basis_mw > 0.0:
        raise BaselineError(
            "the adjustment has no factor: before the event the day and the days before it have"
            f" {today_mw:.6g} and {basis_mw:.6g} MW, summed over the window"
        )
    return today_mw / basis_mw


METHOD = Method(
    name="caiso-10-of-10",
    title="CAISO 10-of-10 with a day-of adjustment",
    formula="mean of the 10 newest days x today / days over 3 h, an hour before, within 20 %",
    source="CAISO tariff, 4.13.4.1; BPM for Demand Response; AEMO baseline methodology register",
    confidence=Confidence.KNOWN,
    rules=Rules,
    compute=compute,
)
