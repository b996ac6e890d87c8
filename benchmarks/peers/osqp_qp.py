"""OSQP, an operator splitting solver for quadratic programs: the same problem, to its tolerance."""

import numpy as np
import scipy.sparse

from benchmarks import fleets
from benchmarks.peers.marks import Marks
from benchmarks.timing import Row, repeat, timed

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
    marks = Marks()
    unsolved = 0

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
        p = problems[k % len(problems)]
        quadratic = scipy.sparse.diags(1.0 / p.weight, format="csc")
        ns, out_mw = timed(lambda: solve(p, quadratic))
        marks.add(p, out_mw)
        return ns

    times_ns = repeat(call, budget_s=5.0, at_least=4, at_most=500)
    note = f"{unsolved} of {len(times_ns)} not solved" if unsolved else ""
    return [marks.row(WHO, WHAT, n, times_ns, note)]
