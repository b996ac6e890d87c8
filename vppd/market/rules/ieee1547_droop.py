"""IEEE 1547-2018 frequency droop (frequency-power) of a DER.

Signal
    Frequency; the response is the change of active power against that before the disturbance.
Interval
    15 min, from the first row (the last one may be shorter).
Score
    Wanted, pu of rated power: ((60 - db) - f) / (60 k) below the dead band, mirrored above, within
    the room that the DER has up and down. [S] The open-loop response time is the time to 90 % of a
    step: the slowest answer that is right is a first-order lag of T / ln 10. The answer must lie
    between that one and what is wanted at once, less a tolerance of 5 % of rated power, the
    manufacturer's measurement accuracy of active power. [K]
Payment
    None: it is a condition of connection.
Thresholds
    Dead band .036 Hz (.017 to 1), droop 5 % (2 to 5), open-loop response 5 s (.2 to 10). [S]
Source
    IEEE Std 1547-2018, clause 6.5.2.7, table 24; IEEE Std 1547.1-2020, 5.15.
Confidence
    [S] for the requirement, [K] for scoring it by bounds.
"""

import math
from dataclasses import dataclass

import numpy as np

from vppd.market import droops
from vppd.market.grid import check_grid, check_step, frequency_of
from vppd.market.record import F8, Confidence, Form, Market, Scored, Series

RANGES = {"deadband_hz": (0.017, 1.0), "droop_pu": (0.02, 0.05), "response_s": (0.2, 10.0)}


@dataclass(frozen=True, slots=True)
class Rules:
    """Rated power, settings of the droop, and the room there was up and down, pu of rated power."""

    rated_mw: float = math.nan
    nominal_hz: float = 60.0
    deadband_hz: float = 0.036
    droop_pu: float = 0.05
    response_s: float = 5.0
    room_up_pu: float = 1.0
    room_down_pu: float = 1.0
    tolerance_pu: float = 0.05
    step_max_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings out of the standard's ranges."""
        droops.check_range(self, RANGES)


def score(series: Series, rules: Rules) -> Scored:
    """Score quarter hours. Raises SeriesError."""
    step_s = check_grid(series)
    check_step(step_s, at_most_s=rules.step_max_s)
    wanted = wanted_pu(frequency_of(series), rules)
    slowest = lagged_pu(wanted, step_s, rules.response_s / math.log(10.0))
    lower, upper = np.minimum(wanted, slowest), np.maximum(wanted, slowest)
    response_pu = series.response_mw / rules.rated_mw
    return droops.scored(
        series, step_s, response_pu, lower, upper, rules.tolerance_pu, rules.rated_mw
    )


def wanted_pu(freq_hz: F8, rules: Rules) -> F8:
    """Change of power that the droop asks for at a frequency, settled, pu."""
    beyond_hz = rules.nominal_hz - freq_hz
    past_hz = np.sign(beyond_hz) * np.maximum(0.0, np.abs(beyond_hz) - rules.deadband_hz)
    slope = 1.0 / (rules.nominal_hz * rules.droop_pu)
    return np.clip(slope * past_hz, -rules.room_down_pu, rules.room_up_pu)


def lagged_pu(wanted_pu: F8, step_s: float, tau_s: float) -> F8:
    """First-order lag of a held signal, exact at the samples; it begins settled."""
    left = math.exp(-step_s / tau_s)
    values, last = wanted_pu.tolist(), float(wanted_pu[0])
    held = [values[0], *values[:-1]]  # what was asked over the step that ends here
    out = []
    for value in held:
        last = value + (last - value) * left
        out.append(last)
    return np.asarray(out)


MARKET = Market(
    name="ieee1547-droop",
    title="IEEE 1547 frequency droop",
    since="2018-04-06",
    until="",
    form=Form.FREQUENCY,
    step="1 s at most",
    interval="15 min",
    formula="distance outside what lies between the droop at once and its slowest lag",
    payment="none (condition of connection)",
    thresholds="dead band .036 Hz, droop 5 %, 90 % in 5 s",
    source="IEEE Std 1547-2018, 6.5.2.7; IEEE Std 1547.1-2020, 5.15",
    confidence=Confidence.KNOWN,
    rules=Rules,
    needs=("rated_mw",),
    score=score,
)
