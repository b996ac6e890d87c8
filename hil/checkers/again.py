"""A unit of which the daemon has no reading is told again what it accepted last.

From what it was sent since, which it may have taken, it is brought back as fast as its ramp allows.
"""

import numpy as np

from hil.checkers.evidence import UNREAD, Evidence
from hil.measure.journal import Ticks
from hil.measure.pairing import value_slack_mw

ROUNDING_MW = 1e-5  # of the instants in the export, times a ramp
RAMP_TICKS = 2.0  # a ramp makes up for so many ticks (docs/config.md, tick_s)


def is_said_again(evidence: Evidence, unit: int, tick: int, p_mw: float) -> bool:
    """Say whether a setpoint is what an unread unit had accepted, or on the way back to it.

    `tick`: row of the tick that it left in; -1: none.
    """
    ticks = evidence.ticks
    if ticks is None or tick < 0:
        return False
    why = next((why for row, u, why in ticks.out if (row, u) == (tick, unit)), "")
    slack_mw = float(value_slack_mw(evidence.run.units)[unit])
    same = abs(p_mw - float(ticks.accepted_mw[tick, unit])) <= slack_mw
    return why in UNREAD and (same or comes_back(evidence, ticks, tick, unit))


def comes_back(evidence: Evidence, ticks: Ticks, row: int, unit: int) -> bool:
    """Say whether a unit is told to go back from its last setpoint to the last that it accepted."""
    sent = np.flatnonzero(ticks.send[:row, unit])
    if not ticks.send[row, unit] or not sent.size:
        return False
    sent_mw, accepted_mw = ticks.p_setpoint_mw[sent[-1], unit], ticks.accepted_mw[row, unit]
    time_s = min(ticks.now_s[row] - ticks.now_s[row - 1], RAMP_TICKS * evidence.settings.tick_s)
    ramp_mw = float(evidence.run.units.ramp_mw_per_s[unit] * time_s)
    reached_mw = np.clip(accepted_mw, sent_mw - ramp_mw, sent_mw + ramp_mw)
    return bool(abs(ticks.p_setpoint_mw[row, unit] - reached_mw) <= ROUNDING_MW)
