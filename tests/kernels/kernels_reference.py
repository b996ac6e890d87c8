"""The same problem solved another way, in exact arithmetic: breakpoints sorted, then bisection.

Shares nothing with the kernel. Every float is a rational number, so the answer is exact.
"""

from fractions import Fraction

from kernels_problems import Problem


class _Unit:
    def __init__(self, target: float, weight: float, lower: float, upper: float) -> None:
        self.target, self.weight = Fraction(target), Fraction(weight)
        self.lower, self.upper = Fraction(lower), Fraction(upper)
        self.begin = (self.lower - self.target) / self.weight
        self.end = (self.upper - self.target) / self.weight

    def at(self, lam: Fraction) -> Fraction:
        if lam <= self.begin:
            return self.lower
        if lam >= self.end:
            return self.upper
        return self.target + lam * self.weight


def solve(problem: Problem) -> list[Fraction]:
    """The optimal split; where the request cannot be served, the nearest limits."""
    units = [_Unit(*numbers) for numbers in zip(*(a.tolist() for a in problem.arrays), strict=True)]
    request = Fraction(problem.request_mw)
    if request >= sum(u.upper for u in units):
        return [u.upper for u in units]
    if request <= sum(u.lower for u in units):
        return [u.lower for u in units]
    points = sorted({p for u in units for p in (u.begin, u.end)})
    low, high = 0, len(points) - 1  # response(points[low]) <= request <= response(points[high])
    while high - low > 1:
        middle = (low + high) // 2
        if sum(u.at(points[middle]) for u in units) <= request:
            low = middle
        else:
            high = middle
    a, b = points[low], points[high]
    at_a, at_b = sum(u.at(a) for u in units), sum(u.at(b) for u in units)
    lam = a if at_a == at_b else a + (b - a) * (request - at_a) / (at_b - at_a)
    return [u.at(lam) for u in units]
