"""Random units that are trusted or not, for the digests and the laws."""

import numpy as np

from vppd.kernels import trust

LIMIT = 0.1


def in_a_tick(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """All that the kernels of `trust` write, for n random units in the middle of things."""
    low, base, high = np.sort(rng.uniform(-9.0, 9.0, (3, n)), axis=0)
    told = rng.uniform(low, high)
    p_mw = told + np.where(rng.random(n) < 0.5, 0.01, 3.0) * rng.uniform(-1.0, 1.0, n)
    p_mw[rng.random(n) < 0.1] = np.nan
    was_doubt = np.where(rng.random(n) < 0.1, np.nan, 0.15 * rng.random(n))
    was_benched = np.where(rng.random(n) < 0.5, np.nan, rng.uniform(0.0, 100.0, n))
    was_wait = np.where(rng.random(n) < 0.3, np.nan, 60.0 * rng.integers(0, 33, n))
    was_out = np.where(np.isnan(was_benched), 0, 20).astype(np.uint8)
    was_out[rng.random(n) < 0.1] = 6
    reason = np.where(rng.random(n) < 0.15, 6, 0).astype(np.uint8)
    doubt, benched, wait = np.empty((3, n))
    count = trust.judge(
        100.0, 1.0, LIMIT, low, high, p_mw, told, was_doubt, was_benched, was_wait, was_out,
        reason, doubt, benched, wait,
    )  # fmt: skip
    reach = rng.uniform(0.0, 4.0, n)
    box = np.stack([np.maximum(low, told - reach), np.minimum(high, told + reach)])
    reasons, span = np.full((2, n), 2, dtype=np.uint8), np.stack([low, high])
    shrunk = trust.shrink(LIMIT, doubt, reason, base, *box, *reasons, *span)
    before, after = np.full(n, 99.0), np.empty(n)
    seen = np.where(rng.random(n) < 0.2, before, before + rng.random(n))
    off = np.where(rng.random(n) < 0.2, np.nan, rng.uniform(-4.0, 4.0, n))
    avail = np.where(rng.random((2, n)) < 0.5, np.nan, np.stack([0.8 * low, 0.8 * high]))
    read = trust.count_doubt(
        LIMIT, 30.0, off, p_mw, before, seen, low, high, *avail, doubt, was_out, reason, after
    )  # fmt: skip
    return [
        np.array([count, shrunk, read]),
        reason,
        doubt,
        benched,
        wait,
        box,
        reasons,
        span,
        after,
    ]
