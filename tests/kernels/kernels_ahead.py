"""Problems with several look-ahead points and nested groups; a checker and a solver for them.

The checker works with matrices: one row of `members` for each group. It shares nothing with the
kernels, which know the tree of the groups only by the parent of each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import piqp

from vppd.kernels.ahead import split_ahead, work_size
from vppd.kernels.jit import F8, I8


@dataclass(frozen=True)
class Ahead:
    """One call of `split_ahead`."""

    name: str
    wanted_mw: F8
    softness: F8
    gain: F8
    target_mw: F8
    weight: F8
    lower_mw: F8
    upper_mw: F8
    unit_group: I8
    parent: I8
    group_low_mw: F8
    group_high_mw: F8

    @property
    def arguments(self):
        return tuple(vars(self).values())[1:]

    @property
    def fleet_mw(self) -> float:
        """Size of the fleet, and of what is asked of it."""
        span = np.maximum(np.abs(self.lower_mw), np.abs(self.upper_mw)).sum()
        return float(max(span, np.abs(self.wanted_mw).max(), 1e-300))

    @property
    def hard(self):
        return self.softness == 0.0

    @property
    def members(self) -> F8:
        """Which units stand in each group, or in one below it."""
        m = np.zeros((self.parent.size, self.target_mw.size))
        for i, g in enumerate(self.unit_group.tolist()):
            while g >= 0:
                m[g, i] = 1.0
                g = int(self.parent[g])
        return m


@dataclass(frozen=True)
class Answer:
    """What `split_ahead` wrote and returned."""

    code: int
    rounds: int
    kkt_mw: float
    out_mw: F8
    price: F8
    missed_mw: F8
    group_price: F8
    group_missed_mw: F8


def solve(p: Ahead, price_start: F8 | None = None) -> Answer:
    points, n = p.gain.shape
    groups = p.parent.size
    start = np.full(points, np.nan) if price_start is None else price_start
    outs = [np.full(k, np.nan) for k in (n, points, points, groups, groups)]
    work = np.full(work_size(n, groups), np.nan)
    return Answer(*split_ahead(*p.arguments, start, *outs, work), *outs)


def violation_mw(p: Ahead, a: Answer, hard_too: bool = True) -> float:
    """Largest violation of the optimality conditions, from the definitions."""
    worst = 0.0

    def see(off: F8) -> None:
        nonlocal worst
        worst = max(worst, float(np.max(off, initial=0.0)))

    x, members = a.out_mw, p.members
    see(p.lower_mw - x)
    see(x - p.upper_mw)
    pay = p.gain.T @ a.price + members.T @ a.group_price
    see(np.abs(np.clip(p.target_mw + p.weight * pay, p.lower_mw, p.upper_mw) - x))
    off = np.abs(p.softness * a.price + p.gain @ x - p.wanted_mw)
    see(off[~p.hard])
    see(np.abs(p.wanted_mw - p.gain @ x - a.missed_mw))
    if hard_too:
        see(off[p.hard])
    total = members @ x
    met = a.group_missed_mw == 0.0
    see((p.group_low_mw - total)[met])
    see((total - p.group_high_mw)[met])
    see(np.abs(total - p.group_low_mw)[met & (a.group_price > 0.0)])
    see(np.abs(total - p.group_high_mw)[met & (a.group_price < 0.0)])
    return worst


def cost(p: Ahead, x: F8) -> float:
    """The objective; hard points aside."""
    soft = ~p.hard
    missed = (p.wanted_mw - p.gain @ x)[soft]
    units = (x - p.target_mw) ** 2 / p.weight
    return 0.5 * (float(units.sum()) + float((missed**2 / p.softness[soft]).sum()))


def least_missed_mw2(p: Ahead) -> float:
    """The smallest sum of squares that the hard points can be missed by."""
    a, n = p.gain[p.hard], p.target_mw.size
    solver = _solver()
    solver.setup(
        a.T @ a + 1e-12 * np.eye(n), -a.T @ p.wanted_mw[p.hard], None, None, *_limits(p),
        p.lower_mw, p.upper_mw,
    )  # fmt: skip
    solver.solve()
    return float(((a @ np.array(solver.result.x) - p.wanted_mw[p.hard]) ** 2).sum())


def quadratic_program(p: Ahead) -> F8:
    """The same problem for PIQP, an interior point solver: tolerances of 1e-10.

    What the soft points miss are variables of their own, so that a small softness is no trouble.
    """
    soft = np.flatnonzero(~p.hard)
    n, m = p.target_mw.size, soft.size
    equal = np.zeros((p.wanted_mw.size, n + m))
    equal[:, :n] = p.gain
    equal[soft, n + np.arange(m)] = 1.0
    members, low, high = _limits(p)
    if members is not None:
        members = np.hstack([members, np.zeros((members.shape[0], m))])
    solver = _solver()
    solver.setup(
        np.diag(np.concatenate([1.0 / p.weight, 1.0 / p.softness[soft]])),
        np.concatenate([-p.target_mw / p.weight, np.zeros(m)]),
        equal, p.wanted_mw, members, low, high,
        np.concatenate([p.lower_mw, np.full(m, -np.inf)]),
        np.concatenate([p.upper_mw, np.full(m, np.inf)]),
    )  # fmt: skip
    assert solver.solve() == piqp.PIQP_SOLVED, p.name
    return np.array(solver.result.x)[:n]


def _solver():
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-10
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = 1e-10
    return solver


def _limits(p: Ahead):
    some = np.isfinite(p.group_low_mw) | np.isfinite(p.group_high_mw)
    if not some.any():
        return None, None, None
    return p.members[some], p.group_low_mw[some], p.group_high_mw[some]


# --- problems ------------------------------------------------------------------------------


def fleet(rng: np.random.Generator, n: int, wild: bool = False):
    """Targets, weights over two decades, limits; wild: targets far outside, units pinned."""
    upper = rng.uniform(0.01, 5.0, n)
    lower = -upper * rng.uniform(0.0, 1.0, n)
    target = lower + (upper - lower) * rng.uniform(size=n)
    if wild:
        target = rng.uniform(-10.0, 10.0, n)
        lower = np.where(rng.uniform(size=n) < 0.2, upper, lower)
    return target, 10.0 ** rng.uniform(-1.0, 1.0, n), lower, upper


def gains(rng: np.random.Generator, points: int, n: int) -> F8:
    """As of units with dead times and lags, or any; some points have none of some units."""
    if rng.uniform() < 0.5:
        ahead_s = np.sort(rng.choice([1.0, 2.0, 4.0, 8.0, 15.0, 20.0, 30.0, 60.0], points, False))
        dead_s, lag_s = rng.choice([0.0, 1.0, 3.0, 10.0], n), rng.uniform(0.5, 20.0, n)
        return 1.0 - np.exp(-np.maximum(ahead_s[:, None] - dead_s, 0.0) / lag_s)
    return rng.uniform(0.0, 1.5, (points, n)) * (rng.uniform(size=(points, n)) < 0.8)


def inside(rng: np.random.Generator, lower: F8, upper: F8) -> F8:
    """A point within the limits, often near to many of them."""
    share = rng.uniform(size=lower.size) ** rng.choice([0.2, 1.0, 5.0])
    return lower + (upper - lower) * share


def tree(rng: np.random.Generator, n: int, groups: int):
    """Parents and units at random: any depth, empty groups, units without one."""
    parent = [int(rng.integers(-1, g)) if g else -1 for g in range(groups)]
    return rng.integers(-1, groups, n).astype(np.int64), np.array(parent, dtype=np.int64)


def group_limits(rng: np.random.Generator, p: Ahead, at: F8) -> Ahead:
    """Limits of the groups that the point `at` keeps, some of no width, some absent."""
    total, width = p.members @ at, p.members @ (p.upper_mw - p.lower_mw)
    size = total.size

    def room():
        return 0.3 * width * rng.uniform(size=size) * (rng.uniform(size=size) < 0.8)

    low = np.where(rng.uniform(size=size) < 0.6, total - room(), -np.inf)
    high = np.where(rng.uniform(size=size) < 0.8, total + room(), np.inf)
    return replace(p, group_low_mw=np.minimum(low, high), group_high_mw=np.maximum(low, high))


def problem(
    rng: np.random.Generator, n: int, points: int, hard: int, groups: int, name: str = ""
) -> Ahead:
    """One that can be served: hard points and groups agree on a point within the limits."""
    target, weight, lower, upper = fleet(rng, n, wild=bool(rng.uniform() < 0.4))
    gain = np.ascontiguousarray(gains(rng, points, n))
    at = inside(rng, lower, upper)
    softness = 10.0 ** rng.uniform(-3.0, 1.0, points)
    softness[rng.permutation(points)[:hard]] = 0.0
    wanted = gain @ at + np.where(softness > 0.0, rng.normal(size=points) * 5.0, 0.0)
    none = np.empty(0)
    unit_group, parent = tree(rng, n, groups)
    p = Ahead(
        name, wanted, softness, gain, target, weight, lower, upper, unit_group, parent, none, none
    )
    return group_limits(rng, p, at) if groups else p


def several_points(rng: np.random.Generator, n: int) -> Ahead:
    points = int(rng.integers(1, 9))
    return problem(rng, n, points, int(rng.integers(0, min(3, points + 1))), 0, "several_points")


def one_hard_point(rng: np.random.Generator, n: int) -> Ahead:
    p = problem(rng, n, 1, 1, int(rng.integers(1, 10)), "one_hard_point")
    if rng.uniform() < 0.5:
        return p
    gain = np.ones_like(p.gain)
    at = inside(rng, p.lower_mw, p.upper_mw)
    return group_limits(rng, replace(p, gain=gain, wanted_mw=gain @ at), at)


def both(rng: np.random.Generator, n: int) -> Ahead:
    points, groups = int(rng.integers(1, 9)), int(rng.integers(1, 10))
    return problem(rng, n, points, int(rng.integers(0, min(3, points + 1))), groups, "both")


def unserved(rng: np.random.Generator, n: int) -> Ahead:
    """Hard points that ask for more than the fleet has, or for things that contradict."""
    points, groups = int(rng.integers(1, 5)), int(rng.integers(0, 6))
    p = problem(rng, n, points, int(rng.integers(1, min(3, points + 1))), groups, "unserved")
    off = rng.normal(size=points) * p.upper_mw.sum()
    return replace(p, wanted_mw=np.where(p.hard, p.wanted_mw + off, p.wanted_mw))


Family = Callable[[np.random.Generator, int], Ahead]
FAMILIES: tuple[Family, ...] = (several_points, one_hard_point, both, unserved)
