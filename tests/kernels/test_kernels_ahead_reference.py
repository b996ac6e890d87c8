"""`split_ahead` against a quadratic programming solver, and against the optimality conditions."""

import math
import os
from dataclasses import replace

import kernels_ahead
import numpy as np
import pytest
from kernels_ahead import both, cost, one_hard_point, several_points, solve, unserved, violation_mw
from kernels_problems import problems

from vppd.kernels import status
from vppd.kernels.exact import split_exact

SEED = 20_240_911
COUNT = int(os.environ.get("VPPD_TEST_PROBLEMS", "1000"))  # a mutation run takes fewer


@pytest.mark.parametrize("family", [several_points, one_hard_point, both], ids=lambda f: f.__name__)
def test_agrees_with_a_quadratic_programming_solver(family):
    """To the tolerance of the solver, which holds for the objective.

    A feasible x whose cost is above the optimum by `gap` is off by no more than
    sqrt(2 weight gap) at each unit, by strong convexity.
    """
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    relative, worst, rounds = [], 0.0, []
    for k in range(COUNT):
        p = family(rng, int(rng.integers(3, 60)))
        a = solve(p)
        assert a.code == status.OK, k
        assert a.kkt_mw <= 1e-9 * p.fleet_mw, k
        worst = max(worst, violation_mw(p, a) / p.fleet_mw)
        assert worst <= 1e-9, k
        rounds.append(a.rounds)
        if np.all(p.lower_mw == p.upper_mw):
            continue
        x = kernels_ahead.quadratic_program(p)
        gap = cost(p, x) - cost(p, a.out_mw)
        slack = 1e-7 * max(1.0, cost(p, a.out_mw))
        assert abs(gap) <= slack, k
        allowed_mw = np.sqrt(2.0 * p.weight * (max(gap, 0.0) + 1e-3 * slack))
        assert np.all(np.abs(a.out_mw - x) <= allowed_mw), k
        relative.append(float(np.abs(a.out_mw - x).max()) / p.fleet_mw)
    shown = np.percentile(rounds, [50, 90, 99, 100])
    print(f"{family.__name__}: worst violation {worst:.1e} of the fleet, rounds {shown}")
    assert np.median(relative) <= 1e-8
    assert np.median(rounds) <= 15


def test_what_cannot_be_served_is_missed_by_the_smallest_squares():
    """And the other points and the groups are served as well as that allows."""
    print(f"seed {SEED + 1}")
    rng = np.random.default_rng(SEED + 1)
    seen = set()
    for k in range(COUNT // 2):
        p = unserved(rng, int(rng.integers(3, 60)))
        a = solve(p)
        seen.add(a.code)
        assert a.code in (status.OK, status.UNSERVED_UP, status.UNSERVED_DOWN)
        assert violation_mw(p, a, hard_too=False) <= 1e-6 * p.fleet_mw, k
        missed = a.missed_mw[p.hard]
        if a.code != status.OK:
            most = missed[np.argmax(np.abs(missed))]
            assert (most > 0.0) == (a.code == status.UNSERVED_UP)
        best = kernels_ahead.least_missed_mw2(p)
        assert float((missed**2).sum()) <= best * (1.0 + 1e-6) + 1e-9 * p.fleet_mw**2, k
    assert seen == {status.OK, status.UNSERVED_UP, status.UNSERVED_DOWN}


def test_one_hard_point_with_gain_1_is_the_exact_split():
    """On every family of problems that the exact split has."""
    print(f"seed {SEED + 2}")
    none, no_group = np.empty(0), np.empty(0, dtype=np.int64)
    for k, q in enumerate(problems(SEED + 2, COUNT, 80)):
        n = q.target_mw.size
        p = kernels_ahead.Ahead(
            q.name, np.array([q.request_mw]), np.zeros(1), np.ones((1, n)), *q.arrays,
            np.full(n, -1), no_group, none, none,
        )  # fmt: skip
        a = solve(p)
        out = np.empty(n)
        code, _, _ = split_exact(q.request_mw, *q.arrays, math.nan, out)
        assert a.code == code, (k, q.name)
        assert np.abs(a.out_mw - out).max() <= 1e-9 * q.fleet_mw, (k, q.name)
        assert a.kkt_mw <= 1e-12 * max(q.fleet_mw, abs(q.request_mw)), (k, q.name)


def test_the_last_tick_is_a_good_guess():
    """A request that moved a little takes a few rounds, from its own prices."""
    rng = np.random.default_rng(SEED + 3)
    cold, warm = [], []
    for k in range(COUNT // 5):
        p = (several_points, both)[k % 2](rng, 200)
        a = solve(p)
        p.wanted_mw[~p.hard] += 1e-3 * p.fleet_mw * rng.normal(size=int((~p.hard).sum()))
        cold.append(solve(p).rounds)
        b = solve(p, a.price)
        warm.append(b.rounds)
        assert violation_mw(p, b) <= 1e-9 * p.fleet_mw
    print(np.percentile(cold, [50, 90, 100]), np.percentile(warm, [50, 90, 100]))
    assert np.mean(warm) <= 0.7 * np.mean(cold)


def test_prices_of_an_unserved_tick_do_no_harm():
    """They lie beyond what moves any unit, where Newton's method could take no step."""
    rng = np.random.default_rng(SEED + 4)
    for k in range(COUNT // 5):
        p = unserved(rng, 40)
        a = solve(p)
        easy = solve(replace(p, softness=np.ones_like(p.softness)))
        p.wanted_mw[p.hard] = (p.gain @ (0.5 * (a.out_mw + easy.out_mw)))[p.hard]
        b, c = solve(p, a.price), solve(p)
        assert (b.code, c.code) == (status.OK, status.OK), k
        assert violation_mw(p, b) <= 1e-9 * p.fleet_mw, k
        assert np.abs(b.out_mw - c.out_mw).max() <= 1e-8 * p.fleet_mw, k
        assert b.rounds <= 300, k


def test_requests_on_the_very_edge_of_what_the_fleet_can_give():
    """All that a fleet with groups can give: served, though its prices have no bound."""
    rng = np.random.default_rng(SEED + 5)
    for k in range(COUNT // 5):
        p = one_hard_point(rng, 40)
        p.wanted_mw[0] = (-1.0 if k % 2 else 1.0) * 10.0 * p.fleet_mw
        a = solve(p)
        assert a.code == (status.UNSERVED_DOWN if k % 2 else status.UNSERVED_UP)
        p.wanted_mw[:] = p.gain @ a.out_mw
        b = solve(p)
        assert abs(b.missed_mw[0]) <= 1e-7 * p.fleet_mw, k
        assert violation_mw(p, b) <= 1e-7 * p.fleet_mw, k
