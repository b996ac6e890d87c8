"""A unit that can be reached follows: it is taken back within `checks.resume_within_s`.

From the simulated truth: no unit is left in its fallback, or to itself, for longer than that while
no fault has met it, or the daemon, in that time. Lost writes and noise are no fault here: what is
lost is sent again with the next tick. From the journal: nor is it left out of the split as one that
is away, for longer than that from `checks.resume_within_s` after the last fault on.
"""

import numpy as np

from hil.checkers.calm import is_calm, over_s
from hil.checkers.evidence import UNREAD, Evidence, episodes
from hil.checkers.violation import Found, Violation
from hil.recording import UnitState

NAME = "back"
WHAT = "unit not taken back, s without a fault"
AWAY = (*UNREAD, "FALLBACK")
LEFT_OUT = "unit left out of the split as one that is away, s without a fault"


def check(evidence: Evidence) -> Found:
    """Check every unit over the whole run."""
    found = Found()
    within_s = evidence.settings.resume_within_s
    for process in evidence.processes:
        t_s = process.rows["t_s"]
        inside = np.flatnonzero(evidence.inside(t_s))
        if not inside.size:
            continue
        window = slice(int(inside[0]), int(inside[-1]) + 1)
        t_s, alone = t_s[window], process.rows["state"][window] != UnitState.FOLLOW
        found.checked += int(alone.any(axis=0).sum())
        for column in np.flatnonzero(alone.any(axis=0)).tolist():
            unit = int(process.units[column])
            for first, last in episodes(alone[:, column]):
                since_s, until_s = float(t_s[first]), float(t_s[last])
                for quiet_s, end_s in _quiet(evidence, unit, since_s, until_s):
                    if end_s - quiet_s > within_s:
                        at_s, lasted_s = quiet_s + within_s, end_s - quiet_s
                        found.violations.append(
                            Violation(at_s, unit, NAME, WHAT, lasted_s, within_s)
                        )
    _left_out(evidence, found)
    return found


def _left_out(evidence: Evidence, found: Found) -> None:
    """Note units that the daemon takes for away long after their last fault."""
    ticks, within_s = evidence.ticks, evidence.settings.resume_within_s
    if ticks is None:
        return
    away = np.zeros(ticks.p_setpoint_mw.shape, dtype=bool)
    for row, unit, why in ticks.out:
        away[row, unit] = why in AWAY
    inside = evidence.inside(ticks.now_s)
    for unit in np.flatnonzero(away.any(axis=0)).tolist():
        out = away[:, unit] & inside & is_calm(evidence, unit, ticks.now_s)
        for first, last in episodes(out):
            since_s, lasted_s = float(ticks.now_s[first]), float(np.ptp(ticks.now_s[[first, last]]))
            if lasted_s > within_s:
                found.violations.append(
                    Violation(since_s + within_s, unit, NAME, LEFT_OUT, lasted_s, within_s)
                )


def _quiet(
    evidence: Evidence, unit: int, since_s: float, until_s: float
) -> list[tuple[float, float]]:
    """Parts of a time in which no fault had met a unit, or the plant as a whole."""
    quiet = []
    at_s = since_s
    for span in evidence.spans:  # by their begin
        if over_s(span) <= at_s or (span.units and unit not in span.units):
            continue
        if span.since_s >= until_s:
            break
        if span.since_s > at_s:
            quiet.append((at_s, span.since_s))
        at_s = max(at_s, over_s(span))
    if at_s < until_s:
        quiet.append((at_s, until_s))
    return quiet
