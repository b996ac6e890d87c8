"""OSQP, an operator splitting solver for quadratic programs: the same problem, to its tolerance."""

import math

import numpy as np
import scipy.sparse

from benchmarks import fleets
from benchmarks.timing import Row, repeat, row, timed
from vppd.kernels.exact import split_exact

WHO = "OSQP"
WHAT = "the same QP, operator splitting"
TOLERANCE = 1e-6  # of its own 1e-3, the sum would be off by kilowatts


def measure(n: int) -> list[Row]:
    """One row: the time to set up and solve, as all numbers change at each call."""
    try:
        import osqp  # noqa: PLC0415  (a peer that is not there is a row, not a failure)
    except ImportError as error:
        return [Row(WHO, WHAT, n, note=f"not installed: {error}")]
    problems = fleets.unlike(n, 4)
    rows = scipy.sparse.vstack([np.ones((1, n)), scipy.sparse.eye(n)], format="csc")
    worst_mw, unsolved = 0.0, 0
    losses = []

    def solve(p: fleets.Problem, quadratic: scipy.sparse.csc_matrix) -> np.ndarray:
        nonlocal unsolved
        solver = osqp.OSQP()
        solver.setup(
            quadratic, -p.target_mw / p.weight, rows,
            np.append(p.request_mw, p.lower_mw), np.append(p.request_mw, p.upper_mw),
            verbose=False, eps_abs=TOLERANCE, eps_rel=TOLERANCE, max_iter=20_000,
        )  # fmt: skip
        found = solver.solve(raise_error=False)
        unsolved += found.info.status != "solved"
        return np.array(found.x)

    def call(k: int) -> int:
        nonlocal worst_mw
        p = problems[k % len(problems)]
        quadratic = scipy.sparse.diags(1.0 / p.weight, format="csc")
        ns, out_mw = timed(lambda: solve(p, quadratic))
        worst_mw = max(worst_mw, abs(math.fsum(out_mw) - p.request_mw))
        best_mw = np.empty(n)
        split_exact(p.request_mw, *p.arrays, math.nan, best_mw)
        losses.append(p.cost(out_mw) / p.cost(best_mw) - 1.0)
        return ns

    times_ns = repeat(call, budget_s=5.0, at_least=4, at_most=500)
    note = f"{unsolved} of {len(times_ns)} not solved" if unsolved else ""
    loss = float(np.median(losses))
    return [
        row(WHO, WHAT, n, times_ns, sum_error_mw=worst_mw, cost_over_best=loss, note=note)
    ]  # fmt: skip
