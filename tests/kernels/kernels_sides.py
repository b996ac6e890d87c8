"""Problems of units with exclusion bands, and all choices of sides one by one."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from vppd.kernels import bands, sides


@dataclass
class Sided:
    """What `choose_sides` takes. Arrays of shape (n,)."""

    request_mw: float
    target_mw: np.ndarray
    weight: np.ndarray
    lower_mw: np.ndarray
    upper_mw: np.ndarray
    band_lower_mw: np.ndarray
    band_upper_mw: np.ndarray
    side: np.ndarray
    open_sides: np.ndarray
    switch_cost: np.ndarray
    miss_weight: float = 1e-4

    def choose(self):
        """Cost, bound, and the chosen sides."""
        n = self.target_mw.size
        chosen, trial = np.zeros((2, n), dtype=np.uint8)
        cost, bound = sides.choose_sides(
            *vars(self).values(), chosen, trial, np.empty(sides.work_size(n))
        )
        return cost, bound, chosen

    def setpoints_mw(self, chosen):
        """Best setpoints on these sides, shape (k, n), and their costs; `chosen` (k, n)."""
        below = chosen == sides.BELOW
        band = ~np.isnan(self.band_lower_mw)
        low = np.where(below, self.lower_mw, self.band_upper_mw)
        high = np.where(below & band, self.band_lower_mw, self.upper_mw)
        least, most = np.full((2, len(chosen), 1), -1e9)
        most = -most
        for _ in range(120):
            price = 0.5 * (least + most)
            x = np.clip(self.target_mw + self.weight * price, low, high)
            over = x.sum(1, keepdims=True) + self.miss_weight * price > self.request_mw
            least, most = np.where(over, least, price), np.where(over, price, most)
        price = 0.5 * (least + most)
        x = np.clip(self.target_mw + self.weight * price, low, high)
        cost = ((x - self.target_mw) ** 2 / (2.0 * self.weight)).sum(1)
        cost += 0.5 * self.miss_weight * price[:, 0] ** 2
        cost += np.where(chosen != self.side, self.switch_cost, 0.0).sum(1)
        return x, cost

    def least_cost(self):
        """Of all choices of open sides."""
        choices = [[s for s in (1, 2) if open_ & s] for open_ in self.open_sides.tolist()]
        return float(self.setpoints_mw(np.array(list(product(*choices))))[1].min())


def sided(rng: np.random.Generator, banded: int, plain: int = 0) -> Sided:
    """A problem with so many units with a band, on/off or not, and so many without."""
    n = banded + plain
    rated = rng.lognormal(0.0, 0.7, n)
    lower = np.where(rng.random(n) < 0.5, -rated, 0.0)
    width = rated * (1.0 + rng.random(n))
    a, b = np.sort(rng.random((2, n)), axis=0)
    a = np.where(rng.random(n) < 0.3, 0.0, a)  # a point below the band
    b = np.where(rng.random(n) < 0.3, 1.0, b)
    band_low, band_high = lower + a * width, lower + b * width
    band_low[banded:] = band_high[banded:] = np.nan
    target = lower + width * rng.random(n)
    side = rng.integers(1, 3, n).astype(np.uint8)
    open_sides = np.where(rng.random(n) < 0.85, 3, side).astype(np.uint8)
    side[banded:] = open_sides[banded:] = 1
    cost = np.where(rng.random(n) < 0.3, 0.0, rng.exponential(0.2, n))
    request = rng.uniform(lower.sum(), (lower + width).sum())
    if rng.random() < 0.4:  # a small one
        request = target.sum() + 0.1 * rated.sum() * rng.normal()
    return Sided(
        float(request), target, width * rng.lognormal(0.0, 1.0, n), lower, lower + width,
        band_low, band_high, side, open_sides, cost,
    )  # fmt: skip


def alike(rng: np.random.Generator, n: int) -> Sided:
    """Units that are all the same, on or off: every one of them turns at the same price."""
    one = np.ones(n)
    return Sided(
        float(rng.uniform(0.0, 2.0 * n)), 0.0 * one, one, 0.0 * one, 2.0 * one, 0.0 * one, one,
        one.astype(np.uint8), 3 * one.astype(np.uint8), 0.01 * one,
    )  # fmt: skip


def in_a_tick(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """All that the kernels of `bands` write, for n random units in the middle of things."""
    p = sided(rng, n - n // 4, n // 4)
    last = rng.uniform(p.lower_mw, p.upper_mw)
    ramp = rng.lognormal(-1.0, 1.0, n)
    out, was_out = (rng.random((2, n)) < 0.1).astype(np.uint8)
    side, open_sides, why = np.zeros((3, n), dtype=np.uint8)
    since, left = np.empty((2, n))
    found = bands.find_sides(
        100.0, 1.0, p.band_lower_mw, p.band_upper_mw, rng.uniform(0.0, 60.0, n),
        rng.uniform(0.0, 60.0, n), np.where(rng.random(n) < 0.5, np.inf, 4.0), last,
        p.lower_mw, p.upper_mw, out, was_out, rng.integers(0, 3, n).astype(np.uint8),
        np.where(rng.random(n) < 0.2, np.nan, rng.uniform(0.0, 100.0, n)),
        np.where(rng.random(n) < 0.2, np.nan, rng.uniform(0.0, 4.0, n)),
        side, open_sides, why, since, left,
    )  # fmt: skip
    p.side, p.open_sides = side, open_sides
    _, _, chosen = p.choose()
    low, high = np.maximum(p.lower_mw, last - ramp), np.minimum(p.upper_mw, last + ramp)
    reasons = np.full((2, n), 2, dtype=np.uint8)
    range_mw, lasting = np.stack([p.lower_mw, p.upper_mw]), np.empty((2, n))
    crossing = bands.keep_to_sides(
        p.band_lower_mw, p.band_upper_mw, out, chosen, open_sides, why, low, high, *reasons,
        *range_mw, *lasting,
    )  # fmt: skip
    before = side.copy()
    switched = bands.remember_sides(100.0, p.band_lower_mw, chosen, out, side, since, left)
    return [
        np.array([found, crossing, switched]), before, open_sides, why, since, left, chosen, low,
        high, reasons, range_mw, lasting, side,
    ]  # fmt: skip
