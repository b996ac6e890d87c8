"""Hunan 2025: K = .4 K1 + .3 K2 + .3 K3.

Signal
    AGC commands for the whole output, MW. The smallest command and both dead bands are 1 % of Pn.
    [K]
Interval
    One command.
Score
    K1 = V / V_std, 3 at most; V_std by kind: storage 100 % of Pn a minute, coal 1.2, gas 4,
    hydro 25
    K2 = 1 - T / 60 s, T the response time
    K3 = 1 - E / (2 % of Pn), E the mean error over T2..T3
    K = .4 K1 + .3 K2 + .3 K3, means over the commands. [C] K2 and K3 are not below 0. [K]
Payment
    Mileage (sum of |reached - P0|) x K x the clearing price. [K]
Thresholds
    A command counts if the plant leaves the one dead band and enters the other before the next. [K]
Source
    Hunan's 2025 rules of the ancillary service market, as in public code.
Confidence
    [C] for the formulas and their constants, [K] as marked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from vppd.market.answers import Answer, Bands, Outcome
from vppd.market.commands import Rated, intervals_of, mean, measured, scored
from vppd.market.record import Confidence, Form, Interval, Market, Scored, Series

Kind = Literal["storage", "coal", "gas", "hydro"]
RATE_PCT_PER_MIN: Final[dict[str, float]] = {
    "storage": 100.0, "coal": 1.2, "gas": 4.0, "hydro": 25.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """Constants of the rule; percentages are of rated power. A price of NaN pays nothing out."""

    rated_mw: float = math.nan
    kind: Kind = "storage"
    k1_max: float = 3.0
    response_s: float = 60.0
    error_pct: float = 2.0
    response_band_pct: float = 1.0
    target_band_pct: float = 1.0
    command_pct: float = 1.0
    scan_s: float = 1.0
    price_cny_per_mw: float = math.nan


def score(series: Series, rules: Rules) -> Scored:
    """Rate command by command. Raises SeriesError."""
    pct_mw = rules.rated_mw / 100.0
    bands = Bands(rules.response_band_pct * pct_mw, rules.target_band_pct * pct_mw)
    found = measured(
        series, bands, least_mw=rules.command_pct * pct_mw, scan_s=rules.scan_s,
    )  # fmt: skip
    intervals = intervals_of(found, partial(_rated, rules=rules))
    return scored(intervals, _quality, rules.price_cny_per_mw)


def _quality(valid: Sequence[Interval]) -> dict[str, float]:
    """Means over the commands, and what they are together."""
    k1, k2, k3 = (mean(valid, name) for name in ("k1", "k2", "k3"))
    return {"k1": k1, "k2": k2, "k3": k3, "k": combined(k1, k2, k3)}


def combined(k1: float, k2: float, k3: float) -> float:
    """.4 K1 + .3 K2 + .3 K3."""
    return 0.4 * k1 + 0.3 * k2 + 0.3 * k3


def _rated(answer: Answer, rules: Rules) -> Rated:
    if answer.outcome is not Outcome.VALID:
        return answer.outcome, {}
    standard_mw_per_min = RATE_PCT_PER_MIN[rules.kind] / 100.0 * rules.rated_mw
    k1 = min(rules.k1_max, answer.rate_mw_per_min / standard_mw_per_min)
    k2 = max(0.0, 1.0 - (answer.t1_s - answer.t0_s) / rules.response_s)
    k3 = max(0.0, 1.0 - answer.error_mw / (rules.error_pct / 100.0 * rules.rated_mw))
    return Outcome.VALID, {
        "k1": k1,
        "k2": k2,
        "k3": k3,
        "k": combined(k1, k2, k3),
        "rate_mw_per_min": answer.rate_mw_per_min,
        "error_mw": answer.error_mw,
        "response_s": answer.t1_s - answer.t0_s,
        "mileage_mw": answer.way_mw,
    }


MARKET = Market(
    name="cn-hunan-2025",
    title="Hunan 2025, K = .4 K1 + .3 K2 + .3 K3",
    since="2025",
    until="",
    form=Form.OUTPUT,
    step="1 s at most; 0.1 s for a fast plant",
    interval="a command",
    formula="K1 = V/V_std <= 3, K2 = 1 - T/60 s, K3 = 1 - E/(2 % Pn)",
    payment="mileage x K x price",
    thresholds="V_std in % Pn/min: storage 100, coal 1.2, gas 4, hydro 25",
    source="Hunan 2025 ancillary service rules, as in public code",
    confidence=Confidence.CODE,
    rules=Rules,
    needs=("rated_mw",),
    score=score,
)
