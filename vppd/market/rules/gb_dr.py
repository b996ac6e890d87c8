"""Great Britain, Dynamic Regulation (low and high), since Apr 2022.

Signal
    Frequency at 20 Hz; the response is measured less baseline. The curve is level at 0 up to .015
    Hz from 50 Hz. The low service answers low frequency with power, the high one the other way.
Interval
    Settlement periods of 30 min.
Score
    Straight from 0 at .015 Hz to 100 % at .2 Hz; initiate within 2 s, full within 10 s. [S] So the
    bounds look 0 to 2 s back, and rise by 1/8 pu/s at least; as fast as it likes. [K]
    Monitoring and error: see `vppd.market.rules.gb`.
Payment
    MW x price x hours x pay factor.
Thresholds
    1 below 3 % error, 0 from 7 %. Sustain 60 min, 40 % opposite reserve. [S]
Source
    NESO service terms; error as for Dynamic Containment [C]; that it is the same here is
    [K].
Confidence
    [S] for the curve; [K] for monitoring, pay factor and energy.
"""

from vppd.market.envelope import Pace
from vppd.market.record import Confidence, Scored, Series
from vppd.market.rules import gb

SERVICE = gb.Service(
    points_hz=(0.015, 0.2),
    points_pu=(0.0, 1.0),
    pace=Pace(0.0, 2.0, 1.0 / 8.0, float("inf")),
    sustain_min=60.0,
)


def score(series: Series, rules: gb.Rules) -> Scored:
    """Score settlement periods. Raises SeriesError."""
    return gb.score(series, rules, SERVICE)


MARKET = gb.market(
    score,
    name="gb-dr",
    title="GB Dynamic Regulation",
    since="2022-04",
    thresholds="2 s to begin, 10 s to full, 60 min, 40 % opposite reserve",
    source="NESO service terms; monitoring as for DC",
    confidence=Confidence.KNOWN,
)
