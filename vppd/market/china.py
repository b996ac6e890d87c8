"""China's "two detailed rules" for AGC units, north China form: K1 rate, K2 accuracy, K3 response.

Source
------
[C] formulas and constants as read in public code that implements the rule: standard rate
    1.5 % of Pn per minute, allowed error 1 % of Pn, standard response 60 s, both dead bands 1 % of
    Pn, floor .1, scan 5 s, a new command at a change of 5 MW or 2 % of Pn, daily means capped at
    1.5, pay D (ln Kp + 1) 5 CNY/MW.
[K] whether "5 MW or 2 %" means the smaller one (taken here), and that the clock of a command
    starts when it was sent and not at the scan that finds it (taken here: the stricter).

The code reads T1 and T2 off its samples; here both are interpolated, so that a plant that is
faster than a sample divides by no zero. Feed it a trace of 0.1 s or finer.
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from math import log

import numpy as np
from numpy.typing import NDArray

from vppd.market.series import check_series, hold

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChinaRules:
    """Parameters of the rule; percentages are of rated power Pn."""

    rate_pct_per_min: float = 1.5
    error_pct: float = 1.0
    response_s: float = 60.0
    response_band_pct: float = 1.0
    target_band_pct: float = 1.0
    command_mw: float = 5.0
    command_pct: float = 2.0
    scan_s: float = 5.0
    floor: float = 0.1
    mean_cap: float = 1.5
    price_cny_per_mw: float = 5.0

    def command_min_mw(self, rated_mw: float) -> float:
        """Smallest change that counts as a new command, MW."""
        return min(self.command_mw, self.command_pct / 100.0 * rated_mw)


RULES = ChinaRules()


class Outcome(Enum):
    """What became of a command."""

    VALID = "valid"
    TOO_NEAR = "too_near"  # the plant was too close to the target to travel between the dead bands
    NO_START = "no_start"  # it did not leave the response dead band before the next command
    NOT_REACHED = "not_reached"  # it did not enter the target dead band before the next command


@dataclass(frozen=True, slots=True)
class Command:
    """One AGC command and, if it is valid, how it was answered. NaN where it is not."""

    outcome: Outcome
    t0_s: float
    t3_s: float  # next command, or end of the trace
    p0_mw: float
    p_cmd_mw: float
    t1_s: float = np.nan  # left the response dead band
    t2_s: float = np.nan  # entered the target dead band
    rate_mw_per_min: float = np.nan
    error_mw: float = np.nan  # mean |P - P_cmd| over T2 to T3
    k1: float = np.nan
    k2: float = np.nan
    k3: float = np.nan

    @property
    def kp(self) -> float:
        """K1 K2 K3."""
        return self.k1 * self.k2 * self.k3

    @property
    def way_mw(self) -> float:
        """D of the pay, MW: how far the plant was asked to go, and went."""
        return abs(self.p_cmd_mw - self.p0_mw) if self.outcome is Outcome.VALID else 0.0


@dataclass(frozen=True, slots=True)
class ChinaScore:
    """Means over the valid commands; the K capped, `kp` their product."""

    k1: float
    k2: float
    k3: float
    kp: float
    rate_mw_per_min: float  # regulation rate: mean of |P2 - P1| / (T2 - T1)
    regulation_accuracy_pct: float  # 100 (1 - mean error over T2..T3 / Pn)
    valid: int
    outcomes: dict[str, int]  # all commands by outcome


def new_commands(
    t_s: F8, request_mw: F8, rated_mw: float, rules: ChinaRules = RULES
) -> list[tuple[float, float]]:
    """Commands in a held request, as (T0 s, P_cmd MW), found by scans `scan_s` apart.

    The first value is where things stand, not a command. T0 is when the value that a scan found
    had been sent.
    """
    check_series(t_s, request_mw)
    n = int(np.floor((t_s[-1] - t_s[0]) / rules.scan_s + 1e-9)) + 1
    scans_s = t_s[0] + rules.scan_s * np.arange(n)
    changed = np.concatenate(([True], np.diff(request_mw) != 0.0))
    sent_s = hold(t_s[changed], t_s[changed], scans_s)
    least_mw = rules.command_min_mw(rated_mw)
    found: list[tuple[float, float]] = []
    last_mw = float(request_mw[0])
    for at_s, p_mw in zip(sent_s.tolist(), hold(t_s, request_mw, scans_s).tolist(), strict=True):
        if abs(p_mw - last_mw) >= least_mw - 1e-9:
            found.append((at_s, p_mw))
            last_mw = p_mw
    return found


def rate_commands(
    commands: list[tuple[float, float]],
    t_s: F8,
    response_mw: F8,
    rated_mw: float,
    rules: ChinaRules = RULES,
) -> list[Command]:
    """Rate the answer to each command (T0 s, P_cmd MW).

    Parameters
    ----------
    t_s, response_mw : ndarray, shape (n,)
        The plant's power, MW, rising t_s, 0.1 s or finer. Commands outside of it are left out.
    rated_mw : float
        Pn, > 0.
    """
    check_series(t_s, response_mw)
    if not rated_mw > 0.0:
        raise ValueError(f"rated_mw must be above 0 MW, is {rated_mw:g}")
    inside = [c for c in commands if t_s[0] <= c[0] < t_s[-1]]
    starts_s = [c[0] for c in inside]
    ends_s = [*starts_s[1:], float(t_s[-1])]  # one more than there are if there is none
    return [
        _rate(t0_s, t3_s, p_cmd_mw, t_s, response_mw, rated_mw, rules)
        for (t0_s, p_cmd_mw), t3_s in zip(inside, ends_s, strict=False)
    ]


def summarise(rated: list[Command], rated_mw: float, rules: ChinaRules = RULES) -> ChinaScore:
    """Means over the valid commands. Raises ValueError if there is none."""
    valid = [c for c in rated if c.outcome is Outcome.VALID]
    if not valid:
        raise ValueError("no valid command")

    def mean(part: str) -> float:
        return float(np.mean([getattr(c, part) for c in valid]))

    k1, k2, k3 = (min(rules.mean_cap, mean(k)) for k in ("k1", "k2", "k3"))
    return ChinaScore(
        k1,
        k2,
        k3,
        k1 * k2 * k3,
        mean("rate_mw_per_min"),
        100.0 * (1.0 - mean("error_mw") / rated_mw),
        len(valid),
        dict(Counter(c.outcome.value for c in rated)),
    )


def payment_cny(way_mw: float, kp: float, rules: ChinaRules = RULES) -> float:
    """Pay for a way of `way_mw` at a Kp > 0: D (ln Kp + 1) price, not below 0 CNY."""
    return max(0.0, way_mw * (log(kp) + 1.0) * rules.price_cny_per_mw)


def _rate(
    t0_s: float,
    t3_s: float,
    p_cmd_mw: float,
    t_s: F8,
    response_mw: F8,
    rated_mw: float,
    rules: ChinaRules,
) -> Command:
    """Rate one command: times of the two dead bands, then the three K."""
    t, p = _cut(t_s, response_mw, t0_s, t3_s)
    p0_mw = float(p[0])
    unrated = Command(Outcome.TOO_NEAR, t0_s, t3_s, p0_mw, p_cmd_mw)
    leave_mw = rules.response_band_pct / 100.0 * rated_mw
    enter_mw = rules.target_band_pct / 100.0 * rated_mw
    travel_mw = abs(p_cmd_mw - p0_mw) - leave_mw - enter_mw
    if travel_mw <= 0.0:
        return unrated
    moved_mw = (p - p0_mw) * np.sign(p_cmd_mw - p0_mw)
    t1_s = _first_crossing(t, moved_mw, leave_mw)
    t2_s = _first_crossing(t, moved_mw, leave_mw + travel_mw)
    if np.isnan(t1_s):
        return Command(Outcome.NO_START, t0_s, t3_s, p0_mw, p_cmd_mw)
    if np.isnan(t2_s) or t2_s >= t3_s:
        return Command(Outcome.NOT_REACHED, t0_s, t3_s, p0_mw, p_cmd_mw)
    rate_mw_per_min = travel_mw / (t2_s - t1_s) * 60.0
    t_held, p_held = _cut(t, p, t2_s, t3_s)
    error_mw = float(np.trapezoid(np.abs(p_held - p_cmd_mw), t_held) / (t3_s - t2_s))
    standard_mw_per_min = rules.rate_pct_per_min / 100.0 * rated_mw
    return Command(
        Outcome.VALID,
        t0_s,
        t3_s,
        p0_mw,
        p_cmd_mw,
        t1_s,
        t2_s,
        rate_mw_per_min,
        error_mw,
        max(rules.floor, 2.0 - standard_mw_per_min / rate_mw_per_min),
        max(rules.floor, 2.0 - error_mw / (rules.error_pct / 100.0 * rated_mw)),
        max(rules.floor, 2.0 - (t1_s - t0_s) / rules.response_s),
    )


def _cut(t_s: F8, p_mw: F8, since_s: float, until_s: float) -> tuple[F8, F8]:
    """Piece of a trace, with interpolated ends."""
    inner = (t_s > since_s) & (t_s < until_s)
    t = np.concatenate(([since_s], t_s[inner], [until_s]))
    ends = np.interp([since_s, until_s], t_s, p_mw)
    return t, np.concatenate((ends[:1], p_mw[inner], ends[1:]))


def _first_crossing(t_s: F8, value: F8, level: float) -> float:
    """Instant at which `value` first rises to `level` (> value[0]), interpolated; NaN if never."""
    above = np.flatnonzero(value >= level)
    if above.size == 0:
        return float("nan")
    k = int(above[0])
    part = (level - value[k - 1]) / (value[k] - value[k - 1])
    return float(t_s[k - 1] + part * (t_s[k] - t_s[k - 1]))
