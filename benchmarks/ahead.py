"""The split at several look-ahead points: two and four of them, cold and warm."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks import fleets
from benchmarks.timing import Row, repeat, row, timed
from vppd.kernels import status
from vppd.kernels.ahead import split_ahead, work_size

WHO = "vppd several points"
POINTS = {2: (1.0, 8.0), 4: (1.0, 2.0, 4.0, 8.0)}  # s ahead
SOFTNESS = 1e-3  # of all points but the first, which is hard
BUDGET_S = 1.0
LEAST_GAIN_PU = 0.1  # as `vppd.core.response`


@dataclass(frozen=True)
class Problem:
    """One tick: n units, K points."""

    wanted_mw: np.ndarray  # (K,)
    gain: np.ndarray  # (K, n)
    units: fleets.Problem


def problems(n: int, points: int, count: int, *, alike: bool) -> list[Problem]:
    """Fleets whose units answer within a second to half a minute; `alike`: ticks of one fleet."""
    rng = np.random.default_rng((fleets.SEED, n, points, alike))
    made = fleets.ticks(n, count) if alike else fleets.unlike(n, count)
    ahead_s = np.array(POINTS[points])[:, None]
    found, where = [], 0.5
    for k, units in enumerate(made):
        if k == 0 or not alike:
            dead_s, lag_s = rng.uniform(0.0, 6.0, n), rng.uniform(0.2, 20.0, n)
            gain = 1.0 - np.exp(-np.maximum(ahead_s - dead_s, 0.0) / lag_s)
            gain = np.where(gain >= LEAST_GAIN_PU, gain, 0.0)
        low_mw, high_mw = (gain * units.lower_mw).sum(axis=1), (gain * units.upper_mw).sum(axis=1)
        where = where + 0.02 * rng.normal() if alike else rng.uniform(*fleets.RANGE_USED)
        found.append(Problem(low_mw + where * (high_mw - low_mw), gain, units))
    return found


class Calls:
    """Calls of `split_ahead` on problems that change at each call."""

    def __init__(self, made: list[Problem], *, warm: bool) -> None:
        points, n = made[0].gain.shape
        self.made, self.warm = made, warm
        self.price, self.missed_mw = np.full(points, math.nan), np.empty(points)
        self.softness = np.array([0.0, *[SOFTNESS] * (points - 1)])
        self.group, self.none = np.full(n, -1), np.empty(0)
        self.parent = np.empty(0, dtype=np.int64)
        self.out_mw, self.work = np.empty(n), np.empty(work_size(n, 0))
        self.off_mw = 0.0
        self(0)  # touch everything once

    def __call__(self, k: int) -> int:
        """One call: ns."""
        p = self.made[k % len(self.made)]
        first = self.price.copy() if self.warm else np.full(self.price.size, math.nan)
        ns, (code, _, _) = timed(
            lambda: split_ahead(
                p.wanted_mw, self.softness, p.gain, *p.units.arrays, self.group, self.parent,
                self.none, self.none, first, self.out_mw, self.price, self.missed_mw,
                self.none, self.none, self.work,
            )
        )  # fmt: skip
        assert code == status.OK
        if k % 16 == 0:
            given_mw = math.fsum(p.gain[0] * self.out_mw)
            self.off_mw = max(self.off_mw, abs(given_mw - float(p.wanted_mw[0])))
        return ns


def measure(n: int) -> list[Row]:
    """Two and four points, cold and warm."""
    rows = []
    for points in POINTS:
        for name, alike, count in (("cold", False, 8), ("warm", True, 16)):
            calls = Calls(problems(n, points, count, alike=alike), warm=alike)
            least = 50 if n <= 10_000 else 12
            times_ns = repeat(calls, budget_s=BUDGET_S, at_least=least, at_most=20_000)
            rows.append(
                row(f"{WHO}, {name}", f"{points} look-ahead points", n, times_ns,
                    sum_error_mw=calls.off_mw)
            )  # fmt: skip
    return rows
