"""PIQP, an interior point solver for quadratic programs: the same problem, to its tolerance."""

import math

import numpy as np
import scipy.sparse

from benchmarks import fleets
from benchmarks.timing import Row, repeat, row, timed
from vppd.kernels.exact import split_exact

WHO = "PIQP"
WHAT = "the same QP, sparse interior point"


def measure(n: int) -> list[Row]:
    """One row: the time to set up and solve, as all numbers change at each call."""
    try:
        import piqp  # noqa: PLC0415  (a peer that is not there is a row, not a failure)
    except ImportError as error:
        return [Row(WHO, WHAT, n, note=f"not installed: {error}")]
    problems = fleets.unlike(n, 4)
    ones = scipy.sparse.csc_matrix(np.ones((1, n)))
    worst_mw = 0.0
    losses = []

    def solve(p: fleets.Problem, quadratic: scipy.sparse.csc_matrix) -> np.ndarray:
        solver = piqp.SparseSolver()
        solver.setup(
            quadratic, -p.target_mw / p.weight, ones, np.array([p.request_mw]),
            x_l=p.lower_mw, x_u=p.upper_mw,
        )  # fmt: skip
        assert solver.solve() == piqp.PIQP_SOLVED
        return np.array(solver.result.x)

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
    return [
        row(WHO, WHAT, n, times_ns, sum_error_mw=worst_mw, cost_over_best=float(np.median(losses)))
    ]
