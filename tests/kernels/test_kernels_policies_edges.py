"""`split_pro_rata` and `split_merit_order` at their edges: large numbers, sums, shapes."""

import math

import numpy as np
import pytest

from vppd.kernels import status
from vppd.kernels.merit_order import split_merit_order
from vppd.kernels.pro_rata import split_pro_rata

BIG = 2.0**53  # one more is the same number: what is added to it is lost, unless carried along
MOST = 1e100
TOO_MUCH = math.nextafter(MOST, math.inf)


def pro_rata(request_mw, base, lower, upper, out):
    return split_pro_rata(request_mw, base, lower, upper, out)


def merit_order(request_mw, base, lower, upper, out):
    return split_merit_order(request_mw, base, np.arange(base.size), lower, upper, out)


def run(split, request_mw, base, lower, upper):
    arrays = [np.array(a, dtype=float) for a in (base, lower, upper)]
    out = np.full(arrays[0].size, math.nan)
    return split(request_mw, *arrays, out), out


POLICIES = pytest.mark.parametrize("split", [pro_rata, merit_order])


@POLICIES
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_largest_numbers_are_taken_and_the_next_refused(split, sign):
    lower, upper = sorted((0.0, sign * MOST))
    assert run(split, sign * MOST, [sign * MOST], [lower], [upper])[0] == status.OK
    assert run(split, 0.0, [sign * TOO_MUCH], [-1.0], [1.0])[0] == status.BAD_INPUT
    assert run(split, sign * TOO_MUCH, [0.0], [-1.0], [1.0])[0] == status.BAD_INPUT
    lower, upper = sorted((0.0, sign * TOO_MUCH))
    assert run(split, 0.0, [0.0], [lower], [upper])[0] == status.BAD_INPUT


@POLICIES
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("which", range(4))
def test_shapes_that_differ_are_refused(split, which, size):
    arrays = [np.zeros(2), np.zeros(2), np.ones(2), np.full(2, 7.25)]
    arrays[which] = np.full(size, arrays[which][0])
    assert split(1.0, *arrays) == status.BAD_INPUT
    assert np.all(arrays[3] == 7.25)


@pytest.mark.parametrize("order", [[0], [0, 1, 2]])
def test_an_order_of_another_length_is_refused(order):
    out = np.full(2, 7.25)
    code = split_merit_order(1.0, np.zeros(2), np.array(order), np.zeros(2), np.ones(2), out)
    assert code == status.BAD_INPUT
    assert out.tolist() == [7.25, 7.25]


@POLICIES
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_the_sum_of_the_limits_would_lose_is_there_to_be_served(split, sign):
    limit = np.array([sign * BIG, sign, sign])
    lower, upper = np.minimum(limit, 0.0), np.maximum(limit, 0.0)
    code, out = run(split, sign * (BIG + 2.0), np.zeros(3), lower, upper)
    assert code == status.OK
    assert np.array_equal(out, limit)
    beyond = status.UNSERVED_UP if sign > 0.0 else status.UNSERVED_DOWN
    assert run(split, sign * (BIG + 4.0), np.zeros(3), lower, upper)[0] == beyond


@POLICIES
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_the_sum_of_the_bases_would_lose_moves_nobody(split, sign):
    base = np.array([sign * BIG, sign, sign])
    room = np.array([16.0, 2.0, 2.0])
    code, out = run(split, sign * (BIG + 2.0), base, base - room, base + room)
    assert code == status.OK
    assert np.array_equal(out, base)


@POLICIES
@pytest.mark.parametrize("side", ["upper", "lower"])
@pytest.mark.parametrize("excess", [0.0, 1e-12, 1.0])
def test_at_the_sum_of_the_limits_and_beyond_each_unit_is_just_at_its_limit(split, side, excess):
    """`base + (limit - base)` misses the limit by an ulp where the base is far."""
    rng = np.random.default_rng(23)
    for _ in range(60):
        lower, upper = -rng.uniform(1.0, 5.0, 7), rng.uniform(1.0, 5.0, 7)
        limit, sign = (upper, 1.0) if side == "upper" else (lower, -1.0)
        request_mw = math.fsum(limit) + sign * excess
        code, out = run(split, request_mw, rng.uniform(lower, upper), lower, upper)
        assert np.array_equal(out, limit)
        if excess > 0.0:
            assert code == (status.UNSERVED_UP if side == "upper" else status.UNSERVED_DOWN)
        else:
            assert code == status.OK


@POLICIES
@pytest.mark.parametrize("scale", [1.0, 2.0**-60, 2.0**60])
def test_the_sum_is_right_to_an_ulp_in_any_unit_of_power(split, scale):
    rng = np.random.default_rng(29)
    for _ in range(20):
        lower = -rng.uniform(0.0, 5.0, 200)
        upper = lower + rng.uniform(0.0, 9.0, 200)
        request_mw = float(rng.uniform(0.1, 0.9)) * (upper.sum() - lower.sum()) + lower.sum()
        base = rng.uniform(-5.0, 5.0, 200)
        code, out = run(split, request_mw * scale, base * scale, lower * scale, upper * scale)
        assert code == status.OK
        missed = abs(math.fsum([*out, -request_mw * scale]))
        assert missed <= 1.0000001 * 2.0**-52 * math.fsum(np.abs(out))


@POLICIES
def test_a_unit_without_room_is_passed_over(split):
    base, lower, upper = [1.0, 4.0, 1.0], [1.0, 0.0, 0.0], [1.0, 4.0, 3.0]
    code, out = run(split, 7.0, base, lower, upper)
    assert code == status.OK
    assert out.tolist() == [1.0, 4.0, 2.0]
    code, out = run(split, 1.0, [1.0] * 2, [1.0, -1.0], [1.0, 2.0])
    assert code == status.OK
    assert out.tolist() == [1.0, 0.0]


@POLICIES
def test_when_nobody_can_move_the_only_request_that_is_served_is_where_they_are(split):
    limits = np.array([1.0, -2.0, 4.0])
    assert run(split, 3.0, np.zeros(3), limits, limits)[0] == status.OK
    code, out = run(split, 3.5, np.zeros(3), limits, limits)
    assert code == status.UNSERVED_UP
    assert np.array_equal(out, limits)


@pytest.mark.parametrize("order", [[1, 1, 1], [0, 2, 2], [3, 0, 0], [2, 1, -3], [-1, 2, 2]])
def test_what_is_no_order_is_refused(order):
    """Also those with the right sum."""
    out = np.full(3, 7.25)
    code = split_merit_order(1.0, np.zeros(3), np.array(order), np.zeros(3), np.ones(3), out)
    assert code == status.BAD_INPUT
    assert np.all(out == 7.25)


@pytest.mark.parametrize(
    "order",
    [
        [5, 5, 2, 1, 0, 0],  # the sum of squares is right, the sum too small
        [4, 4, 3, 3, 2, 1],  # the sum too large
        [3, 3, 0, 0],  # the sum is right, that of the squares too large
        [1, 1, 2, 2],  # too small
        # both are right, but an index lies outside
        [1, 2, 3, 1, 2, 6],
        [2, 3, 4, -1, 3, 4],
        [1, 2, 3, 4, 5, 6, 7, 9, 2, 4, 12],
    ],
)
def test_no_order_that_is_found_out_is_used(order):
    n = len(order)
    out = np.full(n, 7.25)
    code = split_merit_order(1.0, np.zeros(n), np.array(order), np.zeros(n), np.ones(n), out)
    assert code == status.BAD_INPUT
    assert np.all(out == 7.25)


def test_an_order_that_is_not_found_out_costs_no_more_than_the_optimum():
    """Both sums are right, all indices are inside: 0, 4 and 5 are missing, three stand twice."""
    order = np.array([1, 2, 6, 3, 1, 2, 6])
    base, out = np.array([-3.0, 0, 0, 0, 0.5, 9.0, 0]), np.full(7, math.nan)
    code = split_merit_order(2.5, base, order, np.zeros(7), np.ones(7), out)
    assert code == status.OK
    assert out.tolist() == [0.0, 1.0, 0.0, 0.0, 0.5, 1.0, 0.0]
