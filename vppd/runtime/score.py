"""`vppd score`: a series from a journal or a CSV, under the rules of a market."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vppd.journal.scan import Progress
from vppd.market.parameters import Value, as_mapping, rules_from
from vppd.market.record import AnyMarket, Form, Scored
from vppd.runtime.score_csv import between, read_csv
from vppd.runtime.score_journal import read_journal


@dataclass(frozen=True, slots=True)
class Report:
    """What was scored, and how."""

    market: AnyMarket
    parameters: dict[str, Value]
    scored: Scored
    since_s: float
    until_s: float
    wall_clock: bool  # the instants are UTC, s since 1970; else the file's own t_s


def score_csv(
    market: AnyMarket, path: Path, words: Sequence[str], since: str | None, until: str | None
) -> Report:
    """Score a CSV file.

    Raises
    ------
    ParameterError
        As `rules_from`.
    SeriesError
        The market cannot score this series.
    ValueError
        As `read_csv` and `between`.
    """
    rules = rules_from(market, words)
    series = between(read_csv(path, market.form), since, until)
    scored = market.score(series, rules)
    ends = float(series.t_s[0]), float(series.t_s[-1])
    return Report(market, dict(as_mapping(rules)), scored, *ends, wall_clock=False)


def score_journal(
    market: AnyMarket, path: Path, words: Sequence[str], since: str | None, until: str | None,
    progress: Progress | None = None,
) -> Report:  # fmt: skip
    """Score a journal. Where `capacity_mw` is not given, it is what the journal says was sold.

    Raises as `score_csv` and `read_journal`.
    """
    found = read_journal(path, market.form, since, until, progress)
    words, notes = list(words), found.notes
    if "capacity_mw" in market.needs and not any(w.startswith("capacity_mw=") for w in words):
        if found.capacity_mw > 0.0:
            words.append(f"capacity_mw={found.capacity_mw!r}")
        else:
            notes += ("what was sold up and down, or from when to when, differs",)
    rules = rules_from(market, words)
    scored = market.score(found.series, rules)
    scored = dataclasses.replace(scored, notes=scored.notes + notes)
    ends = float(found.series.t_s[0]), float(found.series.t_s[-1])
    return Report(market, dict(as_mapping(rules)), scored, *ends, wall_clock=True)


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


def _interval(row: object) -> dict[str, object]:
    fields = {name: getattr(row, name) for name in ("since_s", "until_s", "outcome")}
    if not fields["outcome"]:
        del fields["outcome"]
    return fields | _plain(row.values)  # type: ignore[attr-defined]


def _plain(values: object) -> dict[str, object]:
    pairs = values.items()  # type: ignore[attr-defined]
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in pairs
    }
