"""`split_exact` against two independent methods on 1,100 random problems, all corner cases."""

import math
import os
from fractions import Fraction

import kernels_reference
import numpy as np
import piqp
import pytest
from kernels_problems import FAMILIES, Problem, ordinary, problems

from vppd.kernels import status
from vppd.kernels.certificate import kkt_violation_mw
from vppd.kernels.exact import split_exact

SEED = 20_240_607
COUNT = int(os.environ.get("VPPD_TEST_PROBLEMS", "1100"))  # a mutation run takes fewer


def split(problem: Problem, lam0: float = math.nan) -> tuple[int, float, float, np.ndarray]:
    out = np.full(problem.target_mw.size, math.nan)
    code, lam, kkt_mw = split_exact(problem.request_mw, *problem.arrays, lam0, out)
    return code, lam, kkt_mw, out


def test_the_reference_itself_is_optimal():
    for problem in problems(SEED + 1, 22, 12):
        exact = kernels_reference.solve(problem)
        lower, upper = map(Fraction, problem.lower_mw), map(Fraction, problem.upper_mw)
        boxes = list(zip(lower, upper, strict=True))
        low, high = sum(b[0] for b in boxes), sum(b[1] for b in boxes)
        assert sum(exact) == min(max(Fraction(problem.request_mw), low), high)
        lam = [
            (x - Fraction(t)) / Fraction(w)
            for x, t, w in zip(exact, problem.target_mw, problem.weight, strict=True)
        ]
        can_fall = [m for m, x, b in zip(lam, exact, boxes, strict=True) if x > b[0]]
        can_rise = [m for m, x, b in zip(lam, exact, boxes, strict=True) if x < b[1]]
        assert not can_fall or not can_rise or max(can_fall) <= min(can_rise)


def test_agrees_with_exact_arithmetic():
    print(f"seed {SEED}")
    worst = 0.0
    seen = set()
    for k, problem in enumerate(problems(SEED, COUNT, 40)):
        code, _, kkt_mw, out = split(problem)
        exact = kernels_reference.solve(problem)
        off = max(abs(float(Fraction(x) - e)) for x, e in zip(out.tolist(), exact, strict=True))
        worst = max(worst, off / problem.fleet_mw)
        assert off <= 1e-9 * problem.fleet_mw, (k, problem.name)
        assert kkt_mw <= 1e-12 * problem.fleet_mw, (k, problem.name)
        expected = {"too_much": status.UNSERVED_UP, "too_little": status.UNSERVED_DOWN}
        assert code == expected.get(problem.name, status.OK), (k, problem.name)
        seen.add(problem.name)
    print(f"worst deviation: {worst:.1e} of the fleet")
    assert len(seen) == len(FAMILIES)


def test_the_sum_is_right_to_a_few_ulps():
    for problem in problems(SEED + 2, COUNT, 300):
        _, lam, kkt_mw, out = split(problem)
        low, high = math.fsum(problem.lower_mw), math.fsum(problem.upper_mw)
        served = min(max(problem.request_mw, low), high)
        ulp = 2.0**-52 * math.fsum(np.abs(out))
        assert abs(math.fsum(out) - served) <= 3.0 * ulp + 5e-324, problem.name
        assert np.all(problem.lower_mw <= out)
        assert np.all(out <= problem.upper_mw)
        if math.isfinite(lam):
            checked = kkt_violation_mw(problem.request_mw, *problem.arrays, lam, out)
            span = 2.0**-52 * float(np.abs(lam * problem.weight).max(initial=0.0))
            assert checked <= kkt_mw + 4.0 * (ulp + span), problem.name


def quadratic_program(problem: Problem) -> np.ndarray:
    """The same problem for PIQP, an interior point solver: tolerances of 1e-10."""
    n = problem.target_mw.size
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-10
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = 1e-10
    solver.setup(
        np.diag(1.0 / problem.weight), -problem.target_mw / problem.weight,
        np.ones((1, n)), np.array([problem.request_mw]),
        x_l=problem.lower_mw, x_u=problem.upper_mw,
    )  # fmt: skip
    assert solver.solve() == piqp.PIQP_SOLVED
    return np.array(solver.result.x)


def distance(problem: Problem, x: np.ndarray) -> float:
    """The objective, MW: half the sum of squared deviations from the targets, each by weight."""
    return math.fsum((x - problem.target_mw) ** 2 / problem.weight) / 2.0


def test_agrees_with_a_quadratic_programming_solver():
    """To the solver's tolerance, which it states for the objective, not for each unit.

    A feasible x whose objective is above the optimum by `gap_mw` is off by no more than
    sqrt(2 weight gap_mw) at each unit (strong convexity): much where a limit is all but reached.
    """
    rng = np.random.default_rng(SEED + 3)
    print(f"seed {SEED + 3}")
    relative = []
    for k in range(1000):
        problem = ordinary(rng, int(rng.integers(2, 60)))
        _, _, _, out = split(problem)
        x = quadratic_program(problem)
        gap_mw = distance(problem, x) - distance(problem, out)
        assert abs(gap_mw) <= 1e-8 * max(1.0, problem.fleet_mw), k
        allowed_mw = np.sqrt(2.0 * problem.weight * (max(gap_mw, 0.0) + 1e-12))
        assert np.all(np.abs(out - x) <= allowed_mw), k
        relative.append(float(np.abs(out - x).max()) / max(1.0, problem.fleet_mw))
    assert np.median(relative) <= 1e-9
    assert np.quantile(relative, 0.99) <= 1e-6


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_is_no_worse_than_the_quadratic_programming_solver(family):
    """On problems that are too badly scaled to compare each unit: the objective."""
    rng = np.random.default_rng(SEED + 4)
    for _ in range(20):
        problem = family(rng, int(rng.integers(2, 40)))
        code, _, _, out = split(problem)
        if code != status.OK or np.all(problem.lower_mw == problem.upper_mw):
            continue
        x = np.clip(quadratic_program(problem), problem.lower_mw, problem.upper_mw)
        ours = math.fsum((out - problem.target_mw) ** 2 / problem.weight)
        theirs = math.fsum((x - problem.target_mw) ** 2 / problem.weight)
        miss = abs(math.fsum(x) - problem.request_mw)
        slope = float(np.abs((x - problem.target_mw) / problem.weight).max())
        assert ours <= theirs + 2.0 * slope * miss + 1e-7 * (1.0 + abs(theirs))
