"""A score, and the list of markets, for people."""

import math
from collections.abc import Iterable

from vppd.journal.instant import utc_text
from vppd.market.record import AnyMarket
from vppd.ops.counted import counted
from vppd.runtime.score import Report

NAME_WIDTH = 26


def render(report: Report) -> str:
    """Give the figures, the thresholds, the parameters that matter, and the source."""
    market, scored = report.market, report.scored
    lines = [
        f"{market.name}: {market.title}",
        f"{_span(report)}, {counted(len(scored.intervals), 'interval')} ({market.interval})",
        "",
        *(f"{name:{NAME_WIDTH}} {_number(value)}" for name, value in scored.score.items()),
        *(f"{name:{NAME_WIDTH}} {'yes' if is_met else 'NO'}"
          for name, is_met in scored.passed.items()),
        "",
    ]  # fmt: skip
    given = (f"{name}={_number(value)}" for name, value in report.parameters.items()
             if not (isinstance(value, float) and math.isnan(value)))  # fmt: skip
    lines.append(f"parameters  {' '.join(given)}")
    lines.append(f"source      {market.source} ({market.confidence.value})")
    lines += [f"note        {note}" for note in scored.notes]
    return "\n".join(lines)


def render_list(markets: Iterable[AnyMarket]) -> str:
    """Give a table of the markets, with date, interval, confidence and source."""
    rows = [("market", "in force", "interval", "confidence", "source")]
    rows += [
        (m.name, in_force(m), m.interval, m.confidence.name.lower(), m.source) for m in markets
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    padded = ("  ".join(f"{cell:{w}}" for cell, w in zip(row, [*widths, 0], strict=True))
              for row in rows)  # fmt: skip
    return "\n".join(line.rstrip() for line in padded)


def in_force(market: AnyMarket) -> str:
    """From when to when the rules are in force."""
    if market.until:
        return f"{market.since} to {market.until}"
    return f"since {market.since}" if market.since else "date not known"


def _span(report: Report) -> str:
    if report.wall_clock:
        return f"{utc_text(report.since_s)} to {utc_text(report.until_s)}"
    return f"t_s {report.since_s:.10g} to {report.until_s:.10g}"


def _number(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "none" if math.isnan(value) else f"{value:.6g}"
    return str(value)
