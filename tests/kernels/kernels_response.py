"""The kernels of the response model, called from tick to tick as the core calls them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vppd.kernels import aims, response

NAN = math.nan


@dataclass
class Model:
    """Response of n units, and what is known of them."""

    dead_s: np.ndarray
    lag_s: np.ndarray
    tick_s: float = 1.0
    correction: float = 0.1
    offset_correction: float = 0.02
    snap_mw: float = 1e9
    gain_min_pu: float = 0.0
    before_s: float = NAN

    def __post_init__(self) -> None:
        self.n = self.dead_s.size
        self.y, self.seen_s = np.full(self.n, NAN), np.full(self.n, NAN)
        self.offset_mw = np.zeros(self.n)
        self.told_mw = np.zeros(self.n)
        longest = np.array([self.dead_s.max()])
        self.past_end = np.empty(self.n, np.int64)
        self.past_mw = np.full(response.find_ends(self.dead_s, self.tick_s, self.past_end), NAN)
        self.when_s = np.full(response.count_rows(longest, self.tick_s), -math.inf)

    def tick(self, now_s, meas_mw, at_s, ahead_s=(1.0, 8.0), **answers):
        """Free response and gains, each (K, n). Afterwards say what is told with `tell`."""
        accepted_mw = answers.get("accepted_mw", self.told_mw)
        accepted_at_s = answers.get("accepted_at_s", np.full(self.n, now_s))
        result = answers.get("result", np.ones(self.n, np.uint8))
        was_out = answers.get("was_out", np.zeros(self.n, np.uint8))
        past_mw, when_s = np.empty_like(self.past_mw), np.empty_like(self.when_s)
        stands_mw = np.empty(self.n)
        self.lost = response.shift_rows(
            now_s, self.tick_s, self.when_s, self.past_end, self.past_mw, accepted_mw,
            accepted_at_s, result, was_out, self.told_mw, past_mw, when_s, stands_mw,
        )  # fmt: skip
        self.stands_mw = stands_mw
        self.past_mw, self.when_s = past_mw, when_s
        ahead = np.array(ahead_s)
        free_mw, gain_pu = np.empty((2, ahead.size, self.n))
        response.find_gains(self.dead_s, self.lag_s, ahead, self.gain_min_pu, gain_pu)
        quality = answers.get("quality", np.zeros(self.n, np.uint8))
        y, offset_mw, seen_s, self.off_mw = np.empty((4, self.n))
        self.begun = response.foresee(
            self.before_s, now_s, self.y, self.offset_mw, self.seen_s,
            np.asarray(meas_mw, dtype=np.float64), np.asarray(at_s, dtype=np.float64), quality,
            self.dead_s, self.lag_s, self.past_end, self.correction, self.offset_correction,
            np.full(self.n, self.snap_mw), self.told_mw, past_mw, when_s, ahead,
            y, offset_mw, seen_s, self.off_mw, free_mw,
        )  # fmt: skip
        self.y, self.offset_mw, self.seen_s, self.before_s = y, offset_mw, seen_s, now_s
        return free_mw, gain_pu

    def tell(self, p_mw, send=None):
        """Setpoints of this tick."""
        p_mw = np.asarray(p_mw, dtype=np.float64)
        sent = np.ones(self.n, np.uint8) if send is None else np.asarray(send, dtype=np.uint8)
        count = response.keep(self.past_end, sent, p_mw, self.told_mw, self.past_mw)
        self.told_mw = p_mw
        return count


def outputs(rng: np.random.Generator, n: int = 40) -> Iterator[np.ndarray]:
    """All that the kernels of this room give, of random units, for the digest."""
    model = Model(rng.uniform(0.0, 9.0, n), rng.uniform(0.0, 20.0, n))
    for j in range(12):
        seen_s = np.full(n, 0.9 * j - rng.random())
        free_mw, gain_pu = model.tick(0.9 * j, rng.normal(size=n), seen_s)
        model.tell(rng.normal(size=n), rng.integers(0, 2, n))
        yield from (free_mw, gain_pu, model.y, model.offset_mw, model.past_mw)
    out = np.empty(n)
    sums = np.empty(len(free_mw))
    yield np.array([
        response.expect(free_mw, gain_pu, model.stands_mw, model.told_mw, out, sums)
    ])  # fmt: skip
    yield out
    yield np.array([response.decay(x) for x in rng.uniform(0.0, 45.0, n).tolist()])
    low_mw, middle_mw, high_mw = np.sort(rng.normal(0.0, 9.0, (3, n)), axis=0)
    soc, energy, share, cost = rng.uniform(0.01, 1.0, (4, n))
    base_mw, weight = np.empty((2, n))
    back_mw = np.empty(n)
    yield np.array([aims.recover(
        soc, energy, np.full(n, 0.1), np.full(n, 0.9), 7200.0, 0.1, low_mw, high_mw, 0.01,
        np.where(cost > 1.0, 0.2, np.nan), back_mw,
    )])  # fmt: skip
    yield np.array([aims.economy(
        3.0, middle_mw, back_mw, share, low_mw, high_mw, base_mw, weight
    )])  # fmt: skip
    yield from (back_mw, base_mw, weight)
    still = np.empty(n, np.uint8)
    yield np.array([aims.find_still(
        0.05, gain_pu[0], middle_mw, model.told_mw, low_mw - 9.0, high_mw + 9.0, low_mw, high_mw,
        still,
    )])  # fmt: skip
    yield still
    wanted_mw, gain, rest = np.empty(2), np.empty((2, n + 1)), np.empty((5, n + 1))
    moves = np.zeros(n, np.uint8)
    aims.aim(
        np.array([3.0, 3.5]), free_mw, gain_pu, model.stands_mw, middle_mw, base_mw, share, cost,
        low_mw, high_mw, low_mw, high_mw, model.told_mw, moves, 0.5, wanted_mw, gain, rest,
    )  # fmt: skip
    yield from (wanted_mw, gain, rest[:4])
