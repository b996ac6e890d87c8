"""No unit is told to stand inside its exclusion band: what lies inside is on its way across.

From the setpoints that devices took. Of those inside a band, one after another,

1. all go the same way: up, or down. What it is told while nothing is read of it is no move: the
   last that it accepted, again;
2. the last leaves within the time in which the ramp crosses the band, and `SLACK_S`. Time in which
   nothing reaches the unit, nothing is read of it, or it refuses what it is told does not count:
   it stays where it was told last. Its watchdog ends the stay: it went to its fallback, whatever
   it is told next. So does a tick in which the daemon takes it for gone there, and a start of the
   daemon: it begins at what is measured.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hil.checkers.evidence import F8, UNREAD, Evidence, episodes
from hil.checkers.violation import Found, Violation

NAME = "band"
SLACK_S = 2.5  # ticks at either end, and the way there
FALLBACK, STARTING = "FALLBACK", "STARTING"  # a reason and a mode of the daemon
HELD = (*UNREAD, "REFUSED")  # out of the split, and left where they are
TICKS_APART = 2.0  # setpoints further apart than so many: the unit was out of reach meanwhile
ROUNDING_MW = 1.1e-3  # devices take whole kW

STANDS = "told to stand inside its band, s"
TURNS = "turned back inside its band, MW"


def check(evidence: Evidence) -> Found:
    """Check every unit that has a band."""
    found = Found()
    for unit, each in enumerate(evidence.fleet.units):
        if each.band_lower_mw is None or each.band_upper_mw is None:
            continue
        mine = evidence.orders.of(unit)
        t_s, p_mw = evidence.orders.t_s[mine], evidence.orders.p_mw[mine]
        found.checked += int(t_s.size)
        low_mw, high_mw = each.band_lower_mw + ROUNDING_MW, each.band_upper_mw - ROUNDING_MW
        inside: NDArray[np.bool_] = (low_mw < p_mw) & (p_mw < high_mw) & evidence.inside(t_s)
        limit_s = (each.band_upper_mw - each.band_lower_mw) / each.ramp_mw_per_s + SLACK_S
        held = _left_out(evidence, unit, t_s.size, HELD)
        clock_s = _clock_s(evidence, t_s, held)
        for first, last in _stays(inside, _begins_anew(evidence, unit, t_s, each.watchdog_s)):
            found.violations += _crossing(unit, t_s, clock_s, p_mw, held, first, last, limit_s)
    return found


def _stays(inside: NDArray[np.bool_], anew: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Yield first and last setpoint of each stay inside the band."""
    for part in np.split(np.arange(inside.size), anew):
        for first, last in episodes(inside[part]):
            yield int(part[first]), int(part[last])


def _begins_anew(evidence: Evidence, unit: int, t_s: F8, watchdog_s: float) -> NDArray[np.intp]:
    """Index of each setpoint that goes on from none before it."""
    anew = np.diff(t_s, prepend=t_s[:1]) > watchdog_s
    ticks, tick = evidence.ticks, evidence.orders.tick[evidence.orders.of(unit)]
    if ticks is not None and tick.size:
        anew |= _left_out(evidence, unit, t_s.size, (FALLBACK,))
        starts = [row for row, mode in enumerate(ticks.mode) if mode == STARTING]
        first = np.searchsorted(np.maximum.accumulate(tick), starts, side="right")
        anew[first[first < anew.size]] = True
    return np.flatnonzero(anew)


def _left_out(
    evidence: Evidence, unit: int, count: int, reasons: tuple[str, ...]
) -> NDArray[np.bool_]:
    """Which of its setpoints left in a tick that had it out of the split for one of these."""
    if evidence.ticks is None:
        return np.zeros(count, dtype=bool)
    rows = [row for row, u, why in evidence.ticks.out if u == unit and why in reasons]
    return np.isin(evidence.orders.tick[evidence.orders.of(unit)], rows)


def _clock_s(evidence: Evidence, t_s: F8, held: NDArray[np.bool_]) -> F8:
    """Instants on a clock that stands still while nothing reaches the unit, or it is held."""
    steps_s = np.minimum(np.diff(t_s), TICKS_APART * evidence.settings.tick_s)
    steps_s[held[1:]] = 0.0
    return np.concatenate(([0.0], np.cumsum(steps_s)))


def _crossing(
    unit: int, t_s: F8, clock_s: F8, p_mw: F8, held: NDArray[np.bool_], first: int, last: int,
    limit_s: float,
) -> list[Violation]:  # fmt: skip
    """Hold one stay inside a band against the rules."""
    found = []
    until = min(last + 1, t_s.size - 1)  # what it was told next ends the stay
    steps_mw = np.diff(p_mw[first : last + 1])
    moved = (np.abs(steps_mw) > ROUNDING_MW) & ~held[first + 1 : last + 1]
    steps_mw, turns_s = steps_mw[moved], t_s[first + 1 : last + 1][moved]
    if steps_mw.size and steps_mw.min() < 0.0 < steps_mw.max():
        worst_mw = float(min(-steps_mw.min(), steps_mw.max()))
        turn = int(np.argmax(np.sign(steps_mw) != np.sign(steps_mw[0])))
        found.append(Violation(float(turns_s[turn]), unit, NAME, TURNS, worst_mw))
    stays_s = float(clock_s[until] - clock_s[first])
    if stays_s > limit_s:
        found.append(Violation(float(t_s[first]), unit, NAME, STANDS, stays_s, limit_s))
    return found
