"""Energy of one unit from its readings: the trapezoid, corrected by how the unit moves.

Where the unit has a meter, its counter says how much it was, and the readings say when (see
`counters`).

Between two readings, a and b, the straight line is off wherever a unit moves faster than it is
read: setpoints arrive just after a reading, each second at the same place, so that what a battery
does in 0.3 s counts as if it took a second, always to the same side. So within each pair of
readings the power is taken to start at reading a and to follow the setpoints that the unit accepted
through its dead time and first-order lag,

    tau dq/dt = u(t - dead_time) - q,        q(a) = p_a,

solved exactly from one change of u to the next, and what it misses at reading b is spread linearly.
The difference of this to the trapezoid counts as far as the unit was seen to do so: whole where the
model misses less than half of the way that it went, not at all where it misses the whole of it. A
unit that stands still, or moves by itself, is credited with nothing that was not measured. Without
a lag, without a setpoint, or over a hole in the readings what is left is the trapezoid itself.

In a hole stands what becomes, through the same dead time and lag, of what the daemon counted the
unit with meanwhile (its last setpoint, then its fallback), joined by straight lines; without that,
one straight line. Either is an estimate, and the time is counted.

Source: K. J. Åström and T. Hägglund, "PID Controllers", 2nd ed. 1995, ch. 2 (first order plus dead
time). To estimate holes, and to mark what is estimated, is common practice with meter data.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vppd.market.settlement.counters import (
    SECONDS_PER_HOUR,
    beyond_readings_mws,
    both_s,
    counted_s,
    spans_of,
    up_to_s,
)

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
SQUARINGS: Final = 7
LAG_LEAST_S: Final = 1e-3  # what is faster is a step
DECAYED: Final = 40.0  # exp(-40) is 4e-18, and 40 / 2^7 is below 1/2


class EnergyError(ValueError):
    """Energy that nobody knows: there is no reading."""


@dataclass(frozen=True, slots=True)
class UnitSeries:
    """What the journal tells of one unit. Instants are s, rising; power is generation positive.

    Shapes: `t_s`, `p_mw` (m,), readings by the instant they were taken; `accepted_s`,
    `accepted_mw` (k,), setpoints that it accepted, by when they were sent.
    """

    t_s: F8
    p_mw: F8
    accepted_s: F8
    accepted_mw: F8
    dead_time_s: float
    lag_s: float  # 0: not known
    age_max_s: float  # readings farther apart are a hole
    counted_s: F8 = field(default_factory=lambda: np.zeros(0))  # instants at which it had none,
    counted_mw: F8 = field(default_factory=lambda: np.zeros(0))  # and what it was counted with
    meter_s: F8 = field(default_factory=lambda: np.zeros(0))  # instants of its meter's counter,
    meter_mwh: F8 = field(default_factory=lambda: np.zeros(0))  # and what that said
    most_mw: float = np.inf  # it never delivers or draws more


@dataclass(frozen=True, slots=True)
class Metered:
    """Energy of one unit by interval, shape (m,), and how well it is known."""

    energy_mwh: F8
    counted_s: F8  # time of which it is a difference of the meter's counter
    estimated_s: F8  # time without readings, and without a counter
    readings_mwh: F8  # what it is by the readings alone


def interval_energy(unit: UnitSeries, edges_s: F8) -> Metered:
    """Energy of each interval.

    Parameters
    ----------
    unit : UnitSeries
    edges_s : ndarray, shape (m + 1,)
        Rising. Beyond the last reading, or the last estimate, its power holds.

    Raises
    ------
    EnergyError
        There is no reading at or before the first edge.
    """
    if not unit.t_s.size or unit.t_s[0] > edges_s[0]:
        raise EnergyError("no reading before the first interval")
    t_s, p_mw, is_line = _filled(unit, float(edges_s[-1]))
    line_mws = np.diff(t_s) * 0.5 * (p_mw[:-1] + p_mw[1:])
    more_mws = _correction_mws(unit, t_s, p_mw, line_mws, is_line)
    up_to_mws = _cumulated(t_s, p_mw, line_mws, more_mws, edges_s)
    readings_mwh = np.diff(up_to_mws) / SECONDS_PER_HOUR
    from_s, to_s = _holes(unit)
    estimated_s = np.diff(up_to_s(from_s, to_s, edges_s)) + _held_s(unit, edges_s)
    known = unit.meter_s >= unit.t_s[0]
    meter_s = unit.meter_s[known]
    if meter_s.size < 2:
        return Metered(readings_mwh, np.zeros_like(readings_mwh), estimated_s, readings_mwh)
    spans = spans_of(meter_s, unit.meter_mwh[known], unit.most_mw)
    at_meter_mws = _cumulated(t_s, p_mw, line_mws, more_mws, meter_s)
    up_to_mws = up_to_mws + beyond_readings_mws(spans, at_meter_mws, edges_s, from_s, to_s)
    estimated_s = estimated_s - both_s(spans, from_s, to_s, edges_s)
    energy_mwh = np.diff(up_to_mws) / SECONDS_PER_HOUR
    return Metered(energy_mwh, counted_s(spans, edges_s), estimated_s, readings_mwh)


def _filled(unit: UnitSeries, until_s: float) -> tuple[F8, F8, NDArray[np.bool_]]:
    """Readings, with what stands in their holes, up to `until_s` at least.

    Returns instants, powers, and which pairs of them are no two readings side by side.
    """
    ends_s = np.append(unit.t_s[1:], np.inf)
    k = np.searchsorted(unit.t_s, unit.counted_s, side="right") - 1
    last_s = unit.t_s[np.maximum(k, 0)]
    in_hole = (k >= 0) & (unit.counted_s > last_s) & (ends_s[k] - last_s > unit.age_max_s)
    in_hole &= unit.counted_s < ends_s[k]
    t_s = np.concatenate((unit.t_s, unit.counted_s[in_hole]))
    p_mw = np.concatenate((unit.p_mw, _meanwhile_mw(unit, k, in_hole)))
    is_read = np.arange(t_s.size) < unit.t_s.size
    order = np.argsort(t_s, kind="stable")
    t_s, p_mw, is_read = t_s[order], p_mw[order], is_read[order]
    t_s = np.append(t_s, max(until_s, float(t_s[-1])) + 1.0)
    p_mw = np.append(p_mw, p_mw[-1])
    is_line = ~(is_read & np.append(is_read[1:], False)) | (np.diff(t_s) > unit.age_max_s)
    return t_s, p_mw, is_line


def _meanwhile_mw(unit: UnitSeries, k: I8, in_hole: NDArray[np.bool_]) -> F8:
    """Where the unit is by its model at each instant that it was counted with something in a hole.

    `k`: the reading before each; the model starts there.
    """
    if not unit.lag_s > 0.0:
        return unit.counted_mw[in_hole]
    at_s, before, told_mw = unit.counted_s[in_hole], k[in_hole], unit.counted_mw[in_hole]
    is_first = np.diff(before, prepend=-1) != 0
    since_s = np.where(is_first, unit.t_s[before], np.append(0.0, at_s[:-1])[: at_s.size])
    told_s = np.concatenate((unit.accepted_s, at_s)) + unit.dead_time_s
    order = np.argsort(told_s, kind="stable")
    ruling = np.searchsorted(told_s[order], 0.5 * (since_s + at_s), side="right") - 1
    aims_mw = np.concatenate((unit.accepted_mw, told_mw))[order][np.maximum(ruling, 0)]
    left_pu = decay((at_s - since_s) / max(unit.lag_s, LAG_LEAST_S))
    steps = zip(is_first, unit.p_mw[before], ruling >= 0, aims_mw, left_pu, strict=True)
    q_mw, out_mw = 0.0, np.empty_like(at_s)
    for i, (first, read_mw, is_told, aim_mw, left) in enumerate(steps):
        q_mw = read_mw if first else q_mw
        out_mw[i] = q_mw = aim_mw + (q_mw - aim_mw) * left if is_told else q_mw
    return out_mw


def _holes(unit: UnitSeries) -> tuple[F8, F8]:
    """Begins and ends of what lies between two readings that are too far apart, s."""
    k = np.flatnonzero(np.diff(unit.t_s) > unit.age_max_s)
    return unit.t_s[k], unit.t_s[k + 1]


def _held_s(unit: UnitSeries, edges_s: F8) -> F8:
    """Time beyond the last reading that is longer than a reading may be old."""
    since_s = float(unit.t_s[-1]) + unit.age_max_s
    return np.diff(np.maximum(edges_s, since_s))


def _cumulated(t_s: F8, p_mw: F8, line_mws: F8, more_mws: F8, at_s: F8) -> F8:
    """Energy from the first reading to each instant, MW s.

    Within a pair the line is cut where the instant is; its correction is shared by time.
    """
    sums_mws = np.concatenate(([0.0], np.cumsum(line_mws + more_mws)))
    k = np.clip(np.searchsorted(t_s, at_s, side="right") - 1, 0, line_mws.size - 1)
    into_s = at_s - t_s[k]
    part = into_s / (t_s[k + 1] - t_s[k])
    to_mw = p_mw[k] + part * (p_mw[k + 1] - p_mw[k])
    return np.asarray(sums_mws[k] + into_s * 0.5 * (p_mw[k] + to_mw) + part * more_mws[k])


def _correction_mws(
    unit: UnitSeries, t_s: F8, p_mw: F8, line_mws: F8, is_line: NDArray[np.bool_]
) -> F8:
    """What each pair of readings holds beyond its trapezoid, MW s, shape (pairs,)."""
    if not (unit.lag_s > 0.0 and unit.accepted_s.size):
        return np.zeros_like(line_mws)
    curve_mws, q_mw, way_mw = _followed(unit, t_s, p_mw, is_line)
    missed_mw = p_mw[1:] - q_mw
    closed_mws = curve_mws + 0.5 * missed_mw * np.diff(t_s)
    off_mw = np.abs(missed_mw)
    near = off_mw < way_mw
    part = np.where(near, off_mw, 1.0) / np.where(near, way_mw, 1.0)
    obeyed = np.minimum(2.0 * (1.0 - part), 1.0)
    return np.where(is_line, 0.0, obeyed * (closed_mws - line_mws))


def _followed(unit: UnitSeries, t_s: F8, p_mw: F8, is_line: NDArray[np.bool_]) -> tuple[F8, F8, F8]:
    """The model from the first reading of each pair on, shapes (pairs,).

    Returns its energy, MW s; where it is at the second reading, MW; and the way it went, MW.
    """
    arrives_s, lag_s = unit.accepted_s + unit.dead_time_s, max(unit.lag_s, LAG_LEAST_S)
    at_s, until_s = t_s[:-1], t_s[1:]
    newest = np.searchsorted(arrives_s, at_s, side="right") - 1
    arriving = np.searchsorted(arrives_s, until_s, side="left") - 1 - newest
    arriving = np.where(is_line, 0, arriving)  # nobody asks for these, and they may be long
    last = arrives_s.size - 1
    q_mw, total_mws, way_mw = p_mw[:-1], np.zeros_like(at_s), np.zeros_like(at_s)
    for k in range(int(arriving.max(initial=0)) + 1):  # the k-th that rules within a pair
        next_s = arrives_s[np.minimum(newest + k + 1, last)]
        span_s = np.maximum(0.0, np.where(k < arriving, next_s, until_s) - at_s)
        ruling_mw = unit.accepted_mw[np.clip(newest + k, 0, last)]
        drive_mw = np.where(newest + k >= 0, ruling_mw, q_mw)  # before the first: as it was
        left_pu = decay(span_s / lag_s)
        total_mws = total_mws + drive_mw * span_s + (q_mw - drive_mw) * lag_s * (1.0 - left_pu)
        moved_mw = (drive_mw - q_mw) * (1.0 - left_pu)
        q_mw, way_mw, at_s = q_mw + moved_mw, way_mw + np.abs(moved_mw), at_s + span_s
    return total_mws, q_mw, way_mw


def decay(x: F8) -> F8:
    """exp(-x) for x >= 0, to 1e-13, by + - * / alone: the same bits on every machine.

    Padé approximant [5/5] of x / 2^7, squared seven times; see `vppd.kernels.response`.
    """
    y = np.minimum(x, DECAYED) / 2.0**SQUARINGS
    yy = y * y
    even = 30240.0 + yy * (3360.0 + yy * 30.0)
    odd = y * (15120.0 + yy * (420.0 + yy))
    out = (even - odd) / (even + odd)
    for _ in range(SQUARINGS):
        out = out * out
    return np.asarray(out)
