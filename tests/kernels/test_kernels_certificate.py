"""`kkt_violation_mw` by hand, and the exact sums that every kernel carries along."""

import math
from fractions import Fraction

import numpy as np
import pytest

from vppd.kernels import exact, merit_order, pro_rata
from vppd.kernels.certificate import _two_sum, kkt_violation_mw
from vppd.kernels.sums import sum_in_order

BIG = 2.0**53


def violation_mw(request_mw, out, lam=0.5, target=(1.0, 2.0), lower=(0.0, 0.0), upper=(4.0, 4.0)):
    """Two units of weight 2 and 4: at lam = 0.5 the optimum is 2 MW and 4 MW."""
    columns = (np.array(a, dtype=float) for a in (target, (2.0, 4.0), lower, upper))
    return kkt_violation_mw(request_mw, *columns, lam, np.array(out, dtype=float))


@pytest.mark.parametrize(
    ("request_mw", "out", "lam", "expected_mw"),
    [
        (6.0, (2.0, 4.0), 0.5, 0.0),
        (6.5, (2.0, 4.0), 0.5, 0.5),  # the sum misses the request
        (5.75, (2.0, 4.0), 0.5, 0.25),
        (6.0, (2.25, 3.75), 0.5, 0.25),  # the sum is right, the units are not
        (6.0, (1.5, 4.0), 0.5, 0.5),
        (6.25, (2.0, 3.5), 0.5, 0.75),  # the sum is further off than the unit
        (6.0, (1.75, 4.5), 0.5, 0.5),
        (8.0, (4.0, 4.0), 9.0, 0.0),
        (9.0, (4.0, 4.0), 9.0, 0.0),  # more than they can: all are at their upper limits
        (8.0, (3.0, 4.0), 9.0, 1.0),
        (0.0, (0.0, 0.0), -9.0, 0.0),
        (-3.0, (0.0, 0.0), -9.0, 0.0),
        (-3.0, (0.0, 0.5), -9.0, 0.5),
        (9.0, (0.0, 0.0), -9.0, 8.0),
    ],
)
def test_by_hand(request_mw, out, lam, expected_mw):
    assert violation_mw(request_mw, out, lam) == expected_mw


@pytest.mark.parametrize("bad", [math.inf, -math.inf])
def test_what_is_infinite_is_infinitely_wrong(bad):
    assert violation_mw(6.0, (bad, 4.0)) == math.inf
    assert violation_mw(6.0, (2.0, bad)) == math.inf


def test_no_number_is_no_certificate():
    assert math.isnan(violation_mw(6.0, (math.nan, 4.0)))
    assert math.isnan(violation_mw(6.0, (2.0, math.nan)))
    assert math.isnan(violation_mw(math.nan, (2.0, 4.0)))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("beyond", [0.0, 4.0])
def test_limits_whose_plain_sum_is_wrong(sign, beyond):
    """The request is their sum, or beyond it: all are at their limits, and nothing is violated."""
    limit = sign * np.array([BIG, 1.0, 1.0])
    lower, upper = np.minimum(limit, 0.0), np.maximum(limit, 0.0)
    request_mw = sign * (BIG + 2.0 + beyond)
    given = (limit, np.ones(3), lower, upper, 0.0, limit)
    assert kkt_violation_mw(request_mw, *given) == 0.0
    short = limit - sign * np.array([0.0, 0.0, 1.0])
    assert kkt_violation_mw(request_mw, *given[:-1], short) == 1.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_request_that_only_the_plain_sum_of_the_limits_can_serve(sign):
    """The limits add up to 2 MW beyond it: all at their limits is the best that can be done."""
    limit = sign * np.array([BIG, 1.0, 1.0])
    other = limit + sign * 8.0
    span = (np.minimum(limit, other), np.maximum(limit, other))
    assert kkt_violation_mw(sign * BIG, limit, np.ones(3), *span, 0.0, limit) == 0.0


def test_the_sum_of_the_units_is_exact():
    out = np.array([BIG, 1.0, 1.0])
    span = (out - 8.0, out + 8.0)
    assert kkt_violation_mw(BIG + 2.0, out, np.ones(3), *span, 0.0, out) == 0.0
    assert kkt_violation_mw(BIG, out, np.ones(3), *span, 0.0, out) == 2.0


def pairs():
    rng = np.random.default_rng(31)
    values = rng.normal(size=(50, 2)) * 2.0 ** rng.integers(-60, 60, (50, 2))
    return [*values.tolist(), [BIG, 1.0], [1.0, BIG], [-BIG, -1.0], [0.1, 0.2], [0.0, 3.0]]


@pytest.mark.parametrize("module", [exact, merit_order, pro_rata], ids=lambda m: m.__name__[13:])
def test_what_rounding_takes_is_known_exactly(module):
    for total, term in pairs():
        lost = Fraction(total) + Fraction(term) - Fraction(total + term)
        assert Fraction(module._lost(total, term)) == lost


def test_a_sum_carries_what_rounding_takes():
    for total, term in pairs():
        after, error = _two_sum(total, 0.25, term)
        assert after == total + term
        assert error == 0.25 + module_lost(total, term)


def module_lost(total, term):
    return float(Fraction(total) + Fraction(term) - Fraction(total + term))


def test_sums_in_order_are_right_where_plain_ones_are_not():
    assert sum_in_order(np.array([BIG, 1.0, 1.0])) == BIG + 2.0
    assert sum_in_order(np.array([1.0, BIG, 1.0, -BIG])) == 2.0
    assert sum_in_order(np.array([0.1] * 10)) == 1.0
    assert sum_in_order(np.array([3.0])) == 3.0
