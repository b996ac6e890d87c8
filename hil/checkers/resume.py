"""Regulation resumes within `checks.resume_within_s` after the last timed fault, and stays.

Resumed: for `STEADY_S` every tick is in mode REGULATING, and the mean error of those seconds, of
what is delivered against the request less what is reported as unserved, is at most
`checks.resume_error_pct` of the regulation capacity. From the end of that time on every tick is in
REGULATING until the end of the run. Faults that are always there (outages, lost writes) are not
waited for: regulation goes on through them.
"""

import numpy as np
from numpy.typing import NDArray

from hil.checkers.evidence import Evidence
from hil.checkers.violation import Found, Violation
from hil.faults.fault import NOBODY

NAME = "resume"
STEADY_S = 5
TICKS_LATE = 2.0  # periods without a tick: control has stopped
NOT_RESUMED = "regulation not resumed after the last fault, s"
LEFT = "regulation left without a fault, s after the last one"


def check(evidence: Evidence) -> Found:
    """Check a run that has a timed fault, and time enough after the last one."""
    last_s = max((fault.until_s for fault in evidence.timed), default=None)
    if last_s is None:
        return Found()
    if evidence.ticks is None:
        return Found(done=False, lost=True, note="the journal could not be read")
    within_s = evidence.settings.resume_within_s
    if last_s + within_s + STEADY_S > evidence.run.seconds:
        return Found(note=f"the last fault ends at {last_s:g} s, too late in the run to tell")
    found = Found(checked=1)
    resumed_s = _resumed_s(evidence, last_s)
    if not resumed_s <= last_s + within_s:
        at_s = evidence.run.t0_s + last_s + within_s
        took_s = resumed_s - last_s
        found.violations.append(Violation(at_s, NOBODY, NAME, NOT_RESUMED, took_s, within_s))
    _left(evidence, last_s + within_s + STEADY_S, last_s, found)
    return found


def _resumed_s(evidence: Evidence, last_s: float) -> float:
    """Start of the first time of `STEADY_S` that is good, since the run's start; NaN: none."""
    rows = evidence.rows
    bound_mw = evidence.settings.resume_error_pct / 100.0 * evidence.run.units.regulation_mw
    error_mw = np.abs(rows.plant_mw - (rows.request_mw - rows.unserved_mw))
    error_mw = np.where(_regulating(evidence), error_mw, np.inf)
    mean_mw = np.convolve(error_mw, np.full(STEADY_S, 1.0 / STEADY_S), mode="valid")
    good = np.flatnonzero((mean_mw <= bound_mw) & (rows.t_s[: mean_mw.size] >= last_s))
    return float(rows.t_s[good[0]]) if good.size else float("nan")


def _regulating(evidence: Evidence) -> NDArray[np.bool_]:
    """Seconds of the run in which regulation went on: ticks come, and none is in another mode."""
    ticks, run = evidence.ticks, evidence.run
    assert ticks is not None  # noqa: S101  (the caller has them)
    others = np.array([mode != "REGULATING" for mode in ticks.mode], dtype=bool)
    second = np.floor(ticks.now_s - run.t0_s).astype(np.int64)
    mine = (second >= 0) & (second < run.seconds)
    left = np.bincount(second[mine & others], minlength=run.seconds) > 0
    if not ticks.now_s.size:
        return left
    edges = np.searchsorted(ticks.now_s, run.edges_s) - 1
    came = run.edges_s[1:] - ticks.now_s[edges[1:]] <= TICKS_LATE * evidence.settings.tick_s
    return np.asarray(came & (edges[1:] >= 0) & ~left & ~others[edges[:-1]])


def _left(evidence: Evidence, since_s: float, last_s: float, found: Found) -> None:
    """Note the first tick in another mode after regulation should have been there again."""
    ticks, t0_s = evidence.ticks, evidence.run.t0_s
    assert ticks is not None  # noqa: S101  (the caller has them)
    others = np.array([mode != "REGULATING" for mode in ticks.mode], dtype=bool)
    late = evidence.inside(ticks.now_s) & (ticks.now_s >= t0_s + since_s) & others
    for k in np.flatnonzero(late)[:1].tolist():
        at_s = float(ticks.now_s[k])
        found.violations.append(Violation(at_s, NOBODY, NAME, LEFT, at_s - t0_s - last_s))
