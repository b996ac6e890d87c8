"""`vppd baseline`: a customer's baseline on one day, or its error over its whole history."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from vppd.market.baseline.days import instant
from vppd.market.baseline.errors import BackTest, Errors, back_test
from vppd.market.baseline.record import AnyMethod, Baseline, BaselineError, Calendar, Event, History
from vppd.market.parameters import Value, as_mapping, rules_from
from vppd.ops.counted import counted

_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class DayReport:
    """A baseline, and what the meter says, MW, generation positive."""

    event: Event
    found: Baseline
    times: tuple[str, ...]
    metered_mw: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was computed, and how."""

    method: AnyMethod
    parameters: Mapping[str, Value]
    hours: str
    day: DayReport | None
    tested: BackTest


def report(
    method: AnyMethod,
    history: History,
    calendar: Calendar,
    hours: str,
    day: date | None,
    words: Sequence[str],
) -> Report:
    """Compute a baseline, and the error of its method on the other days of the history.

    Raises
    ------
    ParameterError
        As `rules_from`.
    BaselineError
        Hours that are no intervals of the history, or a day of which there is no baseline.
    """
    rules = rules_from(method, words)
    first, stop = _intervals(hours, history)
    found = None
    if day is not None:
        calendar = dataclasses.replace(calendar, events=calendar.events | {day})
        found = _day_report(method, history, calendar, Event(day, first, stop), rules)
    tested = back_test(history, calendar, first, stop, method, rules)
    return Report(method, as_mapping(rules), hours, found, tested)


def _day_report(
    method: AnyMethod, history: History, calendar: Calendar, event: Event, rules: object
) -> DayReport:
    baseline = method.compute(history, calendar, event, rules)
    metered = history.window(event.day, event.first, event.count).tolist()
    times = tuple(instant(history, event.day, k) for k in range(event.first, event.stop))
    return DayReport(event, baseline, times, tuple(metered))


def _intervals(hours: str, history: History) -> tuple[int, int]:
    match = _HOURS.fullmatch(hours.strip())
    if match is None:
        raise ValueError(f"{hours!r} are no hours: HH:MM-HH:MM of one day, up to 24:00")
    numbers = [int(part) for part in match.groups()]
    since_s, until_s = (3600 * h + 60 * m for h, m in (numbers[:2], numbers[2:]))
    if until_s > 86400 or since_s >= until_s:
        raise ValueError(f"{hours!r} are no hours: HH:MM-HH:MM of one day, up to 24:00")
    if since_s % history.step_s or until_s % history.step_s:
        raise BaselineError(f"{hours} are no whole intervals of {history.step_s} s")
    return since_s // history.step_s, until_s // history.step_s


def as_json(found: Report) -> dict[str, object]:
    """One JSON document; what is not known is null."""
    tested = found.tested
    return {
        "method": found.method.name,
        "parameters": dict(found.parameters),
        "hours": found.hours,
        "day": None if found.day is None else _day_json(found.day),
        "history": {
            "days": tested.n_days,
            "errors": None if tested.errors is None else _errors_json(tested.errors),
            "refused": [{"day": day, "reason": why} for day, why in tested.refused],
        },
        "rules": about(found.method),
    }


def about(method: AnyMethod) -> dict[str, object]:
    """What `--method list` says of a method, as JSON."""
    return {
        "method": method.name,
        **{name: getattr(method, name) for name in ("title", "formula", "source")},
        "confidence": method.confidence.name.lower(),
        "parameters": {field.name: field.default for field in dataclasses.fields(method.rules)},
    }


def _day_json(day: DayReport) -> dict[str, object]:
    rows = zip(day.times, day.found.p_mw.tolist(), day.found.unadjusted_mw.tolist(),
               day.metered_mw, strict=True)  # fmt: skip
    return {
        "date": day.event.day.isoformat(),
        "basis_days": [d.isoformat() for d in day.found.days],
        "notes": list(day.found.notes),
        "intervals": [
            {"time": time, "baseline_mw": p, "unadjusted_mw": raw, "metered_mw": _null(metered),
             "delivered_mw": _null(metered - p)}
            for time, p, raw, metered in rows
        ],
    }  # fmt: skip


def _errors_json(errors: Errors) -> dict[str, float | int | None]:
    return {name: _null(value) for name, value in dataclasses.asdict(errors).items()}


def _null(value: float) -> float | None:
    return value if math.isfinite(value) else None


def render(found: Report) -> str:
    """Give the baseline of the day, then the errors on the history, for people."""
    method = found.method
    lines = [f"{method.name}: {method.title}", ""]
    if found.day is not None:
        lines += _day_lines(found.day)
    lines += _history_lines(found)
    lines.append(f"source      {method.source} ({method.confidence.value})")
    return "\n".join(lines)


def _day_lines(day: DayReport) -> list[str]:
    lines = [f"{'interval':20}{'baseline, MW':>14}{'metered, MW':>14}{'delivered, MW':>15}"]
    for time, p_mw, metered_mw in zip(
        day.times, day.found.p_mw.tolist(), day.metered_mw, strict=True
    ):
        lines.append(f"{time:20}{p_mw:14.4f}{metered_mw:14.4f}{metered_mw - p_mw:15.4f}")
    if day.found.days:
        lines.append(f"mean of     {', '.join(d.isoformat() for d in day.found.days)}")
    lines += [f"note        {note}" for note in day.found.notes]
    return [*lines, ""]


def _history_lines(found: Report) -> list[str]:
    tested = found.tested
    days = f"{counted(tested.n_days, 'day')} without an event, {found.hours}"
    lines = [f"on its own history: {days}"]
    if tested.errors is not None:
        e = tested.errors
        lines += [
            f"bias        {e.bias_mw:+.6g} MW{_pct(e.bias_pct, '+')}",
            f"RMSE        {e.rmse_mw:.6g} MW{_pct(e.rrmse_pct)}",
        ]
    if tested.refused:
        day, why = tested.refused[-1]
        lines.append(f"refused     {counted(len(tested.refused), 'day')}; the last {day}: {why}")
    return lines


def _pct(value: float, sign: str = "") -> str:
    return f", {value:{sign}.3g} % of the mean power" if math.isfinite(value) else ""


def render_list(methods: Sequence[AnyMethod]) -> str:
    """Give the methods, with formula, confidence and source."""
    lines = []
    for method in methods:
        lines += [f"{method.name}: {method.title}", f"    {method.formula}",
                  f"    {method.source} ({method.confidence.value})"]  # fmt: skip
    return "\n".join(lines)
