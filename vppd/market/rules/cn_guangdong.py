"""Guangdong frequency regulation market: k = (2 k1 + k2 + k3) / 4.

Signal
    AGC commands for the whole output, MW. Commands in one direction within 20 s of each other are
    one command. [C] The smallest command is .5 % of Pn. [K]
Interval
    One command. The response dead band is .5 % of Pn, and counts as left when the output stays out
    of it for longer than 4 s. [C] The target dead band is .5 % of Pn. [K]
Score
    k1 = v / (1.751 % of Pn a minute), 5 at most
    k2 = 1 - delay / 300 s
    k3 = 1 - mean error in the 20 to 40 s after reaching / (1.5 % of Pn)
    k = .25 (2 k1 + k2 + k3), means over the commands. [C] k2 and k3 are not below 0. [K]
Payment
    Mileage (sum of |reached - P0|) x k x the clearing price. [K]
Thresholds
    A command that is followed by the next before 40 s after reaching is not rated. [K]
Source
    Rules of Guangdong's frequency regulation ancillary service market, as in public code.
Confidence
    [C] for the formulas and their constants, [K] as marked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vppd.market.answers import Answer, Bands, Outcome, cut, mean_distance_mw
from vppd.market.commands import Rated, intervals_of, mean, measured, scored
from vppd.market.record import Confidence, Form, Interval, Market, Scored, Series


@dataclass(frozen=True, slots=True)
class Rules:
    """Constants of the rule; percentages are of rated power. A price of NaN pays nothing out."""

    rated_mw: float = math.nan
    rate_pct_per_min: float = 1.751
    k1_max: float = 5.0
    delay_s: float = 300.0
    error_pct: float = 1.5
    error_since_s: float = 20.0
    error_until_s: float = 40.0
    response_band_pct: float = 0.5
    response_stays_s: float = 4.0
    target_band_pct: float = 0.5
    command_pct: float = 0.5
    merge_s: float = 20.0
    scan_s: float = 1.0
    price_cny_per_mw: float = math.nan


def score(series: Series, rules: Rules) -> Scored:
    """Rate command by command. Raises SeriesError."""
    pct_mw = rules.rated_mw / 100.0
    bands = Bands(
        rules.response_band_pct * pct_mw, rules.target_band_pct * pct_mw, rules.response_stays_s
    )
    found = measured(
        series, bands, least_mw=rules.command_pct * pct_mw, scan_s=rules.scan_s,
        merge_s=rules.merge_s,
    )  # fmt: skip
    intervals = intervals_of(found, partial(_rated, series=series, rules=rules))
    return scored(intervals, _quality, rules.price_cny_per_mw)


def _quality(valid: Sequence[Interval]) -> dict[str, float]:
    """Means over the commands, and what they are together."""
    k1, k2, k3 = (mean(valid, name) for name in ("k1", "k2", "k3"))
    return {"k1": k1, "k2": k2, "k3": k3, "k": combined(k1, k2, k3)}


def combined(k1: float, k2: float, k3: float) -> float:
    """.25 (2 k1 + k2 + k3)."""
    return 0.25 * (2.0 * k1 + k2 + k3)


def _rated(answer: Answer, series: Series, rules: Rules) -> Rated:
    if answer.outcome is not Outcome.VALID:
        return answer.outcome, {}
    since_s, until_s = answer.t2_s + rules.error_since_s, answer.t2_s + rules.error_until_s
    if until_s > answer.t3_s:
        return Outcome.CUT_SHORT, {}
    piece = cut(series.t_s, series.response_mw, since_s, until_s)
    error_mw = mean_distance_mw(*piece, answer.p_cmd_mw)
    standard_mw_per_min = rules.rate_pct_per_min / 100.0 * rules.rated_mw
    k1 = min(rules.k1_max, answer.rate_mw_per_min / standard_mw_per_min)
    k2 = max(0.0, 1.0 - (answer.t1_s - answer.t0_s) / rules.delay_s)
    k3 = max(0.0, 1.0 - error_mw / (rules.error_pct / 100.0 * rules.rated_mw))
    return Outcome.VALID, {
        "k1": k1,
        "k2": k2,
        "k3": k3,
        "k": combined(k1, k2, k3),
        "rate_mw_per_min": answer.rate_mw_per_min,
        "error_mw": error_mw,
        "response_s": answer.t1_s - answer.t0_s,
        "mileage_mw": answer.way_mw,
    }


MARKET = Market(
    name="cn-guangdong",
    title="Guangdong frequency regulation, k = (2 k1 + k2 + k3) / 4",
    since="",
    until="",
    form=Form.OUTPUT,
    step="1 s at most; 0.1 s for a fast plant",
    interval="a command",
    formula="k1 = v/(1.751 % Pn/min) <= 5, k2 = 1 - delay/300 s, k3 = 1 - error/(1.5 % Pn)",
    payment="mileage x k x price",
    thresholds="response dead band .5 % of Pn, left for > 4 s; same direction within 20 s merges",
    source="Guangdong frequency regulation market rules, as in public code",
    confidence=Confidence.CODE,
    rules=Rules,
    needs=("rated_mw",),
    score=score,
)
