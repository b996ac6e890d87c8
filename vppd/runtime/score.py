"""`vppd score`: a series under the rules of a market. Where it comes from is read elsewhere."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vppd.market.parameters import Value, as_mapping, rules_from, with_capacity
from vppd.market.record import AnyMarket, Form, Interval, Scored, Series


@dataclass(frozen=True, slots=True)
class Input:
    """A series, and what its source knows beside it."""

    series: Series
    wall_clock: bool  # the instants are UTC, s since 1970; else the file's own t_s
    capacity_mw: float = math.nan  # what was sold, up and down alike; NaN: not known
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was scored, and how."""

    market: AnyMarket
    parameters: Mapping[str, Value]
    scored: Scored
    since_s: float
    until_s: float
    wall_clock: bool


def report(market: AnyMarket, given: Input, words: Sequence[str]) -> Report:
    """Score a series. A `capacity_mw` that is needed and not given is what was sold.

    Raises
    ------
    ParameterError
        As `rules_from`.
    SeriesError
        The market cannot score this series.
    """
    rules = rules_from(market, with_capacity(market, words, given.capacity_mw))
    scored = market.score(given.series, rules)
    scored = dataclasses.replace(scored, notes=scored.notes + given.notes)
    ends = float(given.series.t_s[0]), float(given.series.t_s[-1])
    return Report(market, as_mapping(rules), scored, *ends, given.wall_clock)


def as_json(report: Report) -> dict[str, object]:
    """One JSON document; a figure that there is none of is null."""
    market, scored = report.market, report.scored
    return {
        "market": market.name,
        "score": _plain(scored.score),
        "parameters": _plain(report.parameters),
        "passed": dict(scored.passed),
        "intervals": [_interval(row) for row in scored.intervals],
        "since_s": report.since_s,
        "until_s": report.until_s,
        "wall_clock": report.wall_clock,
        "notes": list(scored.notes),
        "rules": about(market),
    }


def about(market: AnyMarket) -> dict[str, object]:
    """What `--market list` says of a market, as JSON."""
    told = ("title", "since", "until", "step", "interval", "formula", "payment", "thresholds",
            "source")  # fmt: skip
    return {
        "market": market.name,
        **{name: getattr(market, name) for name in told},
        "signal": market.form.value,
        "confidence": market.confidence.name.lower(),
        "parameters": _plain(
            {field.name: field.default for field in dataclasses.fields(market.rules)}
        ),
        "needs": list(market.needs),
        "columns": ["t_s", _asked(market), "response_mw"],
    }


def _asked(market: AnyMarket) -> str:
    return "frequency_hz" if market.form is Form.FREQUENCY else "signal_mw"


def _interval(row: Interval) -> dict[str, object]:
    about: dict[str, object] = {"since_s": row.since_s, "until_s": row.until_s}
    if row.outcome:
        about["outcome"] = row.outcome
    return about | _plain(row.values)


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """For JSON: what is not finite is null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
