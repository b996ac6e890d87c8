"""When a plant starts to answer a command, and when it is there: what China's rules measure.

    T0, P0   the command, and where the plant stood
    T1       the output leaves the response dead band around P0, towards P_cmd
    T2       it enters the target dead band around P_cmd
    T3       the next command, or the end of the trace

T1 and T2 are interpolated between samples, so that a plant that is faster than a sample divides by
no zero.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from vppd.market.series import check_series, hold

F8 = NDArray[np.float64]


class Outcome(Enum):
    """What became of a command."""

    VALID = "valid"
    TOO_NEAR = "too_near"  # the plant was too close to the target to travel between the dead bands
    NO_START = "no_start"  # it did not leave the response dead band before the next command
    NOT_REACHED = "not_reached"  # it did not enter the target dead band before the next command
    CUT_SHORT = "cut_short"  # the next command came before its accuracy could be measured


@dataclass(frozen=True, slots=True)
class Bands:
    """Dead bands, MW, and how long the first must stay left before it counts as left."""

    response_mw: float
    target_mw: float
    stays_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How one command was answered. NaN where it did not come to that."""

    outcome: Outcome
    t0_s: float
    t3_s: float
    p0_mw: float
    p_cmd_mw: float
    t1_s: float = np.nan
    t2_s: float = np.nan
    rate_mw_per_min: float = np.nan  # between the dead bands
    error_mw: float = np.nan  # mean |P - P_cmd| over T2 to T3
    p3_mw: float = np.nan  # output at T3

    @property
    def way_mw(self) -> float:
        """How far the plant was asked to go, and went, MW."""
        return abs(self.p_cmd_mw - self.p0_mw) if self.outcome is Outcome.VALID else 0.0


def new_commands(
    t_s: F8, request_mw: F8, least_mw: float, scan_s: float
) -> list[tuple[float, float]]:
    """Commands in a held request, as (T0 s, P_cmd MW), found by scans `scan_s` apart.

    A command is a change of `least_mw` or more against the last one. The first value is where
    things stand, not a command. T0 is when the value that a scan found had been sent.
    """
    check_series(t_s, request_mw)
    n = int(np.floor((t_s[-1] - t_s[0]) / scan_s + 1e-9)) + 1
    scans_s = t_s[0] + scan_s * np.arange(n)
    changed = np.concatenate(([True], np.diff(request_mw) != 0.0))
    sent_s = hold(t_s[changed], t_s[changed], scans_s)
    found: list[tuple[float, float]] = []
    last_mw = float(request_mw[0])
    for at_s, p_mw in zip(sent_s.tolist(), hold(t_s, request_mw, scans_s).tolist(), strict=True):
        if abs(p_mw - last_mw) >= least_mw - 1e-9:
            found.append((at_s, p_mw))
            last_mw = p_mw
    return found


def merged(
    commands: list[tuple[float, float]], start_mw: float, within_s: float
) -> list[tuple[float, float]]:
    """Commands in one direction, each within `within_s` of the one before, as one command.

    It begins with the first of them and asks for what the last of them asks. `start_mw` is where
    things stood before the first.
    """
    out: list[tuple[float, float]] = []
    before_mw, last_s, upward = start_mw, -np.inf, True
    for at_s, p_mw in commands:
        rises = p_mw > before_mw
        if out and rises == upward and at_s - last_s <= within_s:
            out[-1] = (out[-1][0], p_mw)
        else:
            out.append((at_s, p_mw))
        before_mw, last_s, upward = p_mw, at_s, rises
    return out


def answers(
    commands: list[tuple[float, float]], t_s: F8, response_mw: F8, bands: Bands
) -> Iterator[Answer]:
    """Measure the answer to each command (T0 s, P_cmd MW). Those outside of the trace are left out.

    Parameters
    ----------
    t_s, response_mw : ndarray, shape (n,)
        The plant's power, MW; t_s rises.
    """
    check_series(t_s, response_mw)
    inside = [c for c in commands if t_s[0] <= c[0] < t_s[-1]]
    if not inside:
        return
    edges_s = np.asarray([*(c[0] for c in inside), float(t_s[-1])])
    edges_mw = np.interp(edges_s, t_s, response_mw)
    first = np.searchsorted(t_s, edges_s[:-1], side="right").tolist()
    last = np.searchsorted(t_s, edges_s[1:], side="left").tolist()
    for k, (t0_s, p_cmd_mw) in enumerate(inside):
        inner = slice(first[k], last[k])
        t = _between(edges_s[k], t_s[inner], edges_s[k + 1])
        p = _between(edges_mw[k], response_mw[inner], edges_mw[k + 1])
        yield _answer(t0_s, float(edges_s[k + 1]), p_cmd_mw, t, p, bands)


def cut(t_s: F8, p_mw: F8, since_s: float, until_s: float) -> tuple[F8, F8]:
    """Piece of a trace, with interpolated ends."""
    first = int(t_s.searchsorted(since_s, side="right"))
    last = int(t_s.searchsorted(until_s, side="left"))
    near = slice(max(0, first - 1), last + 1)
    ends_mw = np.interp((since_s, until_s), t_s[near], p_mw[near])
    t = _between(since_s, t_s[first:last], until_s)
    return t, _between(ends_mw[0], p_mw[first:last], ends_mw[1])


def _between(first: float, inner: F8, last: float) -> F8:
    """Values with one more at each end."""
    out = np.empty(inner.size + 2)
    out[0], out[1:-1], out[-1] = first, inner, last
    return out


def mean_distance_mw(t_s: F8, p_mw: F8, target_mw: float) -> float:
    """Mean of |P - target| over a piece of a trace, by the trapezoid rule."""
    off_mw = np.abs(p_mw - target_mw)
    area = ((t_s[1:] - t_s[:-1]) * (off_mw[1:] + off_mw[:-1]) / 2.0).sum()
    return float(area / (t_s[-1] - t_s[0]))


def _answer(t0_s: float, t3_s: float, p_cmd_mw: float, t: F8, p: F8, bands: Bands) -> Answer:
    p0_mw, p3_mw = float(p[0]), float(p[-1])
    travel_mw = abs(p_cmd_mw - p0_mw) - bands.response_mw - bands.target_mw
    if travel_mw <= 0.0:
        return Answer(Outcome.TOO_NEAR, t0_s, t3_s, p0_mw, p_cmd_mw, p3_mw=p3_mw)
    moved_mw = (p - p0_mw) if p_cmd_mw > p0_mw else (p0_mw - p)
    t1_s = _left_for_good(t, moved_mw, bands.response_mw, bands.stays_s)
    t2_s = first_crossing(t, moved_mw, bands.response_mw + travel_mw)
    if math.isnan(t1_s):
        return Answer(Outcome.NO_START, t0_s, t3_s, p0_mw, p_cmd_mw, p3_mw=p3_mw)
    if math.isnan(t2_s) or t2_s >= t3_s:
        return Answer(Outcome.NOT_REACHED, t0_s, t3_s, p0_mw, p_cmd_mw, t1_s, p3_mw=p3_mw)
    error_mw = mean_distance_mw(*cut(t, p, t2_s, t3_s), p_cmd_mw)
    rate_mw_per_min = travel_mw / (t2_s - t1_s) * 60.0
    return Answer(
        Outcome.VALID, t0_s, t3_s, p0_mw, p_cmd_mw, t1_s, t2_s, rate_mw_per_min, error_mw, p3_mw
    )


def first_crossing(t_s: F8, value: F8, level: float) -> float:
    """Instant at which `value` first rises to `level` (> value[0]), interpolated; NaN if never."""
    k = int((value >= level).argmax())  # 0 where it never is: value[0] is below
    return _crossing(t_s, value, level, k) if k else float("nan")


def _crossing(t_s: F8, value: F8, level: float, k: int) -> float:
    """Where the line from sample k - 1 to k meets `level`."""
    part = (level - value[k - 1]) / (value[k] - value[k - 1])
    return float(t_s[k - 1] + part * (t_s[k] - t_s[k - 1]))


def _left_for_good(t_s: F8, value: F8, level: float, stays_s: float) -> float:
    """First crossing after which `value` stays at `level` or above for longer than `stays_s`.

    A crossing within the last `stays_s` of the trace was not seen to stay: NaN.
    """
    if stays_s <= 0.0:
        return first_crossing(t_s, value, level)
    above = value >= level
    starts = np.flatnonzero(above & ~np.concatenate(([False], above[:-1])))
    for k in starts.tolist():
        under = np.flatnonzero(~above[k:])
        until_s = t_s[k + under[0]] if under.size else t_s[-1]
        at_s = _crossing(t_s, value, level, k)
        if until_s - at_s > stays_s:
            return at_s
    return float("nan")
