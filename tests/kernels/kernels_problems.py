"""Random and named problems for the exact split, all from one seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vppd.kernels.jit import F8


@dataclass(frozen=True)
class Problem:
    """One call of `split_exact`."""

    name: str
    request_mw: float
    target_mw: F8
    weight: F8
    lower_mw: F8
    upper_mw: F8

    @property
    def fleet_mw(self) -> float:
        """Size of the fleet: the sum of what each unit could give in either direction."""
        return float(np.maximum(np.abs(self.lower_mw), np.abs(self.upper_mw)).sum())

    @property
    def arrays(self) -> tuple[F8, F8, F8, F8]:
        """Target, weight, lower, upper."""
        return self.target_mw, self.weight, self.lower_mw, self.upper_mw


def between(rng: np.random.Generator, lower_mw: F8, upper_mw: F8) -> float:
    """A request that the limits can serve."""
    low, high = float(lower_mw.sum()), float(upper_mw.sum())
    return low + float(rng.uniform()) * (high - low)


def ordinary(rng: np.random.Generator, n: int) -> Problem:
    """Targets inside the limits, weights over two decades."""
    upper = rng.uniform(0.01, 5.0, n)
    lower = -upper * rng.uniform(0.0, 1.0, n)
    target = lower + (upper - lower) * rng.uniform(size=n)
    weight = 10.0 ** rng.uniform(-1.0, 1.0, n)
    return Problem("ordinary", between(rng, lower, upper), target, weight, lower, upper)


def nine_decades(rng: np.random.Generator, n: int) -> Problem:
    """Weights from 1e-5 to 1e4 in one fleet."""
    p = ordinary(rng, n)
    weight = 10.0 ** rng.uniform(-5.0, 4.0, n)
    return Problem("nine_decades", p.request_mw, p.target_mw, weight, p.lower_mw, p.upper_mw)


def targets_outside(rng: np.random.Generator, n: int) -> Problem:
    """Targets that the limits cut off, far on both sides."""
    p = ordinary(rng, n)
    target = rng.uniform(-40.0, 40.0, n)
    return Problem("targets_outside", p.request_mw, target, p.weight, p.lower_mw, p.upper_mw)


def all_at_limits(rng: np.random.Generator, n: int) -> Problem:
    """The request is the sum of one limit of each unit: nobody is free."""
    p = ordinary(rng, n)
    chosen = rng.uniform(size=n) < 0.5
    x = np.where(chosen, p.upper_mw, p.lower_mw)
    # Targets far beyond the chosen limit keep each unit there.
    target = np.where(chosen, p.upper_mw + 50.0, p.lower_mw - 50.0)
    weight = np.full(n, 1e-3)
    return Problem("all_at_limits", float(x.sum()), target, weight, p.lower_mw, p.upper_mw)


def zero_width(rng: np.random.Generator, n: int) -> Problem:
    """Half of the boxes are points, as with units that hold their last setpoint."""
    p = ordinary(rng, n)
    pinned = rng.uniform(size=n) < 0.5
    upper = np.where(pinned, p.lower_mw, p.upper_mw)
    target = np.where(pinned, p.lower_mw, p.target_mw)
    request = between(rng, p.lower_mw, upper)
    return Problem("zero_width", request, target, p.weight, p.lower_mw, upper)


def equal_breakpoints(rng: np.random.Generator, n: int) -> Problem:
    """Identical units: all meet their limits at the same lam, often just there."""
    kinds = rng.integers(0, 3, n)
    upper = np.array([1.0, 2.0, 4.0])[kinds]
    lower = -upper
    weight = upper.copy()
    target = np.zeros(n)
    fraction = float(rng.choice([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]))
    request = fraction * float(upper.sum())
    return Problem("equal_breakpoints", request, target, weight, lower, upper)


def at_targets(rng: np.random.Generator, n: int) -> Problem:
    """Targets on the limits: at lam = 0 every unit stands on a breakpoint."""
    p = ordinary(rng, n)
    target = np.where(rng.uniform(size=n) < 0.5, p.lower_mw, p.upper_mw)
    return Problem("at_targets", p.request_mw, target, p.weight, p.lower_mw, p.upper_mw)


def geometric(rng: np.random.Generator, n: int) -> Problem:
    """Breakpoints in geometric order: Newton alone would pass them one by one."""
    k = np.minimum(np.arange(n), 60)
    weight = 0.5**k
    upper = np.ones(n)
    lower = np.zeros(n)
    request = float(rng.uniform(0.0, 1.0)) * n
    return Problem("geometric", request, np.zeros(n), weight, lower, upper)


def too_much(rng: np.random.Generator, n: int) -> Problem:
    """More than the upper limits."""
    p = ordinary(rng, n)
    request = float(p.upper_mw.sum()) + float(rng.uniform(1e-6, 50.0))
    return Problem("too_much", request, *p.arrays)


def too_little(rng: np.random.Generator, n: int) -> Problem:
    """Less than the lower limits."""
    p = ordinary(rng, n)
    request = float(p.lower_mw.sum()) - float(rng.uniform(1e-6, 50.0))
    return Problem("too_little", request, *p.arrays)


def tiny_and_huge(rng: np.random.Generator, n: int) -> Problem:
    """Kilowatt units beside a station of a gigawatt."""
    p = ordinary(rng, n)
    scale = 10.0 ** rng.uniform(-6.0, 3.0, n)
    lower, upper = p.lower_mw * scale, p.upper_mw * scale
    request = between(rng, lower, upper)
    return Problem("tiny_and_huge", request, p.target_mw * scale, p.weight, lower, upper)


FAMILIES = (
    ordinary, nine_decades, targets_outside, all_at_limits, zero_width, equal_breakpoints,
    at_targets, geometric, too_much, too_little, tiny_and_huge,
)  # fmt: skip


def problems(seed: int, count: int, n_max: int) -> Iterator[Problem]:
    """`count` problems, all families in turn, of 1 to `n_max` units."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        yield FAMILIES[k % len(FAMILIES)](rng, int(rng.integers(1, n_max + 1)))
