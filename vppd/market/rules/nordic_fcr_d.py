"""Nordic frequency containment reserve for disturbances (FCR-D), upwards and downwards.

Signal
    Frequency. Upwards: 0 at 49.9 Hz, full at 49.5 Hz, straight between. [S] Downwards: mirrored.
Interval
    15 min, from the first row (the last one may be shorter).
Score
    86 % of a step within 7.5 s: bounds that rise by .86 / 7.5 pu/s at least, as fast as it likes.
    Error: distance outside of them beyond a tolerance of 5 % of the award. [K]
Payment
    Award x price x hours, for capacity alone. [K]
Thresholds
    A store of limited energy: 20 % of the award as opposite power for recovery, and 20 min of full
    power. [S] Told in the score as `stored_least_mwh`.
Source
    Technical requirements for frequency containment reserve provision in the Nordic synchronous
    area (Fingrid, Energinet, Statnett, Svenska kraftnät), 2023.
Confidence
    [S] for curve and energy, [K] for the pace and for scoring it by bounds.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from vppd.market import droops
from vppd.market.envelope import Pace, bounds_pu, curve_pu
from vppd.market.grid import check_grid, check_step, frequency_of
from vppd.market.record import F8, Confidence, Form, Market, Scored, Series


@dataclass(frozen=True, slots=True)
class Rules:
    """Award and constants of the product. A price of NaN pays nothing out."""

    capacity_mw: float = math.nan
    side: Literal["up", "down"] = "up"
    nominal_hz: float = 50.0
    begin_hz: float = 0.1
    full_hz: float = 0.5
    step_part_pu: float = 0.86
    step_part_s: float = 7.5
    sustain_min: float = 20.0
    tolerance_pu: float = 0.05
    step_max_s: float = 1.0
    price_eur_per_mw_h: float = math.nan

    def __post_init__(self) -> None:
        """Refuse a curve without a slope, and a pace of no time."""
        if not 0.0 <= self.begin_hz < self.full_hz:
            raise ValueError("begin_hz must be 0 or more, and under full_hz")
        if not (self.step_part_pu > 0.0 and self.step_part_s > 0.0):
            raise ValueError("step_part_pu and step_part_s must be above 0")


def score(series: Series, rules: Rules) -> Scored:
    """Score quarter hours. Raises SeriesError."""
    step_s = check_grid(series)
    check_step(step_s, at_most_s=rules.step_max_s)
    wanted = wanted_pu(frequency_of(series), rules)
    pace = Pace(0.0, 0.0, rules.step_part_pu / rules.step_part_s, math.inf)
    lower, upper = bounds_pu(wanted, wanted, step_s, pace)
    response_pu = series.response_mw / rules.capacity_mw
    found = droops.scored(
        series, step_s, response_pu, lower, upper, rules.tolerance_pu, rules.capacity_mw,
        rules.price_eur_per_mw_h,
    )  # fmt: skip
    stored_mwh = rules.capacity_mw * rules.sustain_min / 60.0
    return replace(found, score={**found.score, "stored_least_mwh": stored_mwh})


def wanted_pu(freq_hz: F8, rules: Rules) -> F8:
    """What is wanted at a frequency, settled, pu; downwards is negative."""
    sign = 1.0 if rules.side == "up" else -1.0
    away_hz = sign * (rules.nominal_hz - freq_hz)
    return sign * curve_pu(away_hz, (rules.begin_hz, rules.full_hz), (0.0, 1.0))


MARKET = Market(
    name="nordic-fcr-d",
    title="Nordic FCR-D",
    since="2023",
    until="",
    form=Form.FREQUENCY,
    step="1 s at most",
    interval="15 min",
    formula="distance outside bounds around the line from 49.9 to 49.5 Hz",
    payment="award x price x hours",
    thresholds="86 % in 7.5 s; 20 % opposite power and 20 min for limited energy",
    source="Nordic technical requirements for FCR provision, 2023",
    confidence=Confidence.KNOWN,
    rules=Rules,
    needs=("capacity_mw",),
    score=score,
)
