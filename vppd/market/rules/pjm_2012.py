"""PJM regulation, the three-part score: 1 Oct 2012 to 30 Sep 2025.

Signal
    RegA or RegD, sent every 2 s; scored on point samples 10 s apart. [C]
Interval
    An hour; the five minutes after it serve as its shifted response, and the last hour gives up its
    own last five for that. Hours count from the first row.
Score
    Mean of correlation, delay and precision: see `vppd.market.pjm`. [C]
Payment
    MW x score x (RMCCP + mileage ratio x RMPCP), $ an hour. [C]
    Mileage, the sum of the changes of the signal, MW. [C]
Thresholds
    .75 to qualify; an hour under .25 forfeits its credit; under .40 as a rolling average (here: of
    the series) disqualifies. [C]
Source
    PJM Manual 12, section 4.5.6, and Manual 28, section 4, as in GMLC-1-4-2/battery_interface.
Confidence
    [C] but for the latency credit (PJM gave 10 s; 0 here) and the unit of slopes of a flat signal,
    which are [K] and parameters. `rolling=false maximise=correlation` are the choices of the GMLC
    scorer.
"""

import math
from dataclasses import dataclass

from vppd.market import pjm
from vppd.market.grid import EVEN, SeriesError, check_grid, check_step, every, signal_of
from vppd.market.record import F8, Confidence, Form, Interval, Market, Scored, Series

QUALIFY, FORFEIT, DISQUALIFY = 0.75, 0.25, 0.40
PARTS = ("score", "correlation", "delay", "precision")


@dataclass(frozen=True, slots=True)
class Rules(pjm.PjmRules):
    """As `PjmRules`, with the award and the prices. A price that is NaN pays nothing out."""

    capacity_mw: float = math.nan
    rmccp_usd_per_mwh: float = math.nan
    rmpcp_usd_per_mwh: float = math.nan
    mileage_ratio: float = 1.0  # of this signal to RegA


def score(series: Series, rules: Rules) -> Scored:
    """Score hour by hour. Raises SeriesError."""
    step_s = check_grid(series)
    check_step(step_s, divides_s=rules.sample_s)
    t_s = every(series.t_s, step_s, rules.sample_s)
    signal_mw = every(signal_of(series), step_s, rules.sample_s)
    response_mw = every(series.response_mw, step_s, rules.sample_s)
    hours = pjm.score_series(
        t_s, signal_mw / rules.capacity_mw, response_mw / rules.capacity_mw, rules
    )
    if not hours:
        least_s = rules.window_s + rules.shift_max_s
        raise SeriesError(f"{t_s.size} samples of {rules.sample_s:g} s: {least_s:g} s are needed")
    intervals = tuple(_interval(hour, t_s, signal_mw, rules) for hour in hours)
    whole = pjm.combine(hours)
    figures = {part: getattr(whole, part) for part in PARTS}
    figures["mileage_mw"] = math.fsum(i.values["mileage_mw"] for i in intervals)
    if not math.isnan(rules.rmccp_usd_per_mwh + rules.rmpcp_usd_per_mwh):
        figures["credit_usd"] = math.fsum(i.values["credit_usd"] for i in intervals)
    passed = {
        "qualifies": whole.score >= QUALIFY,
        "stays_qualified": whole.score >= DISQUALIFY,
        "no_hour_forfeited": all(hour.score >= FORFEIT for hour in hours),
    }
    return Scored(figures, intervals, passed)


def credit_usd(capacity_mw: float, score: float, hours: float, rules: Rules) -> float:
    """Pay for a part of an hour; 0 under the score that forfeits, NaN without prices."""
    rate = rules.rmccp_usd_per_mwh + rules.mileage_ratio * rules.rmpcp_usd_per_mwh
    if math.isnan(rate):
        return math.nan
    return capacity_mw * score * rate * hours if score >= FORFEIT else 0.0


def _interval(hour: pjm.PjmScore, t_s: F8, signal_mw: F8, rules: Rules) -> Interval:
    inside = (t_s >= hour.since_s - EVEN) & (t_s <= hour.until_s + EVEN)
    hours = (hour.until_s - hour.since_s) / 3600.0
    values = {part: getattr(hour, part) for part in PARTS}
    values["mileage_mw"] = pjm.mileage_pu(signal_mw[inside])
    values["credit_usd"] = credit_usd(rules.capacity_mw, hour.score, hours, rules)
    return Interval(hour.since_s, hour.until_s, values)


MARKET = Market(
    name="pjm-2012",
    title="PJM regulation, three-part performance score",
    since="2012-10-01",
    until="2025-09-30",
    form=Form.REGULATION,
    step="10 s or a whole part of it",
    interval="1 h",
    formula="mean of correlation, delay and precision",
    payment="MW x score x (RMCCP + mileage ratio x RMPCP)",
    thresholds="qualify .75, forfeit an hour < .25, disqualify < .40",
    source="PJM Manual 12, 4.5.6, as in GMLC-1-4-2/battery_interface RegService.perf_score",
    confidence=Confidence.CODE,
    rules=Rules,
    needs=("capacity_mw",),
    score=score,
    live_s=3600.0,
)
