"""Energy by the unit's own meter: differences of its counter, where it has one.

A counter has no noise and misses nothing while the link is down. The journal has its value now and
then (`vppd.devices.meter`); what lies between two of them is shared by time as the integrated
readings say, and what these miss of the counter's difference is spread over the time between:

    E(t) = M(t) + D(t),   D(t_k) = C_k - M(t_k),   a straight line from one t_k to the next

with M the integrated readings and C_k the counter at t_k. Where there were no readings M is an
estimate, and most of what is missed was missed there: a second of a hole counts as `HOLE` others.
Before the first value and after the
last D stands still: there the energy is that of the readings.

A difference that the unit cannot have made is not taken: a counter that began anew, or another
meter in its place. The span then has the energy of the readings.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
SECONDS_PER_HOUR: Final = 3600.0
BEYOND: Final = 1.1  # of its largest power: more no unit delivers, whatever its nameplate says
HOLE: Final = 50.0
STEP_MWH: Final = 2e-3  # of a coarse counter, of both directions


@dataclass(frozen=True, slots=True)
class Spans:
    """What a counter tells of the time between its values. Shapes (k,), (k - 1,)."""

    at_s: F8
    energy_mwh: F8
    holds: NDArray[np.bool_]


def spans_of(at_s: F8, energy_mwh: F8, most_mw: float) -> Spans:
    """Spans between values of a counter, and whether each is what a unit of that power can do."""
    hours = np.diff(at_s) / SECONDS_PER_HOUR
    holds = np.abs(np.diff(energy_mwh)) <= BEYOND * most_mw * hours + STEP_MWH
    return Spans(at_s, energy_mwh, holds)


def beyond_readings_mws(spans: Spans, by_readings_mws: F8, edges_s: F8, from_s: F8, to_s: F8) -> F8:
    """What the counter counted beyond the readings up to each edge, MW s, shape (m + 1,).

    `by_readings_mws`: energy of the readings up to each value of the counter, shape (k,);
    `from_s`, `to_s`: begins and ends of the time without readings.
    """
    off_mws = np.diff(spans.energy_mwh * SECONDS_PER_HOUR - by_readings_mws)
    sums_mws = np.concatenate(([0.0], np.cumsum(np.where(spans.holds, off_mws, 0.0))))
    at_s, edges_s = (t_s + HOLE * up_to_s(from_s, to_s, t_s) for t_s in (spans.at_s, edges_s))
    return np.asarray(np.interp(edges_s, at_s, sums_mws))


def up_to_s(from_s: F8, to_s: F8, at_s: F8) -> F8:
    """Time before each instant that lies in one of the holes, which rise and do not overlap."""
    if not from_s.size:
        return np.zeros_like(at_s)
    cuts_s = np.stack((from_s, to_s), axis=1).ravel()
    steps_s = np.stack((np.zeros_like(from_s), to_s - from_s), axis=1).ravel()
    return np.asarray(np.interp(at_s, cuts_s, np.cumsum(steps_s)))


def counted_s(spans: Spans, edges_s: F8) -> F8:
    """Time of each interval of which the energy is a difference of the counter, shape (m,)."""
    return np.diff(np.interp(edges_s, spans.at_s, _held_s(spans)))


def both_s(spans: Spans, from_s: F8, to_s: F8, edges_s: F8) -> F8:
    """Time of each interval that lies in a span that holds, and in one of (from, to), shape (m,).

    The latter rise and do not overlap.
    """
    if not from_s.size:
        return np.zeros(edges_s.size - 1)
    cuts_s = np.unique(np.concatenate((from_s, to_s, edges_s)))
    inside_s = np.diff(np.interp(cuts_s, spans.at_s, _held_s(spans)))
    k = np.searchsorted(from_s, cuts_s[:-1], side="right") - 1
    in_hole = (k >= 0) & (cuts_s[:-1] < to_s[np.maximum(k, 0)])
    sums_s = np.concatenate(([0.0], np.cumsum(np.where(in_hole, inside_s, 0.0))))
    return np.diff(sums_s[np.searchsorted(cuts_s, edges_s)])


def _held_s(spans: Spans) -> F8:
    """Time that the counter counted, up to each of its values."""
    lasts_s = np.where(spans.holds, np.diff(spans.at_s), 0.0)
    return np.concatenate(([0.0], np.cumsum(lasts_s)))
