"""The search for lam, on the undecided units and on the sample, each by itself."""

import math

import numpy as np
import pytest
from kernels_counting import count_calls
from kernels_problems import FAMILIES, ordinary

from vppd.kernels import exact

NAN = math.nan


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    with np.errstate(all="ignore"):  # as compiled: no warnings
        yield count_calls(exact, monkeypatch)


def three(target=(0.0, 0.0, 0.0), weight=(1.0, 2.0, 4.0), lower=(-1.0,) * 3, upper=(1.0,) * 3):
    """Three units, which meet their limits at lam = +-1, +-0.5 and +-0.25."""
    return [np.array(a, dtype=float) for a in (target, weight, lower, upper)]


def response(lam, target, weight, lower, upper):
    return float(np.clip(target + lam * weight, lower, upper).sum())


@pytest.mark.parametrize("request_mw", [0.7, -0.7, 0.0, 2.0, -2.5, 2.999, 1.75])
@pytest.mark.parametrize("begin", [-0.9, 0.0, 0.2, 1.0])
def test_the_root_is_found_from_anywhere(request_mw, begin, calls):
    found, lam, total, _ = exact._search(request_mw, 0.0, 0.0, 0.0, begin, -1.0, 1.0, *three())
    assert found
    assert total == pytest.approx(request_mw, abs=1e-12)
    assert response(lam, *three()) == pytest.approx(request_mw, abs=1e-12)
    assert calls["_response"] <= 6


@pytest.mark.parametrize("request_mw", [1.7, -2.3, 9.0, 24.5])
@pytest.mark.parametrize("begin", [-0.9, 0.1, 0.5])
def test_the_others_respond_linearly_around_their_anchor(request_mw, begin):
    """Where the rest gives 5 MW at lam = 0.5, and 10 MW more for each unit of lam."""
    found, lam, total, slope = exact._search(request_mw, 5.0, 10.0, 0.5, begin, -4.0, 4.0, *three())
    assert found
    assert 5.0 + (lam - 0.5) * 10.0 + response(lam, *three()) == pytest.approx(request_mw)
    assert total == pytest.approx(request_mw)
    free = [w for w in (1.0, 2.0, 4.0) if abs(lam * w) <= 1.0]
    assert slope == 10.0 + sum(free)


@pytest.mark.parametrize(
    ("request_mw", "edge", "total_mw", "slope"),
    [(2.5, 0.2, 1.4, 7.0), (-0.5, 0.0, 0.0, 7.0), (9.0, 0.2, 1.4, 7.0), (-9.0, 0.0, 0.0, 7.0)],
)
@pytest.mark.parametrize("begin", [0.0, 0.05, 0.2])
def test_a_root_outside_gives_the_edge_that_it_lies_beyond(
    request_mw, edge, total_mw, slope, begin
):
    found, lam, total, slope_there = exact._search(
        request_mw, 0.0, 0.0, 0.0, begin, 0.0, 0.2, *three()
    )
    assert not found
    assert (lam, slope_there) == (edge, slope)
    assert total == pytest.approx(total_mw)


@pytest.mark.parametrize(("request_mw", "lam"), [(1.4, 0.2), (0.0, 0.0)])
def test_a_root_on_an_edge_is_inside(request_mw, lam):
    found, at, _, _ = exact._search(request_mw, 0.0, 0.0, 0.0, 0.1, 0.0, 0.2, *three())
    assert found
    assert at == pytest.approx(lam)


# One unit rises from 0 to 1 MW between lam = 0 and 1, the other between 3 and 4.
STEPS = three(target=(0.0, -3.0, 0.0), weight=(1.0,) * 3, lower=(0.0,) * 3, upper=(1.0, 1.0, 0.0))


@pytest.mark.parametrize("request_mw", [0.25, 0.75, 1.0, 1.25, 1.9])
@pytest.mark.parametrize("begin", [-2.0, 2.0, 2.9, 6.0])
def test_where_nobody_moves_the_bracket_is_halved(request_mw, begin):
    found, lam, total, _ = exact._search(request_mw, 0.0, 0.0, 0.0, begin, -2.0, 6.0, *STEPS)
    assert found
    assert total == response(lam, *STEPS) == pytest.approx(request_mw, abs=1e-15)


@pytest.mark.parametrize("begin", [0.0, 1e100])
def test_newton_that_passes_breakpoints_one_by_one_is_cut_short(begin, calls):
    """Each unit meets its limit at ten times the lam of the one before: 57 rounds otherwise."""
    k = np.arange(100)
    arrays = np.zeros(100), 0.1**k, np.zeros(100), np.ones(100)
    found, lam, _, _ = exact._search(99.9, 0.0, 0.0, 0.0, begin, 0.0, 1e101, *arrays)
    assert found
    assert response(lam, *arrays) == pytest.approx(99.9)
    assert calls["_response"] <= 13


def test_a_root_between_two_numbers_is_the_one_next_to_it(calls):
    """The slope is so steep that no lam gives the sum to the last bit."""
    arrays = three(weight=(3e15, 1e15, 7e15), lower=(-9.0,) * 3, upper=(9.0,) * 3)
    found, lam, _, _ = exact._search(0.1, 0.0, 0.0, 0.0, 1e-16, -1.0, 1.0, *arrays)
    assert found
    assert lam == pytest.approx(0.1 / 11e15, rel=1e-12)
    assert calls["_response"] <= 8


def test_a_unit_that_jumps_between_two_numbers_ends_the_search(calls):
    """At lam = 1 it is at its lower limit, at the next number at its upper one."""
    arrays = [np.array([a]) for a in (-1e18 - 128.0, 1e18, 0.0, 5.0)]
    for begin in (0.5, 1.5):
        calls.clear()
        found, lam, total, slope = exact._search(2.5, 0.0, 0.0, 0.0, begin, 0.0, 2.0, *arrays)
        assert found
        assert (lam, total) in [(1.0, 0.0), (math.nextafter(1.0, 2.0), 5.0)]
        assert slope == 0.0
        assert calls["_response"] <= 56  # 53 bits
    out = np.full(1, NAN)
    code, _, _ = exact.split_exact(2.5, *arrays, NAN, out)
    assert (code, out[0]) == (0, 2.5)


def test_the_search_ends_in_any_case(monkeypatch):
    monkeypatch.setattr(exact, "ROUNDS_MAX", 1)
    found, lam, total, slope = exact._search(0.7, 0.0, 0.0, 0.0, 0.9, -1.0, 1.0, *three())
    assert found
    assert lam < 0.9
    assert (total, slope) == (2.9, 1.0)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [1024, 4100])
def test_a_sample_is_solved_to_half_a_percent(family, n):
    p = family(np.random.default_rng(n), n)
    lam = exact._sample(p.request_mw, 0.0, *p.arrays)
    stride = n // 128
    chosen = [k for first in range(0, n - 7, stride) for k in range(first, first + 8)]
    arrays = [a[chosen] for a in p.arrays]
    y = arrays[0] + lam * arrays[1]
    x = np.clip(y, arrays[2], arrays[3])
    gap = p.request_mw * len(chosen) / n - x.sum()
    nobody_moves = not arrays[1][x == y].sum() > 0.0
    assert nobody_moves or abs(gap) <= 0.005 * np.abs(x).sum() or family.__name__ == "geometric"


def test_a_sample_that_is_solved_already_is_left(calls):
    """One look at 128 runs of 8 units."""
    p = ordinary(np.random.default_rng(5), 1024)
    lam = exact._sample(p.request_mw, 0.0, *p.arrays)
    calls.clear()
    assert exact._sample(p.request_mw, lam, *p.arrays) == lam
    assert calls["_clip"] == 1024


@pytest.mark.parametrize("scale", [1.0, 2.0**-20])
@pytest.mark.parametrize(("begin", "sign"), [(-1.0, 1.0), (1.0, -1.0), (3.0, 1.0)])
def test_a_sample_on_which_newton_swings_is_halved(scale, begin, sign):
    """Half of the units move slowly everywhere, half fast around lam = 0: 12 rounds end near."""
    slow = np.tile([True, False], 512)
    weight = np.where(slow, 0.1, 100.0) * scale
    upper = np.where(slow, 1e3, 1.0) * scale
    lam = exact._sample(sign * 100.0 * scale, begin, np.zeros(1024), weight, -upper, upper)
    assert lam == pytest.approx(sign * 100.0 / (512.0 * 100.1), abs=2e-4)


@pytest.mark.parametrize("request_mw", [1e300, -1e300])
def test_a_sample_that_leads_too_far_is_dropped(request_mw):
    p = ordinary(np.random.default_rng(5), 1024)
    assert exact._sample(request_mw, 0.5, *p.arrays) == 0.0


@pytest.mark.parametrize("bad", [NAN, math.inf, 1e300])
def test_a_sample_gives_a_number_whatever_the_fleet(bad):
    """The input is not checked yet."""
    for which in range(4):
        p = ordinary(np.random.default_rng(5), 1024)
        p.arrays[which][::9] = bad
        assert abs(exact._sample(p.request_mw, 0.0, *p.arrays)) <= exact.LAM_MAX


def test_a_large_run_is_spread_over_the_fleet(calls):
    """From a million units on a run is longer: together a 64th of the fleet."""
    n = 2**20 + 2**17
    zero, one = np.zeros(n), np.ones(n)
    assert exact._sample(0.0, 0.0, zero, one, -one, one) == 0.0
    assert calls["_clip"] == 128 * (n // 8192)
