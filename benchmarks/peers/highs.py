"""HiGHS through `scipy.optimize.linprog`.

SciPy offers HiGHS for linear programs only, so it gets the nearest one: each unit's quadratic
cost by SEGMENTS straight pieces on either side of its target. The slopes are those of the true
cost in the middle of each piece; `cost_over_best` says how much that loses. Presolve is off: it
compares columns in pairs, and takes far longer here than the solution.
"""

import numpy as np
import scipy.sparse
from scipy.optimize import linprog

from benchmarks import fleets
from benchmarks.peers.marks import Marks
from benchmarks.timing import Row, repeat, timed

WHO = "scipy HiGHS"
SEGMENTS = 8
WHAT = f"LP, cost in {SEGMENTS} pieces a side"


def build(p: fleets.Problem):
    """Costs, bounds and the one equation. Columns: SEGMENTS up, then SEGMENTS down, a unit each."""
    n = p.target_mw.size
    up = (p.upper_mw - p.target_mw) / SEGMENTS
    down = (p.target_mw - p.lower_mw) / SEGMENTS
    middles = np.arange(SEGMENTS) + 0.5
    costs = np.concatenate(
        [np.outer(middles, up / p.weight).ravel(), np.outer(middles, down / p.weight).ravel()]
    )
    widths = np.concatenate([np.tile(up, SEGMENTS), np.tile(down, SEGMENTS)])
    signs = np.concatenate([np.ones(n * SEGMENTS), -np.ones(n * SEGMENTS)])
    bounds = np.column_stack([np.zeros(widths.size), widths])
    rest = p.request_mw - float(p.target_mw.sum())
    return costs, scipy.sparse.csr_array(signs[None, :]), np.array([rest]), bounds


def measure(n: int) -> list[Row]:
    """One row: the time of `linprog`, without that of `build`."""
    problems = fleets.unlike(n, 4)
    marks = Marks()

    def call(k: int) -> int:
        p = problems[k % len(problems)]
        costs, matrix, right, bounds = build(p)
        ns, result = timed(
            lambda: linprog(
                costs,
                A_eq=matrix,
                b_eq=right,
                bounds=bounds,
                method="highs",
                options={"presolve": False},
            )
        )
        assert result.status == 0, result.message
        parts = result.x.reshape(2, SEGMENTS, n).sum(axis=1)
        out_mw = p.target_mw + parts[0] - parts[1]
        marks.add(p, out_mw)
        return ns

    times_ns = repeat(call, budget_s=10.0, at_least=3, at_most=100)
    return [marks.row(WHO, WHAT, n, times_ns)]
