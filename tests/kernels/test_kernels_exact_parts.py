"""The steps of `split_exact`, each by itself: most mistakes in one are mended by the next."""

import math
from fractions import Fraction

import numpy as np
import pytest
from kernels_counting import count_calls

from vppd.kernels import exact, status

NAN = math.nan


@pytest.fixture(autouse=True)
def _uncompiled(monkeypatch):
    count_calls(exact, monkeypatch)


def three(target=(0.0, 0.0, 0.0), weight=(1.0, 2.0, 4.0), lower=(-1.0,) * 3, upper=(1.0,) * 3):
    """Three units, which meet their limits at lam = +-1, +-0.5 and +-0.25."""
    return [np.array(a, dtype=float) for a in (target, weight, lower, upper)]


def clip(lam, target, weight, lower, upper):
    return np.clip(target + lam * weight, lower, upper)


# --- the last correction -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "lam", "out", "expected", "largest"),
    [
        (0.0, 0.1, (0.1, 0.2, 0.4), (0.1, 0.2, 0.4), 0.0),
        (1e-9, 0.1, (0.1, 0.2, 0.4), (0.1, 0.2, 0.4), 1e-9),  # within its unit: nothing moves
        (-1e-9, 0.1, (0.1, 0.2, 0.4), (0.1, 0.2, 0.4), 1e-9),
        (0.5, 0.1, (0.1, 0.2, 0.4), (0.6, 0.2, 0.4), 0.5),
        (-0.5, 0.1, (0.1, 0.2, 0.4), (-0.4, 0.2, 0.4), 0.5),
        (1.5, 0.1, (0.25, 0.0, 0.5), (1.0, 0.75, 0.5), 0.75),  # the first has too little room
        (0.5, 0.75, (0.75, 1.0, 1.0), (1.0, 1.0, 1.0), 0.25),  # nobody has: what is left over
        (-0.5, 0.75, (0.75, 1.0, 1.0), (0.25, 1.0, 1.0), 0.5),  # the free one, not the first
        (-0.5, 3.0, (1.0, 1.0, 1.0), (0.5, 1.0, 1.0), 0.5),  # nobody is free: anyone
        (-0.5, 1.0, (1.0, 1.0, 1.0), (0.5, 1.0, 1.0), 0.5),  # just on its limit is free
        (0.5, -1.0, (-1.0, -1.0, -1.0), (-0.5, -1.0, -1.0), 0.5),
        (9.0, 3.0, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 9.0),
        (3.0, 3.0, (1.0, 0.0, 1.0), (1.0, 1.0, 1.0), 2.0),
    ],
)
def test_what_rounding_left_goes_to_free_units_first(gap, lam, out, expected, largest):
    p = np.array(out)
    assert exact._place(gap, 1e-9, lam, *three(), p) == pytest.approx(largest, abs=1e-15)
    assert p.tolist() == pytest.approx(list(expected))


def test_free_units_go_before_those_at_their_limits():
    """At lam = 0.3 the third unit alone is at its limit; with the order turned it stands first."""
    turned = [a[::-1].copy() for a in three()]
    p = np.array([1.0, 0.6, 0.3])
    assert exact._place(-0.5, 0.0, 0.3, *turned, p) == pytest.approx(0.5)
    assert p.tolist() == pytest.approx([1.0, 0.1, 0.3])


@pytest.mark.parametrize("edge", [1.0, -1.0])
def test_a_unit_just_on_its_limit_is_free(edge):
    """The first is beyond its limit, the second just on it."""
    arrays = three(target=(2.0 * edge, edge, 0.0))
    p = np.array([edge, edge, 0.0])
    exact._place(-0.25 * edge, 0.0, 0.0, *arrays, p)
    assert p.tolist() == [edge, 0.75 * edge, 0.0]


# --- writing -------------------------------------------------------------------------------


def test_writing_mends_lam_and_says_that_the_sum_is_met():
    arrays = three()
    out = np.full(3, NAN)
    lam, gap, unit, met = exact._write(0.7, 0.05, 7.0, *arrays, out)
    assert met
    assert lam == pytest.approx(0.1)
    assert abs(gap) <= 8.0 * unit + 1e-15
    assert unit / 2.0**-52 == pytest.approx(0.7)
    assert out.tolist() == pytest.approx([0.1, 0.2, 0.4])


@pytest.mark.parametrize(("slope", "lam_after"), [(1e9, 0.05), (0.0, 0.05), (-1.0, 0.05)])
def test_writing_says_what_is_missing_after_its_last_attempt(slope, lam_after):
    out = np.full(3, NAN)
    lam, gap, _, met = exact._write(0.7, 0.05, slope, *three(), out)
    assert not met
    assert lam == pytest.approx(lam_after)
    assert gap == pytest.approx(0.35)
    assert out.tolist() == clip(lam, *three()).tolist()


def test_after_the_last_attempt_lam_is_the_one_that_was_written():
    """A slope of twice the real one: each step goes half of the way."""
    out = np.full(3, NAN)
    lam, gap, _, met = exact._write(0.7, 0.0, 14.0, *three(), out)
    assert not met
    assert lam == pytest.approx(0.1 * (1.0 - 0.5**3))
    assert gap == pytest.approx(0.7 * 0.5**3)
    assert out.tolist() == clip(lam, *three()).tolist()


# --- sums ----------------------------------------------------------------------------------


def big_fleet(n=200):
    """Units that meet limits at many lam, with a station whose power swallows small ones."""
    rng = np.random.default_rng(41)
    upper = rng.uniform(0.0, 5.0, n)
    lower = -rng.uniform(0.0, 5.0, n)
    target = rng.uniform(-6.0, 6.0, n)
    weight = rng.uniform(0.5, 2.0, n)
    for k, power in ((3, 2.0**60), (150, -(2.0**60))):
        target[k] = lower[k] = upper[k] = power
    return target, weight, lower, upper


def total(values):
    return float(sum(Fraction(v) for v in values.tolist()))


@pytest.mark.parametrize("lam", [-3.0, 0.0, 0.7, 4.0])
def test_the_response_at_lam_and_its_slope(lam):
    p = big_fleet()
    x = clip(lam, *p)
    y = p[0] + lam * p[1]
    mw, slope, below, above = exact._response(lam, *p)
    assert mw == pytest.approx(total(x), abs=200.0 * 2.0**8)  # blocks are summed plainly
    assert slope == pytest.approx(p[1][x == y].sum())
    assert below == np.count_nonzero(y < p[2])
    assert above == np.count_nonzero(y > p[3])
    faulty, surveyed_mw, surveyed_slope = exact._survey(lam, *p)
    assert (faulty, surveyed_mw, surveyed_slope) == (0, mw, slope)


def test_sums_over_blocks_lose_nothing():
    """Each block's own sum is exact here; the plain sum of the blocks would lose the ones."""
    n = 64 * 3
    values = np.zeros(n)
    values[0], values[64], values[128] = 2.0**60, 1.0, -(2.0**60)
    p = values, np.ones(n), values - 1.0, values + 1.0
    assert exact._response(0.0, *p)[0] == 1.0
    assert exact._survey(0.0, *p)[1] == 1.0
    low, high, lower_mw, upper_mw = exact._ends(values, np.ones(n), values, values)
    assert (low, high, lower_mw, upper_mw) == (0.0, 0.0, 1.0, 1.0)
    out = np.empty(n)
    whole, lost, size = exact._respond(0.0, *p, out)
    assert whole + lost == 1.0
    assert size == 2.0**61
    assert out.tolist() == values.tolist()


def test_the_ends_are_the_first_and_last_breakpoint():
    arrays = three(target=(0.5, 0.0, 0.0), lower=(-1.0, -4.0, -1.0))
    assert exact._ends(*arrays) == (-2.0, 0.5, -6.0, 3.0)
    assert exact._ends(*(a[:0] for a in arrays)) == (0.0, 0.0, 0.0, 0.0)


# --- checking ------------------------------------------------------------------------------

MOST, LEAST = exact.MAGNITUDE_MAX, exact.WEIGHT_MIN
MORE, LESS = math.nextafter(MOST, math.inf), math.nextafter(LEAST, 0.0)


@pytest.mark.parametrize(
    ("target", "weight", "lower", "upper", "faulty"),
    [
        (0.0, 1.0, -1.0, 1.0, 0),
        (MOST, MOST, -MOST, MOST, 0),
        (-MOST, LEAST, -MOST, -MOST, 0),
        (0.0, 1.0, 1.0, 1.0, 0),
        (MORE, 1.0, -1.0, 1.0, 1),
        (-MORE, 1.0, -1.0, 1.0, 1),
        (0.0, MORE, -1.0, 1.0, 1),
        (0.0, LESS, -1.0, 1.0, 1),
        (0.0, 1.0, -MORE, 1.0, 1),
        (0.0, 1.0, -1.0, MORE, 1),
        (0.0, 1.0, MORE, MORE, 1),
        (0.0, 1.0, 1.0, 0.5, 1),
        (NAN, 1.0, -1.0, 1.0, 1),
        (0.0, NAN, -1.0, 1.0, 1),
        (0.0, 1.0, NAN, 1.0, 1),
        (0.0, 1.0, -1.0, NAN, 1),
        (NAN, NAN, NAN, NAN, 1),
    ],
)
def test_faulty_units_are_counted(target, weight, lower, upper, faulty):
    arrays = [np.array([a, a]) for a in (target, weight, lower, upper)]
    first, end = np.uint64(0), np.uint64(2)
    assert exact._count_faulty(first, end, *arrays) == 2 * faulty
    assert exact._survey(0.0, *arrays)[0] == 2 * faulty


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_largest_request_is_taken_and_the_next_refused(sign):
    out = np.empty(3)
    assert exact.split_exact(sign * MOST, *three(), NAN, out)[0] != status.BAD_INPUT
    assert exact.split_exact(sign * MORE, *three(), NAN, out)[0] == status.BAD_INPUT


# --- the window ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lam", "reach", "undecided"),
    [
        (0.0, 0.2, []),
        (0.0, 0.25, [2]),  # just on the edge
        (0.0, 0.5, [1, 2]),
        (0.0, 1.0, [0, 1, 2]),
        (0.75, 0.25, [0, 1]),
        (-0.75, 0.25, [0, 1]),
        (0.75, 0.1, []),
        (0.3, 0.1, [2]),
        (-0.3, 0.1, [2]),
    ],
)
def test_undecided_are_those_that_meet_a_limit_in_the_window(lam, reach, undecided):
    arrays = [
        np.concatenate([a, np.full(12, b)]) for a, b in zip(three(), (0, 1, -9, 9), strict=True)
    ]
    n = len(arrays[0])
    for a in arrays:
        a[3:] += 0.0
    assert exact._count_undecided(
        lam, reach, np.uint64(0), np.uint64(n), *arrays
    ) == len(undecided)  # fmt: skip
    room = np.full(n, NAN)
    assert exact._gather(lam, reach, *arrays, room) == len(undecided)
    quarter = n // 4
    for part, a in enumerate(arrays):
        start = part * quarter
        assert room[start : start + len(undecided)].tolist() == a[undecided].tolist()
        assert np.isnan(room[start + len(undecided) : start + quarter]).all()


def test_too_many_undecided_are_not_gathered():
    """A quarter of the fleet fits; from any block on."""
    n = 400
    target, weight = np.zeros(n), np.ones(n)
    lower, upper = np.full(n, -9.0), np.full(n, 9.0)
    upper[-100:] = 1.0
    assert exact._gather(1.0, 0.1, target, weight, lower, upper, np.empty(n)) == 100
    upper[-101:] = 1.0
    assert exact._gather(1.0, 0.1, target, weight, lower, upper, np.empty(n)) == -1
