"""The problems that everybody is given: seeded, and different at each call."""

import math
from dataclasses import dataclass

import numpy as np

SEED = 20_240_607
RANGE_USED = (0.1, 0.9)  # requests lie in this part of the fleet's range


@dataclass(frozen=True)
class Problem:
    """n units: target, weight = 1 / cost, limits, all MW and float64; and the request."""

    request_mw: float
    target_mw: np.ndarray
    weight: np.ndarray
    lower_mw: np.ndarray
    upper_mw: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Target, weight, lower, upper."""
        return self.target_mw, self.weight, self.lower_mw, self.upper_mw

    def cost(self, out_mw: np.ndarray) -> float:
        """The objective of the exact split."""
        return math.fsum((out_mw - self.target_mw) ** 2 / self.weight) / 2.0


def request_at(where: float, lower_mw: np.ndarray, upper_mw: np.ndarray) -> float:
    """The request at a part 0...1 of the range."""
    low, high = float(lower_mw.sum()), float(upper_mw.sum())
    return low + where * (high - low)


def unlike(n: int, count: int) -> list[Problem]:
    """`count` fleets that have nothing to do with each other: nothing to start warm from."""
    rng = np.random.default_rng((SEED, n))
    found = []
    for _ in range(count):
        rated = rng.uniform(0.05, 5.0, n)
        upper = rated * rng.uniform(0.3, 1.0, n)
        lower = -rated * rng.uniform(0.0, 1.0, n)
        target = lower + (upper - lower) * rng.uniform(size=n)
        weight = rated * 10.0 ** rng.uniform(-1.0, 1.0, n)
        request = request_at(float(rng.uniform(*RANGE_USED)), lower, upper)
        found.append(Problem(request, target, weight, lower, upper))
    return found


def ticks(n: int, count: int) -> list[Problem]:
    """`count` ticks of one fleet: limits and targets drift, the request walks."""
    rng = np.random.default_rng((SEED, n, 1))
    first = unlike(n, 1)[0]
    where = 0.5
    found = []
    for _ in range(count):
        where = min(max(where + 0.02 * float(rng.normal()), RANGE_USED[0]), RANGE_USED[1])
        drift = 1.0 + 0.002 * rng.normal(size=n)
        lower, upper = first.lower_mw * drift, first.upper_mw * drift
        target = first.target_mw + 0.01 * rng.normal(size=n)
        request = request_at(where, lower, upper)
        found.append(Problem(request, target, first.weight.copy(), lower, upper))
    return found


def batteries(n: int, count: int) -> list[Problem]:
    """Fleets for the comparison with a split that knows only batteries: all can do both ways."""
    rng = np.random.default_rng((SEED, n, 2))
    found = []
    for _ in range(count):
        rated = rng.uniform(0.05, 5.0, n)
        request = request_at(float(rng.uniform(*RANGE_USED)), -rated, rated)
        found.append(Problem(request, np.zeros(n), rated.copy(), -rated, rated))
    return found
