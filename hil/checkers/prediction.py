"""A unit that cannot be reached is counted as what it does: its last setpoint, then its fallback.

From the journal, for each tick in which a unit is out of the split, against its own watchdog and
fallback (`fleet.json`):

    UNREACHABLE, TELEMETRY_AGE   counted by the last setpoint that it accepted, and no longer than
                                 its watchdog time after that; one that can be told is brought back
                                 to it, as fast as its ramp allows, from what it was sent since
    FALLBACK                     no earlier than that, and counted by its fallback; one that is read
                                 (again, or all along without an answer to its setpoints) may be on
                                 its way there from where it truly is, from a setpoint that it took,
                                 or, while that may be under way, from its last one in the split, or
                                 from what it was told again while it was UNREACHABLE or too old: no
                                 reading from before that says where its ramp begins;
                                 one that can be told, by the nearest power that it had to give

By the truth, too: a unit that no fault has met for `checks.resume_within_s` is not counted by its
fallback within its watchdog time after a setpoint that it took, less `ANSWERED_S`.

Ticks of mode SAFE are left out: there, units are told where to go.
"""

import numpy as np
from numpy.typing import NDArray

from hil.checkers.again import comes_back
from hil.checkers.calm import is_calm
from hil.checkers.evidence import F8, I8, UNREAD, Evidence
from hil.checkers.violation import Found, Violation
from hil.measure.journal import Ticks
from hil.measure.pairing import value_slack_mw

NAME = "prediction"
Mask = NDArray[np.bool_]
TOLERANCE_MW = 1e-6
CLOCK_S = 1e-6
ANSWERED_S = 2.0  # by then the answer is there, and the next setpoint has come or is lost, too

TOO_LONG = "counted by its last setpoint beyond its watchdog, s since that"
TOO_EARLY = "counted by its fallback before its watchdog, s since its last setpoint"
NOT_ACCEPTED = "counted by what is not its last setpoint, MW"
TOOK_ONE = "counted by its fallback, s since a setpoint that it took"
NOT_FALLBACK = "counted by what is not its fallback, MW"


def check(evidence: Evidence) -> Found:
    """Check each unit in each tick in which it was out of the split."""
    ticks, units = evidence.ticks, evidence.run.units
    if ticks is None:
        return Found(done=False, lost=True, note="the journal could not be read")
    row, unit, held, falling, aged = _out(evidence, ticks)
    found = Found(checked=int(row.size))
    if not row.size:
        return found
    counted_mw, accepted_mw = ticks.p_setpoint_mw[row, unit], ticks.accepted_mw[row, unit]
    since_s = ticks.now_s[row] - ticks.accepted_at_s[row, unit]
    watchdog_s, fallback_mw = units.watchdog_s[unit], units.fallback_mw[unit]
    off_mw = np.abs(counted_mw - accepted_mw)
    # a store whose charge is not told stays where it was sent last, heard of or not
    sent_mw = ticks.p_setpoint_mw[np.maximum(row - 1, 0), unit]
    stays = aged & np.isfinite(units.energy_mwh[unit])
    off_mw[stays & (np.abs(counted_mw - sent_mw) <= TOLERANCE_MW)] = 0.0
    for k in np.flatnonzero(held & (off_mw > TOLERANCE_MW)).tolist():
        if comes_back(evidence, ticks, int(row[k]), int(unit[k])):
            off_mw[k] = 0.0
    elsewhere = falling & ~(np.abs(counted_mw - fallback_mw) <= TOLERANCE_MW)
    for k in np.flatnonzero(elsewhere).tolist():
        elsewhere[k] = not _on_its_way(evidence, ticks, int(row[k]), int(unit[k]))
    took_s = _since_taken_s(evidence, ticks, row, unit)
    for what, wrong, value, limit in (
        (TOO_LONG, held & (since_s > watchdog_s + CLOCK_S), since_s, watchdog_s),
        (TOO_EARLY, falling & (since_s <= watchdog_s - CLOCK_S), since_s, watchdog_s),
        (TOOK_ONE, falling & (took_s <= watchdog_s - ANSWERED_S), took_s, watchdog_s),
        (NOT_ACCEPTED, held & (off_mw > TOLERANCE_MW), counted_mw, accepted_mw),
        (NOT_FALLBACK, elsewhere, counted_mw, fallback_mw),
    ):
        found.violations += [
            Violation(
                float(ticks.now_s[row[k]]), int(unit[k]), NAME, what,
                float(value[k]), float(limit[k]),
            )
            for k in np.flatnonzero(wrong).tolist()
        ]  # fmt: skip
    return found


def _out(evidence: Evidence, ticks: Ticks) -> tuple[I8, I8, Mask, Mask, Mask]:
    """Row and unit of each that was out of the split: held there, falling back, held by its age."""
    safe = np.array([mode == "SAFE" for mode in ticks.mode], dtype=bool)
    kind = {"UNREACHABLE": 1, "FALLBACK": 2, "TELEMETRY_AGE": 3}
    out = np.array([(r, u, kind.get(why, 0)) for r, u, why in ticks.out], dtype=np.int64)
    out = out.reshape(-1, 3)
    asked = (out[:, 2] > 0) & ~safe[out[:, 0]] & evidence.inside(ticks.now_s[out[:, 0]])
    row, unit, what = out[asked].T
    return row, unit, what != 2, what == 2, what == 3


def _since_taken_s(evidence: Evidence, ticks: Ticks, row: I8, unit: I8) -> F8:
    """Time since the last setpoint that each unit took; inf: none, or a fault met it lately."""
    since_s = np.full(row.size, np.inf)
    for u in np.unique(unit).tolist():
        mine = np.flatnonzero(unit == u)
        at_s = ticks.now_s[row[mine]]
        taken_s = np.concatenate(([-np.inf], evidence.orders.t_s[evidence.orders.of(u)]))
        last_s = taken_s[np.searchsorted(taken_s, at_s - ANSWERED_S, side="right") - 1]
        since_s[mine] = np.where(is_calm(evidence, u, at_s), at_s - last_s, np.inf)
    return since_s


def _on_its_way(evidence: Evidence, ticks: Ticks, row: int, unit: int) -> bool:
    """Say whether a unit was counted between its fallback and where it was, or went by orders."""
    at_s, counted_mw = float(ticks.now_s[row]), float(ticks.p_setpoint_mw[row, unit])
    fallback_mw = float(evidence.run.units.fallback_mw[unit])
    p_mw, noise_mw = evidence.readings_mw(unit, at_s)
    told_mw = np.concatenate((_taken_mw(evidence, unit, at_s), _under_way_mw(evidence, unit, at_s)))
    if ticks.send[row, unit]:
        nearest_mw = np.clip(fallback_mw, *evidence.reported_mw(unit, at_s))
        told_mw = np.append(told_mw, nearest_mw[np.isfinite(nearest_mw)])
    slack_mw = float(value_slack_mw(evidence.run.units)[unit])
    low_mw = np.concatenate((p_mw - noise_mw, told_mw - slack_mw))
    high_mw = np.concatenate((p_mw + noise_mw, told_mw + slack_mw))
    lowest_mw, highest_mw = low_mw.min(initial=fallback_mw), high_mw.max(initial=fallback_mw)
    return bool(lowest_mw <= counted_mw <= highest_mw)


def _taken_mw(evidence: Evidence, unit: int, at_s: float) -> F8:
    """Setpoints that left for a unit within the age of a reading, and that it took, MW."""
    orders, mine = evidence.orders, evidence.orders.of(unit)
    left_s = orders.t_s[mine] - orders.link_s[mine]
    return orders.p_mw[mine][(left_s <= at_s) & (left_s >= at_s - evidence.reading_s)]


def _under_way_mw(evidence: Evidence, unit: int, at_s: float) -> F8:
    """Setpoints of a unit in the split, or told again to one unread, not too old to be sent, MW.

    Those of `FALLBACK` are left out: a wrong one would excuse the next.
    """
    ticks, age_s = evidence.ticks, evidence.settings.setpoint_age_max_s
    assert ticks is not None  # noqa: S101  (the caller has them)
    first, last = np.searchsorted(ticks.now_s, [at_s - age_s, at_s]).tolist()
    why = {row: why for row, u, why in ticks.out if u == unit and first <= row < last}
    again = {row for row, each in why.items() if each in UNREAD and ticks.send[row, unit]}
    rows = [row for row in range(first, last) if row not in why or row in again]
    return ticks.p_setpoint_mw[rows, unit]
