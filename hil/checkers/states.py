"""No room, cell or departure beyond its limit by an order of the daemon.

The physics keeps its own limits, so a state can only leave its band by itself or because the
daemon ordered what the unit had told it not to. Such a state is blamed on the daemon if, within the
time named below, the unit took a setpoint that pushes it further out and lies beyond the widest
range that it had reported in the `limits.TELEMETRY_S` seconds before. What a unit had accepted, and
is told again while the daemon has no reading of it, pushes nothing: it is in force. Optional
columns of the power trace, each NaN where a unit has no such state:

======================  ========================================  ==============================
`room_k`                room above its set point, K               within ± `comfort_k` of the unit
`temperature_c`         of the cells, °C                          at most `HOT_C`
`departure_missed_mwh`  energy that cars left without, all along  does not grow
======================  ========================================  ==============================

Counted as checked are units that an order could have pushed over: the room was in the last fifth
of its band, the cells within the 10 K in which they lose their power, a hub could not leave all of
its cars waiting.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.checkers.again import is_said_again
from hil.checkers.evidence import F8, Evidence, episodes
from hil.checkers.violation import Found, Violation
from hil.measure.limits import AVAILABLE_SLACK, TELEMETRY_S
from hil.measure.pairing import value_slack_mw
from hil.measure.plant import Process

UP, DOWN = 1.0, -1.0
ROOM_SLACK_K = 0.05
HOT_C = 55.0  # lithium iron phosphate: no power beyond it, either way (hil.plant.battery)
CELL_SLACK_K = 0.5
NEAR_SHARE, NEAR_K = 0.8, 10.0  # of the band, and below HOT_C: from there on the range shrinks
MISSED_SLACK_MWH = 1e-4
LOOK_BACK_S = 120.0  # rooms and cells: what was ordered earlier has worn off, or shows by itself


@dataclass(frozen=True, slots=True)
class Breach:
    """A time in which a state was beyond its limit: rows of a process, and what pushes it there."""

    column: int
    first: int
    last: int
    since_s: float  # setpoints from here on are looked at
    sides: tuple[float, ...]  # UP: too high a power does it, DOWN: too low a one
    value: float  # the worst
    limit: float


def comfort(evidence: Evidence) -> Found:
    """Rooms within their comfort band."""
    return _check(evidence, "comfort", "room_k", "room off its set point, K")


def thermal(evidence: Evidence) -> Found:
    """Cells below their highest temperature."""
    return _check(evidence, "thermal", "temperature_c", "cells too hot, °C")


def departure(evidence: Evidence) -> Found:
    """Cars leave with the energy that they are owed."""
    return _check(evidence, "departure", "departure_missed_mwh", "cars left without, MWh")


def _check(evidence: Evidence, name: str, column: str, what: str) -> Found:
    found = Found(done=False)
    for process in evidence.processes:
        if column not in (process.rows.dtype.names or ()):
            continue
        found.done = True
        found.checked += _near(evidence, process, column)
        for breach in _breaches(evidence, process, column):
            blamed = _pushed(evidence, process, breach)
            if blamed is not None:
                at_s, unit = float(blamed), int(process.units[breach.column])
                value, limit = breach.value, breach.limit
                found.violations.append(Violation(at_s, unit, name, what, value, limit))
    if not found.done:
        found.note = f"the recording has no column {column}"
    return found


def _near(evidence: Evidence, process: Process, column: str) -> int:
    """Count the units whose state came near its limit."""
    inside = evidence.inside(process.rows["t_s"])
    state = process.rows[column][inside]
    units = [evidence.fleet.units[u] for u in process.units.tolist()]
    if column == "room_k":
        near = np.abs(state) >= NEAR_SHARE * np.array([unit.comfort_k for unit in units])
    elif column == "temperature_c":
        near = state >= HOT_C - NEAR_K
    elif "p_avail_max_mw" in (process.rows.dtype.names or ()):
        slack_mw = value_slack_mw(evidence.run.units)[process.units]
        most_mw = evidence.run.units.p_max_mw[process.units] - slack_mw
        near = np.isfinite(state) & (process.rows["p_avail_max_mw"][inside] < most_mw)
    else:
        return 0
    return int(near.any(axis=0).sum())


def _breaches(evidence: Evidence, process: Process, column: str) -> Iterator[Breach]:
    """Yield the times in which a state was beyond its limit."""
    t_s = process.rows["t_s"]
    inside = evidence.inside(t_s)
    values = process.rows[column]
    for j in np.flatnonzero(np.isfinite(values).any(axis=0)).tolist():
        value = values[:, j].astype(np.float64)
        unit = evidence.fleet.units[int(process.units[j])]
        if column == "room_k":
            yield from _beyond(t_s, value, inside, j, unit.comfort_k, ROOM_SLACK_K, (UP,))
            yield from _beyond(t_s, -value, inside, j, unit.comfort_k, ROOM_SLACK_K, (DOWN,))
        elif column == "temperature_c":
            yield from _beyond(t_s, value, inside, j, HOT_C, CELL_SLACK_K, (UP, DOWN))
        else:
            yield from _missed(t_s, value, inside, j)


def _beyond(
    t_s: F8, value: F8, inside: NDArray[np.bool_], j: int, limit: float, slack: float,
    sides: tuple[float, ...],
) -> Iterator[Breach]:  # fmt: skip
    """Yield the times in which a value was above its limit."""
    for first, last in episodes(inside & (value > limit + slack)):
        worst = float(value[first : last + 1].max())
        since_s = float(t_s[first]) - LOOK_BACK_S
        yield Breach(j, first, last, since_s, sides, worst, limit)


def _missed(t_s: F8, value: F8, inside: NDArray[np.bool_], j: int) -> Iterator[Breach]:
    """Yield each departure with less than was owed; blame what was ordered since the last one."""
    since_s = float(t_s[0])
    grown = np.diff(value, prepend=value[:1])
    for k in np.flatnonzero(inside & (grown > MISSED_SLACK_MWH)).tolist():
        yield Breach(j, k, k, since_s, (UP,), float(grown[k]), 0.0)
        since_s = float(t_s[k])


def _pushed(evidence: Evidence, process: Process, breach: Breach) -> float | None:
    """Instant of the first setpoint to blame; None: there is none."""
    orders, rows = evidence.orders, process.rows
    names = rows.dtype.names or ()
    if "p_avail_min_mw" not in names:
        return None
    unit = int(process.units[breach.column])
    mine = orders.of(unit)
    t_s, p_mw, tick = orders.t_s[mine], orders.p_mw[mine], orders.tick[mine]
    until_s = float(rows["t_s"][breach.last])
    looked_at = (t_s >= breach.since_s) & (t_s <= until_s)
    t_s, p_mw, tick = t_s[looked_at], p_mw[looked_at], tick[looked_at]
    slack_mw = float(value_slack_mw(evidence.run.units)[unit])
    slack_mw += AVAILABLE_SLACK * float(evidence.run.units.p_rated_mw[unit])
    beyond = np.zeros(t_s.size, dtype=bool)
    for side in breach.sides:
        limit_mw = _widest_mw(process, breach.column, t_s, side)
        beyond |= side * (p_mw - limit_mw) > slack_mw
    for k in np.flatnonzero(beyond).tolist():
        if not is_said_again(evidence, unit, int(tick[k]), float(p_mw[k])):
            return float(t_s[k])
    return None


def _widest_mw(process: Process, column: int, t_s: F8, side: float) -> F8:
    """Widest end of the range that a unit reported shortly before each instant, MW."""
    name, widest = ("p_avail_max_mw", np.maximum) if side > 0 else ("p_avail_min_mw", np.minimum)
    values = process.rows[name][:, column].astype(np.float64)
    return np.asarray(widest.reduce([values[at] for at in process.lately(t_s, TELEMETRY_S)]))
