"""Great Britain, Dynamic Containment (low and high), since 1 Oct 2020.

Signal
    Frequency at 20 Hz; the response is measured less baseline. The curve is level at 0 up to .015
    Hz from 50 Hz. The low service answers low frequency with power, the high one the other way.
Interval
    Settlement periods of 30 min.
Score
    5 % at .2 Hz, 100 % at .5 Hz; initiate within .5 s, full within 1 s. [C]
    Monitoring and error: see `vppd.market.rules.gb`.
Payment
    MW x price x hours x pay factor.
Thresholds
    1 below 3 % error, 0 from 7 %. Sustain 15 min, 10 % opposite reserve. [S]
Source
    NESO service terms; NESO's illustrative performance script for Dynamic Containment [C].
Confidence
    [C] for bounds and error; [K] for the pay factor and the energy.
"""

from vppd.market.envelope import Pace
from vppd.market.record import Confidence, Scored, Series
from vppd.market.rules import gb

SERVICE = gb.Service(
    points_hz=(0.015, 0.2, 0.5),
    points_pu=(0.0, 0.05, 1.0),
    pace=Pace(0.2, 0.55, 2.0, 4.0),
    sustain_min=15.0,
)


def score(series: Series, rules: gb.Rules) -> Scored:
    """Score settlement periods. Raises SeriesError."""
    return gb.score(series, rules, SERVICE)


MARKET = gb.market(
    score,
    name="gb-dc",
    title="GB Dynamic Containment",
    since="2020-10-01",
    thresholds=".5 s to begin, 1 s to full, 15 min, 10 % opposite reserve",
    source="NESO illustrative performance script; service terms",
    confidence=Confidence.CODE,
)
