"""What the TSO is told is what the plant delivers, never what was asked of it.

Each poll of the TSO (AI 0, with a good flag) against the simulated power. The daemon sums up
readings, each with its noise and up to `AGE_S` old: the newest telemetry that it still believes
(telemetry_age_max_s), a tick, and the links. So what it tells lies within

    sum of the least, sum of the greatest power of each unit over the last AGE_S seconds,
    + 6 sigma of the readings' noise, + 1 kW a unit for rounding

And it is not what was asked for: readings are noisy, so in few polls their sum hits the request, or
the sum of the setpoints, of the ticks just before to a kilowatt; in `COPIED` of them it never does.

Nor is it called bad while the plant regulates and no fault met it: a daemon that always did so
would never be held to a figure.

A unit out of the split has no good reading; it may be counted by its prediction, which the check
`prediction` holds against its own watchdog. A unit whose fault makes its telemetry lie is given
all that it may show.
"""

import math

import numpy as np

from hil.checkers.calm import is_calm
from hil.checkers.evidence import F8, LYING, Evidence, episodes
from hil.checkers.violation import Found, Violation
from hil.faults.fault import NOBODY
from hil.measure.plant import STEP_S, Process

NAME = "told"
ONLINE = 1
LINKS_S = 0.5  # of links as good as most; there and back
SLOW_LINK_S = 3.0  # a message that slow links delayed is believed so long after it was sent
SLOW_LINKS = ("link_latency", "link_jitter", "link_slow_drip")
SIGMAS = 6.0
ROUNDING_MW = 1e-3
COPIED = 0.25  # of all polls that could tell
POLLS_MIN = 10  # so many polls can tell
NOISE_MIN_MW = 0.02  # 1 sigma of the sum: with less, a plant may be just where it should be
REGULATING = 2  # the daemon's mode, as the TSO is told it (docs/points.md)
BAD = "power told as bad while the plant regulates and no fault met it"
WHAT = "power told to the TSO, MW"
ASKED = "told what was asked for instead of what is delivered, share of polls"


def check(evidence: Evidence) -> Found:
    """Check every poll with a good flag."""
    run, age_s = evidence.run, _age_s(evidence)
    told = run.told
    # before that, a reading may be older than the record
    asked = (told.p_flags == ONLINE) & evidence.inside(told.t_s - age_s)
    t_s, told_mw = told.t_s[asked], 1e-3 * told.p_kw[asked]
    if not t_s.size:
        found = Found(note="the TSO recorded no poll with a good power")
        _without_reason(evidence, found)
        found.done = bool(found.violations)
        return found
    low_mw, high_mw = _true_mw(evidence, t_s, age_s)
    noise_mw = _noise_mw(evidence, low_mw, high_mw)
    _widen_by_predictions(evidence, t_s, age_s, low_mw, high_mw)
    _widen_by_lies(evidence, t_s, age_s, low_mw, high_mw)
    least_mw, most_mw = low_mw.sum(axis=1) - noise_mw, high_mw.sum(axis=1) + noise_mw
    known = np.isfinite(least_mw + most_mw)
    found = Found(checked=int(known.sum()))
    _without_reason(evidence, found)
    for k in np.flatnonzero(known & ((told_mw < least_mw) | (told_mw > most_mw))).tolist():
        limit_mw = least_mw[k] if told_mw[k] < least_mw[k] else most_mw[k]
        found.violations.append(
            Violation(float(t_s[k]), NOBODY, NAME, WHAT, float(told_mw[k]), float(limit_mw))
        )
    _copied(evidence, t_s[known], told_mw[known], noise_mw[known], found)
    return found


def _without_reason(evidence: Evidence, found: Found) -> None:
    """Note polls that call the power bad though the plant regulates, and no fault met it."""
    told = evidence.run.told
    bad = (told.p_flags != ONLINE) & (told.mode == REGULATING) & evidence.inside(told.t_s)
    for k, _ in episodes(bad & is_calm(evidence, NOBODY, told.t_s)):
        found.violations.append(Violation(float(told.t_s[k]), NOBODY, NAME, BAD))


def _copied(evidence: Evidence, t_s: F8, told_mw: F8, noise_mw: F8, found: Found) -> None:
    """Note a daemon that tells what was asked for; `noise_mw` is as `_noise_mw` gives it."""
    ticks = evidence.ticks
    if ticks is None or ticks.now_s.size < 2:
        return
    rounding_mw = ROUNDING_MW * len(evidence.run.units.ids)
    newest = np.searchsorted(ticks.now_s, t_s) - 1
    can_tell = ((noise_mw - rounding_mw) / SIGMAS >= NOISE_MIN_MW) & (newest >= 1)
    if can_tell.sum() < POLLS_MIN:
        return
    asked_mw = np.stack((ticks.request_mw, ticks.p_setpoint_mw.sum(axis=1)))
    off_mw = np.min([np.abs(told_mw - asked_mw[:, newest - k]) for k in (0, 1)], axis=(0, 1))
    share = float(np.mean(off_mw[can_tell] <= ROUNDING_MW))
    if share > COPIED:
        at_s = float(t_s[can_tell][-1])
        found.violations.append(Violation(at_s, NOBODY, NAME, ASKED, share, COPIED))


def _age_s(evidence: Evidence) -> float:
    """Age of the oldest reading that the daemon may still count with."""
    slow = any(fault.kind in SLOW_LINKS for fault in evidence.timed)
    return (
        evidence.settings.telemetry_age_max_s
        + evidence.settings.tick_s
        + max(LINKS_S, 2.0 * evidence.fleet.latency_s[1])
        + (SLOW_LINK_S if slow else 0.0)
    )  # fmt: skip


def _true_mw(evidence: Evidence, t_s: F8, age_s: float) -> tuple[F8, F8]:
    """Least and greatest power of each unit over the time before each instant; shape (k, n)."""
    shape = (t_s.size, len(evidence.run.units.ids))
    low_mw, high_mw = np.full(shape, np.nan), np.full(shape, np.nan)
    for process in evidence.processes:
        low_mw[:, process.units], high_mw[:, process.units] = _spread_mw(process, t_s, age_s)
    return low_mw, high_mw


def _spread_mw(process: Process, t_s: F8, age_s: float) -> tuple[F8, F8]:
    rows_s = process.rows["t_s"]
    low_mw = np.full((t_s.size, process.units.size), np.nan)
    high_mw = low_mw.copy()
    if not rows_s.size:
        return low_mw, high_mw
    end = process.before(t_s)
    age_s = STEP_S * math.ceil(age_s / STEP_S)
    first = np.searchsorted(rows_s, rows_s[np.maximum(end, 0)] - age_s - 0.5 * STEP_S)
    # a process that was gone meanwhile leaves fewer rows
    gone = np.concatenate(([0], np.cumsum(np.diff(rows_s) > process.gap_max_s)))
    whole = (end >= 0) & (rows_s[0] <= t_s - age_s) & (gone[end] == gone[first])
    whole &= t_s - rows_s[np.maximum(end, 0)] <= process.gap_max_s
    if process.totals is not None:  # a row tells of the time before it, too
        end = np.minimum(end + 1, rows_s.size - 1)
    first, end = first[whole], end[whole]
    lows_mw, highs_mw = process.low_mw, process.high_mw
    least, most = lows_mw[end].astype(np.float64), highs_mw[end].astype(np.float64)
    for k in range(1, int(np.max(end - first, initial=0)) + 1):
        row = np.maximum(end - k, first)
        np.minimum(least, lows_mw[row], out=least)
        np.maximum(most, highs_mw[row], out=most)
    low_mw[whole], high_mw[whole] = least, most
    return low_mw, high_mw


def _noise_mw(evidence: Evidence, low_mw: F8, high_mw: F8) -> F8:
    """How far noise and rounding may carry the sum, MW, shape (k,)."""
    sigma_pu = evidence.fleet.faults.telemetry_noise_pct / 100.0
    largest_mw = np.maximum(np.abs(low_mw), np.abs(high_mw))
    noise_mw = SIGMAS * sigma_pu * np.sqrt(np.sum(largest_mw**2, axis=1))
    return np.asarray(noise_mw + ROUNDING_MW * low_mw.shape[1], dtype=np.float64)


def _widen_by_predictions(
    evidence: Evidence, t_s: F8, age_s: float, low_mw: F8, high_mw: F8
) -> None:
    """Let each unit that was out of the split shortly before be counted as it was there."""
    ticks = evidence.ticks
    if ticks is None or not ticks.out:
        return
    row, unit = np.array([(r, u) for r, u, _ in ticks.out], dtype=np.int64).T
    counted_mw = ticks.p_setpoint_mw[row, unit]
    first = np.searchsorted(t_s, ticks.now_s[row])
    last = np.searchsorted(t_s, ticks.now_s[row] + age_s, side="right")
    for k in range(int(np.max(last - first, initial=0))):
        mine = first + k < last
        at = (first[mine] + k, unit[mine])
        np.minimum.at(low_mw, at, counted_mw[mine])
        np.maximum.at(high_mw, at, counted_mw[mine])


def _widen_by_lies(evidence: Evidence, t_s: F8, age_s: float, low_mw: F8, high_mw: F8) -> None:
    """Let each unit whose telemetry lied shortly before show anything that its fault allows."""
    units = evidence.run.units
    for fault in evidence.timed:
        if fault.kind not in LYING:
            continue
        since_s, until_s = evidence.run.t0_s + fault.at_s, evidence.run.t0_s + fault.until_s + age_s
        met = (t_s >= since_s) & (t_s <= until_s)
        factor = max(1.0, abs(fault.size) if fault.kind == "device_wrong_scale" else 1.0)
        noise = 1.0 + SIGMAS * evidence.fleet.faults.telemetry_noise_pct / 100.0
        most_mw = factor * noise * float(units.p_rated_mw[fault.unit])
        low_mw[met, fault.unit] = np.minimum(low_mw[met, fault.unit], -most_mw)
        high_mw[met, fault.unit] = np.maximum(high_mw[met, fault.unit], most_mw)
