"""Continental Europe, frequency containment reserve (FCR).

Signal
    Frequency. Wanted: P / Pn = clip((50 - f) / .2 Hz, +-1). [S] Within 10 mHz of 50 Hz the answer
    may be left out: a dead band as a right, not a duty. German freedom: up to 120 % of what is
    wanted. [S]
Interval
    15 min, from the first row (the last one may be shorter).
Score
    The answer begins within 2 s, and is full within 30 s: [S] bounds that look 0 to 2 s back, and
    rise by 1/28 pu/s at least, as fast as it likes. [K] Error: distance outside of them beyond a
    tolerance of 5 % of the award. [K]
Payment
    Award x price x hours, for capacity alone. [K]
Thresholds
    2 s to begin, 30 s to full.
Source
    SO GL (EU) 2017/1485, articles 154 and Annex V; German additions (regelleistung.net); Elia,
    "Activation for balancing".
Confidence
    [S] for the requirement, [K] for scoring it by bounds.
"""

import math
from dataclasses import dataclass

import numpy as np

from vppd.market import droops
from vppd.market.envelope import Pace, bounds_pu
from vppd.market.grid import check_grid, check_step, frequency_of
from vppd.market.record import F8, Confidence, Form, Market, Scored, Series


@dataclass(frozen=True, slots=True)
class Rules:
    """Award and constants of the product. A price of NaN pays nothing out."""

    capacity_mw: float = math.nan
    nominal_hz: float = 50.0
    full_hz: float = 0.2
    deadband_hz: float = 0.010
    most_pu: float = 1.2  # of what is wanted
    begin_s: float = 2.0
    full_s: float = 30.0
    tolerance_pu: float = 0.05
    step_max_s: float = 2.0
    price_eur_per_mw_h: float = math.nan

    def __post_init__(self) -> None:
        """Refuse times in the wrong order."""
        if not 0.0 <= self.begin_s < self.full_s:
            raise ValueError("begin_s must be 0 or more, and under full_s")


def score(series: Series, rules: Rules) -> Scored:
    """Score quarter hours. Raises SeriesError."""
    step_s = check_grid(series)
    check_step(step_s, at_most_s=rules.step_max_s)
    least, most = freedom_pu(frequency_of(series), rules)
    slow = 1.0 / (rules.full_s - rules.begin_s)
    pace = Pace(0.0, rules.begin_s, slow, math.inf)
    lower, upper = bounds_pu(np.minimum(least, most), np.maximum(least, most), step_s, pace)
    response_pu = series.response_mw / rules.capacity_mw
    return droops.scored(
        series, step_s, response_pu, lower, upper, rules.tolerance_pu, rules.capacity_mw,
        rules.price_eur_per_mw_h,
    )  # fmt: skip


def freedom_pu(freq_hz: F8, rules: Rules) -> tuple[F8, F8]:
    """The smallest and the largest answer that is right at a frequency, settled, pu."""
    dev_hz = rules.nominal_hz - freq_hz
    wanted = np.clip(dev_hz / rules.full_hz, -1.0, 1.0)
    return np.where(np.abs(dev_hz) <= rules.deadband_hz, 0.0, wanted), rules.most_pu * wanted


MARKET = Market(
    name="ce-fcr",
    title="Continental Europe FCR",
    since="2017-09-14",
    until="",
    form=Form.FREQUENCY,
    step="2 s at most",
    interval="15 min",
    formula="distance outside bounds around clip((50 - f)/.2 Hz, +-1)",
    payment="award x price x hours",
    thresholds="dead band 10 mHz as a right; 2 s to begin, 30 s to full; up to 120 %",
    source="SO GL (EU) 2017/1485, art. 154, Annex V; German additions",
    confidence=Confidence.KNOWN,
    rules=Rules,
    needs=("capacity_mw",),
    score=score,
)
