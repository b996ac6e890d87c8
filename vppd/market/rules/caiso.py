"""CAISO regulation: accuracy and mileage, quarter hour by quarter hour.

Signal
    AGC setpoints every 4 s. Regulation up and regulation down are products of their own: to
    score them apart, give each its own series.
Interval
    15 min, from the first row; what fills none at the end is not scored.
Score
    Accuracy = 1 - sum|setpoint - output| / sum|setpoint|, not below 0. A quarter hour in which
    nothing was asked has none.
Payment
    capacity x its price + adjusted mileage x accuracy x its price. Mileage is the sum of the
    changes of the setpoint; of each change, what the output lacked of the new setpoint 4 s later,
    in the direction asked, is taken off (under-response).
Thresholds
    25 % of accuracy over a calendar month (here: over the series).
Source
    CAISO tariff section 8 and BPM for Market Operations (FERC Order 755). In force since
    1 Jun 2013.
Confidence
    [K], all of it.
"""

import math
from dataclasses import dataclass

import numpy as np

from vppd.market.grid import check_grid, check_step, every, left_over, signal_of, whole_blocks
from vppd.market.record import F8, Confidence, Form, Interval, Market, Scored, Series

INTERVAL_S = 900.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Sampling, award and prices. A price that is NaN pays nothing out."""

    sample_s: float = 4.0
    accuracy_least: float = 0.25
    capacity_mw: float = math.nan
    capacity_price_usd_per_mwh: float = math.nan
    mileage_price_usd_per_mw: float = math.nan


def score(series: Series, rules: Rules) -> Scored:
    """Score quarter hours. Raises SeriesError."""
    step_s = check_grid(series)
    check_step(step_s, divides_s=rules.sample_s)
    t_s = every(series.t_s, step_s, rules.sample_s)
    x_mw = every(signal_of(series), step_s, rules.sample_s)
    y_mw = every(series.response_mw, step_s, rules.sample_s)
    change_mw = np.abs(np.diff(x_mw, prepend=x_mw[0]))
    adjusted_mw = np.maximum(0.0, change_mw - under_response_mw(x_mw, y_mw))
    intervals = []
    for b in whole_blocks(t_s, rules.sample_s, INTERVAL_S, unfinished=series.unfinished):
        share = accuracy(x_mw[b], y_mw[b])
        adjusted = float(adjusted_mw[b].sum())
        values = {
            "accuracy": share,
            "mileage_mw": float(change_mw[b].sum()),
            "adjusted_mileage_mw": adjusted,
            "credit_usd": credit_usd(share, adjusted, rules),
        }
        since_s = float(t_s[b.start])
        intervals.append(Interval(since_s, since_s + INTERVAL_S, values))
    scored = slice(0, len(intervals) * round(INTERVAL_S / rules.sample_s))
    whole = accuracy(x_mw[scored], y_mw[scored])
    figures = {"accuracy": whole}
    for name in ("mileage_mw", "adjusted_mileage_mw", "credit_usd"):
        figures[name] = math.fsum(i.values[name] for i in intervals)
    if math.isnan(figures["credit_usd"]):
        del figures["credit_usd"]
    passed = {"stays_certified": whole >= rules.accuracy_least} if not math.isnan(whole) else {}
    notes = left_over(t_s, rules.sample_s, INTERVAL_S)
    return Scored(figures, tuple(intervals), passed, notes)


def accuracy(x_mw: F8, y_mw: F8) -> float:
    """1 - sum|x - y| / sum|x|, not below 0; NaN where nothing was asked."""
    asked_mw = float(np.abs(x_mw).sum())
    if asked_mw == 0.0:
        return math.nan
    return max(0.0, 1.0 - float(np.abs(x_mw - y_mw).sum()) / asked_mw)


def under_response_mw(x_mw: F8, y_mw: F8) -> F8:
    """What was still missing of each setpoint when the next one came, in its direction, MW."""
    direction = np.sign(np.diff(x_mw, prepend=x_mw[0]))
    until_next_mw = np.append(y_mw[1:], y_mw[-1])
    return np.asarray(np.maximum(0.0, direction * (x_mw - until_next_mw)))


def credit_usd(accuracy: float, adjusted_mileage_mw: float, rules: Rules) -> float:
    """Pay for a quarter hour; NaN without prices and award. Nothing asked: the capacity alone."""
    capacity_usd = rules.capacity_mw * rules.capacity_price_usd_per_mwh * INTERVAL_S / 3600.0
    if math.isnan(accuracy):
        return capacity_usd
    return capacity_usd + adjusted_mileage_mw * accuracy * rules.mileage_price_usd_per_mw


MARKET = Market(
    name="caiso",
    title="CAISO regulation, accuracy and mileage",
    since="2013-06-01",
    until="",
    form=Form.REGULATION,
    step="4 s or a whole part of it",
    interval="15 min",
    formula="1 - sum|setpoint - output| / sum|setpoint|",
    payment="capacity x price + adjusted mileage x accuracy x price",
    thresholds="25 % a month",
    source="CAISO tariff section 8, BPM for Market Operations (FERC Order 755)",
    confidence=Confidence.KNOWN,
    rules=Rules,
    needs=(),
    score=score,
)
