"""The splits beside one streaming pass, call by call in turn.

A streaming pass reads target, weight, lower and upper once and writes the output once: no split
can be faster. Splits and passes are measured in turn, on inputs that change at each call and
together do not fit the caches. STREAMS passes are timed at once: about as long as one split, so
that whatever else the machine does meets both alike.

The several-point split is measured so at 10,000 and at 1,000,000 units (`growth`): how many passes
it takes may not grow. Its time per unit does: 10,000 units stay in the second cache, where a pass
takes 0.5 ns a unit, and a million come from memory, at 4 ns.
"""

import numba
import numpy as np

from benchmarks import ahead, fleets, ours
from benchmarks.timing import Row, row, timed

N = 1_000_000
SMALL = 10_000
GROWTH = "several points, warm, beside passes"
BESIDE = "streaming pass beside it"
POINTS = 2
FLEETS = 4
ROUNDS = 40
STREAMS = 4


@numba.njit(error_model="numpy")
def streaming_pass(target_mw, weight, lower_mw, upper_mw, out_mw):
    """Read four arrays, write one. LLVM makes vector instructions of it."""
    for i in range(target_mw.shape[0]):
        x = target_mw[i] + weight[i]
        x = x if x > lower_mw[i] else lower_mw[i]
        out_mw[i] = x if x < upper_mw[i] else upper_mw[i]


def measure() -> list[Row]:
    """Three rows; `note` holds the ratio of the medians."""

    def streams(k: int) -> float:
        problems = (cold, warm)[k % 2].problems
        ns, _ = timed(
            lambda: [streaming_pass(*problems[j % FLEETS].arrays, out_mw) for j in range(STREAMS)]
        )
        return ns / STREAMS

    cold = ours.Exact(fleets.unlike(N, FLEETS), warm=False)
    warm = ours.Exact(fleets.ticks(N, FLEETS), warm=True)
    out_mw = np.empty(N)
    streaming_pass(*cold.problems[0].arrays, out_mw)
    times: dict[str, list[float]] = {"stream": [], "cold": [], "warm": []}
    for k in range(ROUNDS):
        times["stream"].append(streams(k))
        times["cold"].append(cold(k))
        times["warm"].append(warm(k))
    stream = row("streaming pass", "read 4 arrays, write 1", N, times["stream"])
    rows = [stream]
    for name, calls in (("cold", cold), ("warm", warm)):
        ratio = float(np.median(times[name])) / 1e3 / stream.median_us
        rows.append(
            row(f"{ours.WHO}, {name}", ours.WHAT, N, times[name], sum_error_mw=calls.sum_error_mw,
                cost_over_best=0.0, note=f"{ratio:.2f} streaming passes")
        )  # fmt: skip
    return rows


def growth() -> list[Row]:
    """Four rows: a pass and the several-point split at both sizes; `note` holds the ratio."""
    rows = []
    for n, rounds in ((SMALL, 50 * ROUNDS), (N, ROUNDS)):
        calls = ahead.Calls(ahead.problems(n, POINTS, FLEETS, alike=True), warm=True)
        out_mw = np.empty(n)
        times: dict[str, list[float]] = {"pass": [], "split": []}
        for k in range(rounds):
            arrays = (*calls.made[k % FLEETS].units.arrays, out_mw)
            ns, _ = timed(lambda a=arrays: [streaming_pass(*a) for _ in range(STREAMS)])
            times["pass"].append(ns / STREAMS)
            times["split"].append(calls(k))
        stream = row(BESIDE, "read 4 arrays, write 1", n, times["pass"])
        ratio = float(np.median(times["split"])) / 1e3 / stream.median_us
        rows += [
            stream,
            row(GROWTH, f"{POINTS} look-ahead points", n, times["split"],
                note=f"{ratio:.1f} streaming passes"),
        ]  # fmt: skip
    return rows


def growth_limit_us(rows: list[Row], times: float) -> float:
    """What N units may take if the passes of a split may grow by that factor, us."""
    median_us = {(r.who, r.n): r.median_us for r in rows}
    passes = median_us[GROWTH, SMALL] / median_us[BESIDE, SMALL]
    return times * passes * median_us[BESIDE, N]
