"""An AGC value that reaches the daemon is in force from the next ticks on.

In each tick of mode REGULATING the value in force, by the journal, is one that the socket of the
daemon got lately (`SOCKET_TO_DAEMON_S` and a period), or the newest before that. Looked at where no
fault met the signal or the plant in `checks.resume_within_s` before: then there is nothing to
refuse, neither for its range nor for its age.
"""

import numpy as np

from hil.checkers.balance import AGC_LIMIT_PU
from hil.checkers.calm import is_calm
from hil.checkers.evidence import Evidence, episodes
from hil.checkers.violation import Found, Violation
from hil.faults.fault import NOBODY
from hil.measure.pairing import SOCKET_TO_DAEMON_S

NAME = "agc"
TOLERANCE_PU = 1e-4  # of what the protocols carry
CLOCK_S = 1e-3
WHAT = "an older AGC value in force than the one that had come, pu"


def check(evidence: Evidence) -> Found:
    """Check every tick that regulates."""
    ticks, agc = evidence.ticks, evidence.run.agc
    if ticks is None:
        return Found(done=False, lost=True, note="the journal could not be read")
    came = np.isfinite(agc.t_socket_s)
    came_s = agc.t_socket_s[came]
    sent_pu = np.clip(agc.pu[came], -AGC_LIMIT_PU, AGC_LIMIT_PU)
    late_s = SOCKET_TO_DAEMON_S + evidence.settings.tick_s
    rows = np.arange(ticks.now_s.size)
    last_fresh = np.maximum.accumulate(np.where(ticks.fresh, rows, -1))
    in_force_pu = np.clip(ticks.agc_pu[last_fresh], -AGC_LIMIT_PU, AGC_LIMIT_PU)
    first = np.searchsorted(came_s, ticks.now_s - late_s, side="right") - 1
    # by two clocks of the bench; one that was never sent is found by `balance`
    last = np.searchsorted(came_s, ticks.now_s + CLOCK_S, side="right")
    asked = np.array([mode == "REGULATING" for mode in ticks.mode], dtype=bool)
    asked &= evidence.inside(ticks.now_s) & (first >= 0) & (last_fresh >= 0)
    asked &= is_calm(evidence, NOBODY, ticks.now_s)
    found, wrong = Found(checked=int(asked.sum())), np.zeros(rows.size, dtype=bool)
    for k in np.flatnonzero(asked).tolist():
        off_pu = np.abs(sent_pu[first[k] : last[k]] - in_force_pu[k])
        wrong[k] = not off_pu.min() <= TOLERANCE_PU
    for k, _ in episodes(wrong):
        at_s, newest_pu = float(ticks.now_s[k]), float(sent_pu[first[k]])
        found.violations.append(
            Violation(at_s, NOBODY, NAME, WHAT, float(in_force_pu[k]), newest_pu)
        )
    return found
