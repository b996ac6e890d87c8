"""Solve a program by HiGHS: interior point, and a bound that holds whatever its tolerance.

HiPO factorises directly, and what is here is a band in time: the work grows with the length of the
run and no faster. Presolve is off, for it substitutes the lags' recursions into each other until
coefficients span 140 decades; so is the crossover, for nobody needs a vertex.
"""

from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from hil.oracle.program import Program
from hil.oracle.request import OracleError

F8 = NDArray[np.float64]
OPTIONS: dict[str, str | float | int | bool] = {
    "output_flag": False,
    "solver": "hipo",
    "presolve": "off",
    "run_crossover": "off",
    "parallel": "off",
    "threads": 1,  # one order of additions: the same figures on every machine of a kind
    "random_seed": 0,
    "ipm_optimality_tolerance": 1e-5,  # of the error; far below a thousandth of a point
    "ipm_iteration_limit": 400,
}
# A solution short of the tolerance is as good: what follows proves or mends it.
USABLE = (
    highspy.HighsModelStatus.kOptimal,
    highspy.HighsModelStatus.kUnknown,
    highspy.HighsModelStatus.kIterationLimit,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a program.

    `least` is a lower bound of its optimum by weak duality: for any prices y of the rows,
    min cost x >= sum_i (y_i x the bound of row i that y_i pulls at) + sum_j min over the bounds of
    x_j of (cost - A^T y)_j x_j. (Neumaier & Shcherbina, "Safe bounds in linear and mixed-integer
    linear programming", Math. Prog. 99, 2004.)
    """

    x: F8
    least: float
    iterations: int


def solve(program: Program) -> Answer:
    """Solve. Raises OracleError if no solution came of it."""
    lp = _lp(program)
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in OPTIONS.items():
        if solver.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise OracleError(f"HiGHS has no {name}={value}; install vppd[hil] as it is locked")
    solver.passModel(lp)
    solver.run()
    solution, status = solver.getSolution(), solver.getModelStatus()
    if status not in USABLE:
        told = solver.modelStatusToString(status)
        raise OracleError(f"HiGHS found no schedule: {told} (is a store full or empty at first?)")
    prices = np.array(solution.row_dual)
    return Answer(
        x=np.array(solution.col_value),
        least=least(program, prices),
        iterations=int(solver.getInfo().ipm_iteration_count),
    )


def least(program: Program, prices: F8) -> float:
    """Lower bound of the optimum that these prices of the rows prove; see `Answer`."""
    reduced = program.cost - program.matrix().transposed_times(prices)
    rows = np.where(prices > 0.0, program.row_lower, program.row_upper) * prices
    columns = np.minimum(reduced * program.lower, reduced * program.upper)
    return float(rows.sum() + columns.sum())


def _lp(program: Program) -> highspy.HighsLp:
    matrix = program.matrix()
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = program.columns, program.rows
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.start
    lp.a_matrix_.index_ = matrix.row
    lp.a_matrix_.value_ = matrix.value
    return lp
