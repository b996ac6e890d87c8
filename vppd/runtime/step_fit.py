"""Dead time, lag and gain of a unit, from the record of a step test.

A unit is taken as a ramp, a dead time and a first-order lag,

    y(t) = gain z(t - dead) + offset,     lag dz/dt = r - z,     r: the setpoint, within the ramp

which is solved exactly from one change of r to the next. For each dead time and lag the best gain
and offset follow by linear least squares; dead time and lag are found on a grid that closes in.
The bounds are those of the residuals: 95 % of s2 (J'J)^-1, with the residuals' own correlation.

Sources: K. J. Åström and T. Hägglund, "PID Controllers", 2nd ed. 1995, ch. 2 (first order plus
dead time); G. A. F. Seber and C. J. Wild, "Nonlinear Regression", 1989, 5.1 (separable least
squares, linearised bounds).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vppd.core.types import F8

SIGMAS = 1.96  # 95 %
ROUNDS = 9
POINTS = 9  # of the grid, each way
CLOSER = 0.4  # the next grid's width
LAG_LEAST_S = 0.01
SAMPLES_MIN = 20


class FitError(Exception):
    """The record says nothing about the unit; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and how far it may be off, 95 %."""

    value: float
    bound: float

    def words(self, unit: str = "", digits: int = 2) -> str:
        """As text."""
        return f"{self.value:.{digits}f} ± {self.bound:.{digits}f}{' ' + unit if unit else ''}"


@dataclass(frozen=True, slots=True)
class Record:
    """What a step test has seen. Instants are seconds of one clock."""

    told_s: F8  # when each setpoint was sent, rising
    told_mw: F8
    seen_s: F8  # when each reading was taken, rising
    seen_mw: F8


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found."""

    dead_time_s: Estimate
    lag_s: Estimate
    gain: Estimate
    offset_mw: float
    noise_mw: float  # of the residuals, 1 sigma
    fitted_mw: F8  # at each reading


class Ramped:
    """Setpoints as they are within a ramp: straight pieces, each with begin, value and slope."""

    def __init__(self, record: Record, up_mw_per_s: float, down_mw_per_s: float) -> None:
        begin: list[tuple[float, float, float]] = []
        at_mw = float(record.told_mw[0])
        ends = [*record.told_s[1:].tolist(), np.inf]
        for t_s, aim_mw, end_s in zip(
            record.told_s.tolist(), record.told_mw.tolist(), ends, strict=True
        ):
            slope = up_mw_per_s if aim_mw > at_mw else -down_mw_per_s
            arrives_s = t_s + (aim_mw - at_mw) / slope
            begin.append((t_s, at_mw, slope if arrives_s > t_s else 0.0))
            if t_s < arrives_s < end_s:
                begin.append((arrives_s, aim_mw, 0.0))
            at_mw = aim_mw if arrives_s <= end_s else at_mw + slope * (end_s - t_s)
        self.begin_s, self.begin_mw, self.slope = (
            np.array(column) for column in zip(*begin, strict=True)
        )

    def lagged(self, at_s: F8, lag_s: float) -> F8:
        """Value behind the lag at these instants, MW; settled before the first setpoint."""
        before_mw = [float(self.begin_mw[0])]
        pieces = zip(self.begin_mw, self.slope, np.diff(self.begin_s), strict=False)
        for mw, slope, length_s in pieces:
            before_mw.append(float(_behind(before_mw[-1], mw, slope, length_s, lag_s)))
        piece = np.maximum(np.searchsorted(self.begin_s, at_s, side="right") - 1, 0)
        since_s = np.maximum(at_s - self.begin_s[piece], 0.0)
        start_mw = np.array(before_mw)[piece]
        return _behind(start_mw, self.begin_mw[piece], self.slope[piece], since_s, lag_s)


def _behind(z_mw: F8 | float, r_mw: F8, slope: F8, since_s: F8, lag_s: float) -> F8:
    settled_mw = r_mw + slope * (since_s - lag_s)
    faded = np.exp(-since_s / lag_s)
    return np.asarray(settled_mw + (z_mw - r_mw + slope * lag_s) * faded)


def fit(
    record: Record, *, dead_max_s: float, lag_max_s: float, up_mw_per_s: float, down_mw_per_s: float
) -> Fit:
    """Find the response that explains the record best. Raises FitError."""
    if record.seen_s.size < SAMPLES_MIN or record.told_s.size < 2:
        raise FitError(f"{record.seen_s.size} readings are too few")
    ramped = Ramped(record, up_mw_per_s, down_mw_per_s)
    if not np.ptp(record.told_mw) > 0.0:
        raise FitError("the setpoint never moved")
    dead_s, lag_s = _closed_in(record, ramped, dead_max_s, lag_max_s)
    gain, offset_mw, z_mw = _linear(record, ramped, dead_s, lag_s)
    fitted_mw = gain * z_mw + offset_mw
    off_mw = record.seen_mw - fitted_mw
    bounds = _bounds(record, ramped, dead_s, lag_s, gain, off_mw)
    moved_mw = float(np.ptp(z_mw))
    if not abs(gain) * moved_mw > 3.0 * float(np.std(off_mw)) / np.sqrt(off_mw.size / 4.0):
        raise FitError("the unit did not answer: its power did not follow the setpoint")
    dead, lag, gained = (
        Estimate(value, bound) for value, bound in zip((dead_s, lag_s, gain), bounds, strict=False)
    )
    return Fit(dead, lag, gained, offset_mw, float(np.std(off_mw)), fitted_mw)


def _closed_in(
    record: Record, ramped: Ramped, dead_max_s: float, lag_max_s: float
) -> tuple[float, float]:
    """Dead time and lag with the smallest error, by a grid that closes in around the best."""
    dead_low, dead_high = 0.0, dead_max_s
    log_low, log_high = np.log(LAG_LEAST_S), np.log(max(lag_max_s, 2.0 * LAG_LEAST_S))
    log_top = log_high
    best = (np.inf, 0.0, LAG_LEAST_S)
    for _ in range(ROUNDS):
        for lag_s in np.exp(np.linspace(log_low, log_high, POINTS)).tolist():
            for dead_s in np.linspace(dead_low, dead_high, POINTS).tolist():
                gain, offset_mw, z_mw = _linear(record, ramped, dead_s, lag_s)
                off_mw = record.seen_mw - gain * z_mw - offset_mw
                best = min(best, (float(off_mw @ off_mw), dead_s, lag_s))
        half, half_log = 0.5 * CLOSER * (dead_high - dead_low), 0.5 * CLOSER * (log_high - log_low)
        dead_low, dead_high = max(0.0, best[1] - half), min(dead_max_s, best[1] + half)
        log_low = max(np.log(LAG_LEAST_S), np.log(best[2]) - half_log)
        log_high = min(log_top, np.log(best[2]) + half_log)
    return best[1], best[2]


def _linear(record: Record, ramped: Ramped, dead_s: float, lag_s: float) -> tuple[float, float, F8]:
    """Best gain and offset of a dead time and a lag, and what they apply to, MW."""
    z_mw = ramped.lagged(record.seen_s - dead_s, lag_s)
    mean_z, mean_y = float(z_mw.mean()), float(record.seen_mw.mean())
    about_mw = z_mw - mean_z
    power = float(about_mw @ about_mw)
    gain = float(about_mw @ (record.seen_mw - mean_y)) / power if power > 0.0 else 0.0
    return gain, mean_y - gain * mean_z, z_mw


def _bounds(
    record: Record, ramped: Ramped, dead_s: float, lag_s: float, gain: float, off_mw: F8
) -> Sequence[float]:
    """95 % bounds of dead time, lag and gain."""
    step_s = 1e-3 + 1e-3 * lag_s
    z_mw = ramped.lagged(record.seen_s - dead_s, lag_s)
    by_dead = gain * (ramped.lagged(record.seen_s - dead_s - step_s, lag_s) - z_mw) / step_s
    by_lag = gain * (ramped.lagged(record.seen_s - dead_s, lag_s + step_s) - z_mw) / step_s
    slopes = np.stack([by_dead, by_lag, z_mw, np.ones_like(z_mw)], axis=1)
    freedom = max(off_mw.size - 4, 1)
    variance = float(off_mw @ off_mw) / freedom * _correlation(off_mw)
    covariance = np.linalg.pinv(slopes.T @ slopes) * variance
    bounds = [SIGMAS * float(np.sqrt(max(covariance[k, k], 0.0))) for k in range(3)]
    # nobody knows when between two readings a device took its own measurement
    bounds[0] = float(np.hypot(bounds[0], np.median(np.diff(record.seen_s))))
    return bounds


def _correlation(off_mw: F8) -> float:
    """By how much residuals that hang together count for less: (1 + r) / (1 - r), 1 at least."""
    power = float(off_mw @ off_mw)
    r = float(off_mw[1:] @ off_mw[:-1]) / power if power > 0.0 else 0.0
    r = min(max(r, 0.0), 0.95)
    return (1.0 + r) / (1.0 - r)
