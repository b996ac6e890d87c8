"""What the daemon decides it sends: no unit is left with an older setpoint while it can be reached.

The journal says in which ticks a unit was to get its setpoint. At each of them, the last one that
came to its device, taken or not, must be no older than

    site.setpoint_age_max_s + a period + twice the links' longest latency + age.SENDING_S

so long may one wait for its turn behind an exchange on the same connection, and so long is it on
its way. Looked at where that has been so for all of that time, and no fault met the unit, or the
plant, in it and in `checks.resume_within_s` before. A write that the scenario swallows has come.
"""

import numpy as np

from hil.checkers.age import SENDING_S
from hil.checkers.calm import is_calm
from hil.checkers.evidence import Evidence, episodes
from hil.checkers.violation import Found, Violation
from hil.measure.inputs import rows_by_unit
from hil.recording import SetpointFlag

NAME = "sent"
WHAT = "decided in each tick and not sent, s since the last setpoint"


def check(evidence: Evidence) -> Found:
    """Check every unit in every tick that decided a setpoint for it to get."""
    ticks, rows = evidence.ticks, evidence.run.setpoints
    if ticks is None:
        return Found(done=False, lost=True, note="the journal could not be read")
    found = Found()
    n, limit_s = len(evidence.run.units.ids), longest_s(evidence)
    came = rows_by_unit(rows["unit"], (rows["flags"] & int(SetpointFlag.KEEP_ALIVE)) == 0, n)
    for unit in range(n):
        to_send = ticks.send[:, unit]
        held_s = np.maximum.accumulate(np.where(to_send, evidence.run.t0_s, ticks.now_s))
        asked = to_send & evidence.inside(ticks.now_s) & (ticks.now_s - held_s > limit_s)
        asked &= is_calm(evidence, unit, ticks.now_s)
        came_s = np.concatenate(([evidence.run.t0_s], rows["t_s"][came[unit]]))
        last_s = came_s[np.searchsorted(came_s, ticks.now_s, side="right") - 1]
        since_s = ticks.now_s - last_s
        found.checked += int(asked.sum())
        for first, last in episodes(asked & (since_s > limit_s)):
            at_s, worst_s = float(ticks.now_s[first]), float(since_s[first : last + 1].max())
            found.violations.append(Violation(at_s, unit, NAME, WHAT, worst_s, limit_s))
    return found


def longest_s(evidence: Evidence) -> float:
    """Longest time from one setpoint to the next at a device that can be reached, s."""
    settings = evidence.settings
    ways_s = 2.0 * evidence.fleet.latency_s[1]
    return settings.setpoint_age_max_s + settings.tick_s + ways_s + SENDING_S
