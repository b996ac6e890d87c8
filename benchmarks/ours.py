"""vppd's own kernels: the exact split cold and warm, the other policies, limits and guard."""

import math

import numpy as np

from benchmarks import fleets
from benchmarks.timing import Row, repeat, row, timed
from vppd.kernels.exact import split_exact
from vppd.kernels.guard import guard_setpoints
from vppd.kernels.limits import fold_limits
from vppd.kernels.merit_order import split_merit_order
from vppd.kernels.pro_rata import split_pro_rata
from vppd.kernels.rows import DISCHARGE, UNIT_FIELDS

WHO = "vppd exact"
WHAT = "quadratic knapsack, to rounding"
BUDGET_S = 1.5


class Exact:
    """Calls of `split_exact` on problems that change at each call."""

    def __init__(self, problems: list[fleets.Problem], *, warm: bool) -> None:
        self.problems = problems
        self.warm = warm
        self.lam = math.nan
        self.out_mw = np.empty(problems[0].target_mw.size)
        self.sum_error_mw = 0.0
        self(0)  # touch everything once
        self.sum_error_mw = 0.0

    def __call__(self, k: int) -> int:
        """One call: ns."""
        p = self.problems[k % len(self.problems)]
        lam0 = self.lam if self.warm else math.nan
        ns, (code, self.lam, _) = timed(
            lambda: split_exact(p.request_mw, *p.arrays, lam0, self.out_mw)
        )
        assert code == 0
        if k % 16 == 0:
            error_mw = abs(math.fsum(self.out_mw) - p.request_mw)
            self.sum_error_mw = max(self.sum_error_mw, error_mw)
        return ns


def exact(n: int) -> list[Row]:
    """Cold and warm."""
    rows = []
    for name, problems in (("cold", fleets.unlike(n, 16)), ("warm", fleets.ticks(n, 64))):
        calls = Exact(problems, warm=name == "warm")
        times_ns = repeat(calls, budget_s=BUDGET_S, at_least=50, at_most=20_000)
        rows.append(
            row(f"{WHO}, {name}", WHAT, n, times_ns,
                sum_error_mw=calls.sum_error_mw, cost_over_best=0.0)
        )  # fmt: skip
    return rows


def policies(n: int) -> list[Row]:
    """The other two policies."""
    problems = fleets.unlike(n, 16)
    orders = [np.argsort(-p.weight, kind="stable") for p in problems]
    out_mw = np.empty(n)

    def pro_rata(k: int) -> int:
        p = problems[k % len(problems)]
        return timed(
            lambda: split_pro_rata(p.request_mw, p.target_mw, p.lower_mw, p.upper_mw, out_mw)
        )[0]

    def merit_order(k: int) -> int:
        p, order = problems[k % len(problems)], orders[k % len(problems)]
        return timed(
            lambda: split_merit_order(
                p.request_mw, p.target_mw, order, p.lower_mw, p.upper_mw, out_mw
            )
        )[0]

    return [
        row(f"vppd {name}", what, n, repeat(call, budget_s=0.5, at_least=50, at_most=5000))
        for name, what, call in (
            ("pro rata", "same part of each range", pro_rata),
            ("merit order", "cheapest first", merit_order),
        )
    ]


def around_the_split(n: int) -> list[Row]:
    """What else a tick does for each unit: fold the limits, check the setpoints."""
    p = fleets.unlike(n, 1)[0]
    nan, ones, none = np.full(n, math.nan), np.ones(n), np.zeros(n, np.uint8)
    last, soc = p.target_mw, np.full(n, 0.5)
    lower, upper, range_lower, range_upper = np.empty((4, n))
    lower_reason, upper_reason, failed = np.empty((3, n), np.uint8)
    store = (soc, 2.0 * ones, 0.1 * ones, 0.9 * ones, 0.95 * ones, 0.95 * ones, 900.0)
    ramp = (last, ones, ones)
    units = np.full((len(UNIT_FIELDS), n), math.nan)
    units[: DISCHARGE + 1] = p.lower_mw, p.upper_mw, *ramp[1:], *store[1:-1]

    def fold(_: int) -> int:
        return timed(
            lambda: fold_limits(
                p.lower_mw, p.upper_mw, *ramp, 1.0, *store, nan, nan, none, last,
                lower, upper, lower_reason, upper_reason, range_lower, range_upper,
            )
        )[0]  # fmt: skip

    def guard(_: int) -> int:
        return timed(
            lambda: guard_setpoints(upper, last, units, 1.0, nan, nan, soc, store[-1], none, failed)
        )[0]

    return [
        row(
            "vppd limits",
            "fold all limits",
            n,
            repeat(fold, budget_s=0.5, at_least=50, at_most=5000),
        ),
        row(
            "vppd guard", "second check", n, repeat(guard, budget_s=0.5, at_least=50, at_most=5000)
        ),
    ]
