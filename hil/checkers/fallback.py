"""A unit that gets no setpoints is in its own fallback within its watchdog time, and stays there.

From the simulated truth alone. A unit is *fed* by each setpoint that it takes.

1. Within `watchdog_s` + one step of the physics after it was last fed, its state is no longer
   "follows", until it is fed again: it never acts longer on a setpoint from before an outage.
2. From the watchdog on its power moves to its fallback: after its dead time and the time in which
   its ramp crosses its whole range D, what is left decays with its lag,

       |p - fallback| <= D exp(-(t - t_watchdog - dead - D / ramp) / lag) + SETTLED x rated

   with true dead time and lag. Counted anew from when its own limits (sun, cars, room, store) or a
   fault that holds its power (trip, stuck) kept it from there. Units that answer the frequency by
   themselves are left out.
3. While its link is away it takes no setpoint, but for what was under way.

The link's latency is in 1 already: a unit is fed when a setpoint arrives.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.checkers.evidence import F8, Evidence, episodes
from hil.checkers.violation import Found, Violation
from hil.faults.unit import AWAY
from hil.measure.plant import GAP_MAX_S, STEP_S, Process
from hil.recording import UnitState

NAME = "fallback"
STEP_SLACK_S = 2.0 * STEP_S  # the step in which a watchdog runs out, and the clock's own
SETTLED = 0.02  # of rated power
UNDER_WAY_S = 1.0  # after a link went away: what the bench still delivers while it closes
HOLDING = ("device_trip", "device_stuck")  # power pinned by a fault
ABSENT = (*AWAY, "link_half_open")
WAKES = "device_old_setpoint"  # begins to follow again by itself at its end

LATE = "still follows a setpoint, s after it"
NOT_THERE = "in fallback, but its power is not, MW"
REACHED = "took a setpoint while its link was away, MW"


def check(evidence: Evidence) -> Found:
    """Check every unit over the whole run."""
    found = Found()
    _reached(evidence, found)
    for process in evidence.processes:
        t_s = process.rows["t_s"]
        inside = np.flatnonzero(evidence.inside(t_s))
        if not inside.size:
            continue
        window = slice(int(inside[0]), int(inside[-1]) + 1)
        states = process.rows["state"][window]
        found.checked += int(states.size)
        for column, unit in enumerate(process.units.tolist()):
            _late(evidence, process, t_s[window], states[:, column], unit, found)
        fallen = np.flatnonzero((states == UnitState.FALLBACK).any(axis=0))
        for column in fallen.tolist():
            if evidence.fleet.units[int(process.units[column])].droop_pu is None:
                _not_there(evidence, process, window, column, found)
    return found


def _reached(evidence: Evidence, found: Found) -> None:
    """Part 3."""
    orders = evidence.orders
    for span in evidence.spans:
        if span.kind not in ABSENT:
            continue
        for unit in span.units:
            mine = orders.of(unit)
            t_s = orders.t_s[mine]
            closed_s = span.since_s + UNDER_WAY_S
            closed_s += float(evidence.standstill_s(np.array([span.since_s]))[0])
            first, last = np.searchsorted(t_s, [closed_s, span.until_s])
            for k in range(int(first), int(last)):
                p_mw = float(orders.p_mw[mine][k])
                found.violations.append(Violation(float(t_s[k]), unit, NAME, REACHED, p_mw))


def _late(
    evidence: Evidence,
    process: Process,
    t_s: F8,
    state: NDArray[np.uint8],
    unit: int,
    found: Found,
) -> None:
    """Part 1: look where a unit was not fed for longer than its watchdog."""
    watchdog_s = float(evidence.run.units.watchdog_s[unit])
    fed_s = _fed(evidence, process, unit)
    gaps_s = np.diff(np.concatenate((fed_s, [evidence.end_s])))
    for k in np.flatnonzero(gaps_s > watchdog_s + STEP_SLACK_S).tolist():
        since_s = float(fed_s[k])
        until_s = since_s + float(gaps_s[k]) - _late_step_s(evidence, since_s + float(gaps_s[k]))
        first, last = np.searchsorted(t_s, [since_s + watchdog_s + STEP_SLACK_S, until_s])
        follows = np.flatnonzero(state[first:last] == UnitState.FOLLOW)
        if follows.size:
            at_s = float(t_s[first + int(follows[-1])])
            found.violations.append(Violation(at_s, unit, NAME, LATE, at_s - since_s, watchdog_s))


def _late_step_s(evidence: Evidence, fed_s: float) -> float:
    """How late the bench may make its steps.

    The row is of an instant before a setpoint then, and its state of one after it.
    """
    return max(GAP_MAX_S, float(evidence.standstill_s(np.array([fed_s]))[0]))


def _fed(evidence: Evidence, process: Process, unit: int) -> F8:
    """Instants at which a unit was fed, from the start of the run on."""
    taken_s = evidence.orders.t_s[evidence.orders.of(unit)]
    more_s = [evidence.run.t0_s]  # what came before is not known
    woken_s = np.array([s.until_s for s in evidence.spans if s.kind == WAKES and unit in s.units])
    more_s += woken_s.tolist()
    more_s += (woken_s + evidence.standstill_s(woken_s)).tolist()  # where the bench wakes later
    more_s += [until_s for _, until_s in process.gaps()]  # a simulator that came back
    return np.sort(np.concatenate((taken_s, more_s)))


def _not_there(
    evidence: Evidence, process: Process, window: slice, column: int, found: Found
) -> None:
    """Part 2, for one unit."""
    unit = int(process.units[column])
    rows = process.rows[window]
    t_s, fallback_mw = rows["t_s"], float(evidence.run.units.fallback_mw[unit])
    low_mw, high_mw = process.low_mw[window, column], process.high_mw[window, column]
    of_more_s = process.stands_s[window] - STEP_S  # a row of a thinned trace
    for first, last in episodes(rows["state"][:, column] == UnitState.FALLBACK):
        here = slice(first, last + 1)
        free = _is_free(evidence, rows[here], column, unit)
        since_s = _since_free(t_s[here], free)
        bound_mw = _envelope_mw(evidence, unit, t_s[here] - of_more_s[here] - since_s)
        p_mw = _farthest(low_mw[here], high_mw[here], fallback_mw)
        wrong = np.flatnonzero(free & ~(np.abs(p_mw - fallback_mw) <= bound_mw))
        if wrong.size:
            k = int(wrong[0])
            at_s = float(t_s[first + k])
            found.violations.append(
                Violation(at_s, unit, NAME, NOT_THERE, float(p_mw[k]), fallback_mw)
            )


def _farthest(
    low_mw: NDArray[np.floating[Any]], high_mw: NDArray[np.floating[Any]], from_mw: float
) -> F8:
    """That one of two powers which is farther from a third."""
    above = np.abs(high_mw - from_mw) >= np.abs(low_mw - from_mw)
    return np.where(above, high_mw, low_mw).astype(np.float64)


def _is_free(
    evidence: Evidence, rows: NDArray[np.void], column: int, unit: int
) -> NDArray[np.bool_]:
    """Rows in which neither the unit's own limits nor a fault keep it from its fallback."""
    fallback_mw = float(evidence.run.units.fallback_mw[unit])
    free = np.ones(rows.size, dtype=bool)
    names = rows.dtype.names or ()
    if "p_avail_min_mw" in names:
        # as recorded in single precision
        slack_mw = 1e-6 * (1.0 + abs(fallback_mw))
        free &= rows["p_avail_min_mw"][:, column] <= fallback_mw + slack_mw
        free &= rows["p_avail_max_mw"][:, column] >= fallback_mw - slack_mw
    for span in evidence.spans:
        if span.kind in HOLDING and unit in span.units:
            free &= ~((rows["t_s"] >= span.since_s) & (rows["t_s"] <= span.until_s + STEP_S))
    return free


def _since_free(t_s: F8, free: NDArray[np.bool_]) -> F8:
    """Instant at which each row's unit was free to move to its fallback: a step before it was so.

    Before that, the start: its watchdog ran out within the step of the first row.
    """
    last = np.maximum.accumulate(np.where(free, -1, np.arange(t_s.size)))
    again_s = t_s[np.minimum(last + 1, t_s.size - 1)] - STEP_S
    return np.asarray(np.where(last >= 0, again_s, t_s[0]), dtype=np.float64)


def _envelope_mw(evidence: Evidence, unit: int, after_s: F8) -> F8:
    """How far a unit may be from its fallback, MW, so long after it was free to go there."""
    units, true = evidence.run.units, evidence.fleet.units[unit]
    fallback_mw = units.fallback_mw[unit]
    reach_mw = max(units.p_max_mw[unit] - fallback_mw, fallback_mw - units.p_min_mw[unit])
    crossing_s = reach_mw / units.ramp_mw_per_s[unit]
    left_s = after_s - true.dead_time_true_s - crossing_s - STEP_SLACK_S
    decay = np.exp(-np.maximum(left_s, 0.0) / max(true.lag_true_s, STEP_S))
    bound_mw = np.where(left_s > 0.0, reach_mw * decay, math.inf)
    return np.asarray(bound_mw + SETTLED * units.p_rated_mw[unit], dtype=np.float64)
