"""PJM regulation from 1 Oct 2025: one bidirectional signal, precision alone.

Signal
    One signal both ways, every 2 s. [S]
Interval
    5 min, credited one by one, in half-hour commitments. [S] They count from the first row; what
    fills no 5 min at the end is not scored.
Score
    Of 5 min: 1 - mean|y - x| / award, not below 0. [K]
Payment
    MW x score x (RMCCP + MR x RMPCP) / 12, $; MR is the requested mileage of the 5 min over the
    resource's own 30-day average. [S]
Thresholds
    .25 forfeits (here: the half hour, by the mean of its intervals [K]), .40 as a rolling average
    (here: of the series) disqualifies. [S] .75 to qualify. [K]
Source
    PJM's regulation market redesign, Manuals 11, 12 and 28.
Confidence
    [K] for the formula of the score: check it against the manual before money depends on it.
"""

import math
from dataclasses import dataclass

import numpy as np

from vppd.market.grid import check_grid, check_step, every, left_over, signal_of, whole_blocks
from vppd.market.record import F8, Confidence, Form, Interval, Market, Scored, Series

INTERVAL_S, PER_HOUR, PER_BLOCK = 300.0, 12.0, 6
QUALIFY, FORFEIT, DISQUALIFY = 0.75, 0.25, 0.40


@dataclass(frozen=True, slots=True)
class Rules:
    """Award, sampling and prices. A price or average that is NaN pays nothing out."""

    capacity_mw: float = math.nan
    sample_s: float = 2.0
    rmccp_usd_per_mwh: float = math.nan
    rmpcp_usd_per_mwh: float = math.nan
    mileage_average_mw: float = math.nan  # requested in 5 min, mean of the resource's 30 days


def score(series: Series, rules: Rules) -> Scored:
    """Score 5 min by 5 min. Raises SeriesError."""
    step_s = check_grid(series)
    check_step(step_s, divides_s=rules.sample_s)
    t_s = every(series.t_s, step_s, rules.sample_s)
    x_mw = every(signal_of(series), step_s, rules.sample_s)
    y_mw = every(series.response_mw, step_s, rules.sample_s)
    rows = list(whole_blocks(t_s, rules.sample_s, INTERVAL_S, unfinished=series.unfinished))
    scores = [precision(x_mw[b], y_mw[b], rules.capacity_mw) for b in rows]
    blocks = [scores[k : k + PER_BLOCK] for k in range(0, len(scores), PER_BLOCK)]
    half_hours = [float(np.mean(block)) for block in blocks]
    intervals = []
    for k, b in enumerate(rows):
        way_mw = requested_mileage_mw(x_mw, b)
        credited = half_hours[k // PER_BLOCK] >= FORFEIT
        values = {
            "score": scores[k],
            "half_hour_score": half_hours[k // PER_BLOCK],
            "mileage_mw": way_mw,
            "credit_usd": credit_usd(scores[k] if credited else 0.0, way_mw, rules),
        }
        since_s = float(t_s[b.start])
        intervals.append(Interval(since_s, since_s + INTERVAL_S, values))
    return _summed(tuple(intervals), half_hours, left_over(t_s, rules.sample_s, INTERVAL_S))


def precision(x_mw: F8, y_mw: F8, award_mw: float) -> float:
    """1 - mean|y - x| / award, not below 0."""
    return max(0.0, 1.0 - float(np.abs(y_mw - x_mw).mean()) / award_mw)


def requested_mileage_mw(x_mw: F8, block: slice) -> float:
    """Sum of the changes of the signal in a block, the one into its first sample included."""
    return float(np.abs(np.diff(x_mw[max(0, block.start - 1) : block.stop])).sum())


def credit_usd(score: float, mileage_mw: float, rules: Rules) -> float:
    """Pay for 5 min; NaN without prices or without the 30-day average."""
    ratio = mileage_mw / rules.mileage_average_mw
    rate = rules.rmccp_usd_per_mwh + ratio * rules.rmpcp_usd_per_mwh
    return rules.capacity_mw * score * rate / PER_HOUR


def _summed(
    intervals: tuple[Interval, ...], half_hours: list[float], notes: tuple[str, ...]
) -> Scored:
    mean = float(np.mean([i.values["score"] for i in intervals]))
    figures = {
        "score": mean,
        "precision": mean,
        "mileage_mw": math.fsum(i.values["mileage_mw"] for i in intervals),
    }
    credit = math.fsum(i.values["credit_usd"] for i in intervals)
    if not math.isnan(credit):
        figures["credit_usd"] = credit
    passed = {
        "qualifies": mean >= QUALIFY,
        "stays_qualified": mean >= DISQUALIFY,
        "no_half_hour_forfeited": all(value >= FORFEIT for value in half_hours),
    }
    return Scored(figures, intervals, passed, notes)


MARKET = Market(
    name="pjm-2025-10",
    title="PJM regulation, one signal, precision only",
    since="2025-10-01",
    until="",
    form=Form.REGULATION,
    step="2 s or a whole part of it",
    interval="5 min",
    formula="1 - mean|y - x| / award",
    payment="MW x score x (RMCCP + MR x RMPCP) / 12",
    thresholds="forfeit < .25, disqualify < .40",
    source="PJM regulation market redesign, Manuals 11, 12, 28",
    confidence=Confidence.KNOWN,
    rules=Rules,
    needs=("capacity_mw",),
    score=score,
    live_s=INTERVAL_S,
)
