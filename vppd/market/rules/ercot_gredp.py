"""ERCOT's GREDP: how far a resource was from its base point with regulation, 5 min by 5 min.

Signal
    The whole of what was asked: base point + regulation instruction, MW (ABP + ARI); the response
    is the whole output (ATG).
Interval
    5 min, from the first row; what fills none at the end is not scored.
Score
    GREDP = 100 |ATG / (ABP + ARI) - 1| %, and |ATG - ABP - ARI| MW, from means over the 5 min.
    Nothing asked: the MW alone decide.
Payment
    None: it is compliance. (Base point deviation charges are settled apart.)
Thresholds
    An interval passes at 2.5 % or 2.5 MW; 85 % of the month's intervals must.
Source
    ERCOT Nodal Protocols, section 8.1.1.4.1, Regulation Service and Generation Resource Energy
    Deployment Performance.
Confidence
    [K], all of it. Exempt intervals (ramping to a status, frequency response) are not left out.
"""

import math
from dataclasses import dataclass

import numpy as np

from vppd.market.grid import check_grid, check_step, left_over, signal_of, whole_blocks
from vppd.market.record import Confidence, Form, Interval, Market, Scored, Series

INTERVAL_S = 300.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds of an interval and of the month; the coarsest telemetry that is averaged."""

    deviation_pct: float = 2.5
    deviation_mw: float = 2.5
    intervals_pct: float = 85.0
    telemetry_step_max_s: float = 10.0


def score(series: Series, rules: Rules) -> Scored:
    """Score 5 min by 5 min. Raises SeriesError."""
    step_s = check_grid(series)
    check_step(step_s, divides_s=INTERVAL_S, at_most_s=rules.telemetry_step_max_s)
    asked_mw, given_mw = signal_of(series), series.response_mw
    intervals = []
    for b in whole_blocks(series.t_s, step_s, INTERVAL_S, unfinished=series.unfinished):
        pct, off_mw = gredp(float(asked_mw[b].mean()), float(given_mw[b].mean()))
        good = pct <= rules.deviation_pct or off_mw <= rules.deviation_mw
        values = {"gredp_pct": pct, "gredp_mw": off_mw, "passed": float(good)}
        since_s = float(series.t_s[b.start])
        intervals.append(Interval(since_s, since_s + INTERVAL_S, values))
    pct = 100.0 * float(np.mean([i.values["passed"] for i in intervals]))
    figures = {
        "passed_pct": pct,
        "gredp_mw": float(np.mean([i.values["gredp_mw"] for i in intervals])),
        "gredp_pct": _mean_of_known([i.values["gredp_pct"] for i in intervals]),
    }
    notes = left_over(series.t_s, step_s, INTERVAL_S)
    return Scored(figures, tuple(intervals), {"month": pct >= rules.intervals_pct}, notes)


def gredp(asked_mw: float, given_mw: float) -> tuple[float, float]:
    """Deviation of 5 min, % of what was asked (NaN: nothing was) and MW."""
    pct = 100.0 * abs(given_mw / asked_mw - 1.0) if asked_mw != 0.0 else math.nan
    return pct, abs(given_mw - asked_mw)


def _mean_of_known(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


MARKET = Market(
    name="ercot-gredp",
    title="ERCOT generation resource energy deployment performance",
    since="2010-12-01",
    until="",
    form=Form.OUTPUT,
    step="10 s at most, a whole part of 5 min",
    interval="5 min",
    formula="100 |ATG / (ABP + ARI) - 1| % and |ATG - ABP - ARI| MW",
    payment="none (compliance)",
    thresholds="2.5 % or 2.5 MW in 85 % of the month's intervals",
    source="ERCOT Nodal Protocols, 8.1.1.4.1",
    confidence=Confidence.KNOWN,
    rules=Rules,
    needs=(),
    score=score,
    live_s=INTERVAL_S,
)
