"""How often the splits read the fleet: a wrong step would still end at the right answer, later.

Counted in the uncompiled kernels. The problems come from seeds and the bits are the same on every
machine, so these are the counts of today; fewer are welcome, more are a loss.
"""

import math

import numpy as np
import pytest
from kernels_counting import count_calls
from kernels_problems import FAMILIES, Problem, ordinary

from vppd.kernels import exact, merit_order, pro_rata

# 20 problems of 1 to 58 units each. Windows gathered, ends sought, responses taken and of how
# many units together, answers written, units clipped (once for each reading).
COUNTED = ("_gather", "_ends", "_response", "units", "_respond", "_clip")
WORK = {
    "ordinary": (34, 0, 92, 1533, 20, 2714),
    "nine_decades": (63, 8, 205, 1738, 25, 3049),
    "targets_outside": (22, 8, 143, 2678, 20, 3869),
    "all_at_limits": (0, 20, 136, 5074, 19, 6280),
    "zero_width": (43, 0, 115, 1634, 20, 2816),
    "equal_breakpoints": (20, 0, 27, 322, 20, 1502),
    "at_targets": (44, 0, 107, 1409, 20, 2590),
    "geometric": (63, 9, 327, 9356, 20, 10545),
    "too_much": (49, 20, 115, 2272, 0, 2862),
    "too_little": (52, 20, 125, 2421, 0, 3011),
    "tiny_and_huge": (49, 0, 123, 1388, 20, 2574),
}


@pytest.fixture
def work(monkeypatch):
    return count_calls(exact, monkeypatch)


def solve(p: Problem, request_mw: float, lam0: float) -> float:
    _, lam, _ = exact.split_exact(request_mw, *p.arrays, lam0, np.empty(p.target_mw.size))
    return lam


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_from_nothing(work, family):
    for k in range(20):
        p = family(np.random.default_rng(k), 1 + 3 * k)
        solve(p, p.request_mw, math.nan)
    told = tuple(work[name] for name in COUNTED)
    assert all(n <= most for n, most in zip(told, WORK[family.__name__], strict=True)), told


def test_from_the_last_tick(work):
    """The fleet is surveyed once, one window is gathered, one answer written."""
    for k in range(20):
        p = ordinary(np.random.default_rng(k), 80)
        lam = solve(p, p.request_mw, math.nan)
        work.clear()
        solve(p, p.request_mw + 0.01, lam)
        assert (work["_survey"], work["_gather"], work["_respond"]) == (1, 1, 1)
        assert work["_ends"] == 0
        assert work["units"] <= 12


@pytest.mark.parametrize(
    ("n", "sampled", "windows", "units", "clips"),
    [(4095, 0, 3, 18400, 26590), (4096, 1, 1, 700, 12988), (9000, 1, 1, 1604, 23732)],
)
def test_a_large_fleet_begins_on_a_sample(work, n, sampled, windows, units, clips):
    p = ordinary(np.random.default_rng(3), n)
    solve(p, p.request_mw, math.nan)
    assert work["_sample"] == sampled
    assert work["_gather"] <= windows
    assert work["units"] <= units
    assert work["_clip"] <= clips
    assert (work["_respond"], work["_ends"]) == (1, 0)


@pytest.mark.parametrize(("module", "clips"), [(pro_rata, 8048), (merit_order, 8134)])
def test_the_last_correction_ends_when_nothing_is_left(module, clips, monkeypatch):
    """Each unit is clipped a few times, and in the correction hardly any."""
    counts = count_calls(module, monkeypatch)
    for k in range(40):
        p = ordinary(np.random.default_rng(k), 50)
        out = np.empty(50)
        limits = (p.lower_mw, p.upper_mw)
        if module is pro_rata:
            module.split_pro_rata(p.request_mw, p.target_mw, *limits, out)
        else:
            module.split_merit_order(p.request_mw, p.target_mw, np.arange(50), *limits, out)
    assert counts["_clip"] <= clips
