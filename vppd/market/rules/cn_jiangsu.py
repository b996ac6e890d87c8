"""Jiangsu AGC: Kp = max(0, Kv + Ks), of rate and of where the output stands in the end.

Signal
    AGC commands for the whole output, MW, scanned every second; a new one is a change of .5 % of
    Pn or more. [C]
Interval
    One command. Both dead bands are .1 % of Pn. [K]
Score
    Kv = v / (1.5 % of Pn a minute)
    S = |P_cmd - P_end| / Pn in %, P_end where the output stands when the next command comes
    Ks = (3 x .5 - S) / .5
    Kp = max(0, Kv + Ks), mean over the commands. [C]
    v is measured between the dead bands; where the target was not reached, from leaving the first
    to P_end. [K]
Payment
    Mileage (sum of |P_end - P0|) x Kp x the clearing price. [K]
Thresholds
    A command counts if the plant leaves the response dead band before the next one. [K]
Source
    Jiangsu's rules of AGC frequency regulation, as in public code.
Confidence
    [C] for the formulas and their constants, [K] as marked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vppd.market.answers import Answer, Bands, Outcome
from vppd.market.commands import Rated, intervals_of, mean, measured, scored
from vppd.market.record import Confidence, Form, Interval, Market, Scored, Series


@dataclass(frozen=True, slots=True)
class Rules:
    """Constants of the rule; percentages are of rated power. A price of NaN pays nothing out."""

    rated_mw: float = math.nan
    rate_pct_per_min: float = 1.5
    error_pct: float = 0.5
    command_pct: float = 0.5
    response_band_pct: float = 0.1
    target_band_pct: float = 0.1
    scan_s: float = 1.0
    price_cny_per_mw: float = math.nan


def score(series: Series, rules: Rules) -> Scored:
    """Rate command by command. Raises SeriesError."""
    pct_mw = rules.rated_mw / 100.0
    bands = Bands(rules.response_band_pct * pct_mw, rules.target_band_pct * pct_mw)
    found = measured(
        series, bands, least_mw=rules.command_pct * pct_mw, scan_s=rules.scan_s,
    )  # fmt: skip
    intervals = intervals_of(found, partial(_rated, bands=bands, rules=rules))
    return scored(intervals, _quality, rules.price_cny_per_mw)


def _quality(valid: Sequence[Interval]) -> dict[str, float]:
    """Means over the commands."""
    return {name: mean(valid, name) for name in ("kv", "ks", "kp")}


def ks(off_pct: float, error_pct: float = 0.5) -> float:
    """(3 x .5 - S) / .5: 3 on the spot, 2 at the allowed error, below 0 from three times that."""
    return (3.0 * error_pct - off_pct) / error_pct


def _rated(answer: Answer, bands: Bands, rules: Rules) -> Rated:
    rate_mw_per_min = _rate_mw_per_min(answer, bands)
    if math.isnan(rate_mw_per_min):
        return answer.outcome, {}
    kv = rate_mw_per_min / (rules.rate_pct_per_min / 100.0 * rules.rated_mw)
    off_pct = 100.0 * abs(answer.p_cmd_mw - answer.p3_mw) / rules.rated_mw
    steady = ks(off_pct, rules.error_pct)
    return Outcome.VALID, {
        "kv": kv,
        "ks": steady,
        "kp": max(0.0, kv + steady),
        "rate_mw_per_min": rate_mw_per_min,
        "off_pct": off_pct,
        "mileage_mw": abs(answer.p3_mw - answer.p0_mw),
    }


def _rate_mw_per_min(answer: Answer, bands: Bands) -> float:
    """v; NaN where the plant did not start, or started and came back."""
    if answer.outcome is not Outcome.NOT_REACHED:
        return answer.rate_mw_per_min
    went_mw = (answer.p3_mw - answer.p0_mw) * math.copysign(1.0, answer.p_cmd_mw - answer.p0_mw)
    if went_mw <= bands.response_mw or answer.t3_s <= answer.t1_s:
        return math.nan
    return (went_mw - bands.response_mw) / (answer.t3_s - answer.t1_s) * 60.0


MARKET = Market(
    name="cn-jiangsu",
    title="Jiangsu AGC, Kp = max(0, Kv + Ks)",
    since="",
    until="",
    form=Form.OUTPUT,
    step="1 s at most; 0.1 s for a fast plant",
    interval="a command",
    formula="Kv = v/(1.5 % Pn/min), Ks = (1.5 - S)/.5, S = |P_cmd - P_end|/Pn in %",
    payment="mileage x Kp x price",
    thresholds="command >= .5 % of Pn",
    source="Jiangsu AGC rules, as in public code",
    confidence=Confidence.CODE,
    rules=Rules,
    needs=("rated_mw",),
    score=score,
)
