"""Inverters that support the grid: frequency droop, ride-through, trip and entering service.

IEEE 1547-2018, default settings of abnormal operating category III, without voltage. The standard
is written for 60 Hz; here all its frequencies are deviations from the nominal one, in Hz.

* droop, 6.5.2.7: beyond a dead band the power changes by the rated one for each `droop` of the
  nominal frequency; first order, whose open-loop response time is the time to 90 %;
* trip, 6.5.1, table 18: OF2, OF1, UF1, UF2, each when its limit has been passed for its clearing
  time without a break. Short of that the inverter rides through and does what it did;
* enter service, 4.10.2 and 4.10.3: after the frequency has been within the band for 300 s, the
  power is let rise from nothing to the rated one over another 300 s.

`tests/hil/test_hil_plant_ieee1547.py` compares it with EPRI's OpenDER, which needs 0.2 ms for one
step of one unit and is therefore not used in runs.
"""

from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant.body import BODY, column
from hil.plant.jit import I8, Fields, Records, f8, kernel, law, records

TRIPS = (  # deviation, Hz; clearing time, s
    (2.0, 0.16),  # OF2
    (1.2, 300.0),  # OF1
    (-1.5, 300.0),  # UF1
    (-3.5, 0.16),  # UF2
)
OF2_HZ, OF1_HZ, UF1_HZ, UF2_HZ = (limit_hz for limit_hz, _ in TRIPS)
SHORT_S, LONG_S = 0.16, 300.0
ENTER_LOW_HZ, ENTER_HIGH_HZ = -0.5, 0.1
ENTER_DELAY_S = 300.0
ENTER_RAMP_S = 300.0
LN_10 = 2.302585092994046  # open-loop response time over time constant

FIELDS: Fields = [
    ("unit", "i8"),  # index in the array of bodies
    ("mw_per_hz", "f8"),
    ("deadband_hz", "f8"),
    ("decay", "f8"),  # of the droop, in a step
    ("of2_s", "f8"),  # how long each limit has been passed
    ("of1_s", "f8"),
    ("uf1_s", "f8"),
    ("uf2_s", "f8"),
    ("good_s", "f8"),  # how long the frequency has been fit for entering service
    ("tripped", "i8"),
]
INVERTER = np.dtype(FIELDS)


class Inverters:
    """All units of a plant that have a droop."""

    def __init__(
        self, units: Sequence[Unit], index: I8, body: Records, step_s: float, nominal_hz: float
    ) -> None:
        members = [units[i] for i in index.tolist()]
        own = np.zeros(len(members), dtype=INVERTER)
        own["unit"] = index
        droop_hz = column(members, "droop_pu") * nominal_hz
        own["mw_per_hz"] = column(members, "rated_mw") / droop_hz
        own["deadband_hz"] = column(members, "droop_deadband_hz")
        own["decay"] = np.exp(-step_s * LN_10 / column(members, "droop_response_s"))
        self.own, self._body, self._step_s = own, body, step_s
        self.freq_dev_hz = 0.0

    def step(self, end_s: float) -> None:
        """Move on by one step, at the frequency of now."""
        del end_s
        step(self._step_s, self.freq_dev_hz, self.own, self._body)


@law
def droop_mw(freq_dev_hz: float, deadband_hz: float, mw_per_hz: float) -> float:
    """Power that the droop adds when settled: up at a low frequency."""
    if freq_dev_hz > deadband_hz:
        return -(freq_dev_hz - deadband_hz) * mw_per_hz
    if freq_dev_hz < -deadband_hz:
        return -(freq_dev_hz + deadband_hz) * mw_per_hz
    return 0.0


@law
def counted(passed: bool, so_far_s: float, step_s: float) -> float:
    """How long a condition has held."""
    return so_far_s + step_s if passed else 0.0


@kernel(f8, f8, records(INVERTER), records(BODY))
def step(step_s: float, freq_dev_hz: float, own: Records, body: Records) -> None:
    """Move all inverters on: what the droop adds, and what protection permits."""
    soon_s = 0.5 * step_s  # times are sums of steps, and not exact
    for k in range(own.size):
        u = own[k]
        b = body[u["unit"]]
        u["of2_s"] = counted(freq_dev_hz > OF2_HZ, u["of2_s"], step_s)
        u["of1_s"] = counted(freq_dev_hz > OF1_HZ, u["of1_s"], step_s)
        u["uf1_s"] = counted(freq_dev_hz < UF1_HZ, u["uf1_s"], step_s)
        u["uf2_s"] = counted(freq_dev_hz < UF2_HZ, u["uf2_s"], step_s)
        fit = ENTER_LOW_HZ <= freq_dev_hz <= ENTER_HIGH_HZ
        u["good_s"] = counted(fit, u["good_s"], step_s)
        short_s, long_s = max(u["of2_s"], u["uf2_s"]), max(u["of1_s"], u["uf1_s"])
        if short_s > SHORT_S - soon_s or long_s > LONG_S - soon_s:
            u["tripped"] = 1
        elif u["tripped"] == 1 and u["good_s"] > ENTER_DELAY_S - soon_s:
            u["tripped"] = 0
        if u["tripped"] == 1:
            b["permit_pu"], b["droop_mw"] = 0.0, 0.0
            continue
        b["permit_pu"] = min(b["permit_pu"] + step_s / ENTER_RAMP_S, 1.0)
        settled_mw = droop_mw(freq_dev_hz, u["deadband_hz"], u["mw_per_hz"])
        b["droop_mw"] = settled_mw + (b["droop_mw"] - settled_mw) * u["decay"]
