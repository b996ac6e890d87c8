"""A unit of which the daemon has no reading is told again what it accepted last."""

from hil.checkers.evidence import UNREAD, Evidence
from hil.measure.pairing import value_slack_mw


def is_said_again(evidence: Evidence, unit: int, tick: int, p_mw: float) -> bool:
    """Say whether a setpoint is what an unread unit had accepted; `tick`: row of it, -1: none."""
    ticks = evidence.ticks
    if ticks is None or tick < 0:
        return False
    why = next((why for row, u, why in ticks.out if (row, u) == (tick, unit)), "")
    slack_mw = float(value_slack_mw(evidence.run.units)[unit])
    return why in UNREAD and abs(p_mw - float(ticks.accepted_mw[tick, unit])) <= slack_mw
