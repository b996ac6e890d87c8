"""PIQP, an interior point solver for quadratic programs: the same problem, to its tolerance."""

import numpy as np
import scipy.sparse

from benchmarks import fleets
from benchmarks.peers.marks import Marks
from benchmarks.timing import Row, repeat, timed

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
    marks = Marks()

    def solve(p: fleets.Problem, quadratic: scipy.sparse.csc_matrix) -> np.ndarray:
        solver = piqp.SparseSolver()
        solver.setup(
            quadratic, -p.target_mw / p.weight, ones, np.array([p.request_mw]),
            x_l=p.lower_mw, x_u=p.upper_mw,
        )  # fmt: skip
        assert solver.solve() == piqp.PIQP_SOLVED
        return np.array(solver.result.x)

    def call(k: int) -> int:
        p = problems[k % len(problems)]
        quadratic = scipy.sparse.diags(1.0 / p.weight, format="csc")
        ns, out_mw = timed(lambda: solve(p, quadratic))
        marks.add(p, out_mw)
        return ns

    times_ns = repeat(call, budget_s=5.0, at_least=4, at_most=500)
    return [marks.row(WHO, WHAT, n, times_ns)]
