"""`split_pro_rata` and `split_merit_order`."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vppd.kernels import status
from vppd.kernels.merit_order import split_merit_order
from vppd.kernels.pro_rata import split_pro_rata

MW = st.floats(-50.0, 50.0)


@st.composite
def fleets(draw, n_max=30):
    """Base, lower, upper; the base may lie outside."""
    n = draw(st.integers(1, n_max))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lower = rng.uniform(-5.0, 3.0, n)
    width = np.where(rng.uniform(size=n) < 0.2, 0.0, rng.uniform(0.0, 4.0, n))
    base = rng.uniform(-6.0, 8.0, n)
    return base, lower, lower + width


def pro_rata(request, fleet):
    out = np.full(fleet[0].size, math.nan)
    return split_pro_rata(request, *fleet, out), out


def merit_order(request, fleet, order=None):
    base, lower, upper = fleet
    out = np.full(base.size, math.nan)
    order = np.arange(base.size) if order is None else order
    return split_merit_order(request, base, order, lower, upper, out), out


POLICIES = pytest.mark.parametrize("split", [pro_rata, merit_order])


@POLICIES
@given(fleet=fleets(), request_mw=st.floats(-200.0, 200.0))
def test_limits_hold_and_the_request_is_served_as_far_as_they_allow(split, fleet, request_mw):
    _, lower, upper = fleet
    code, out = split(request_mw, fleet)
    low, high = math.fsum(lower), math.fsum(upper)
    assert np.all(lower <= out)
    assert np.all(out <= upper)
    served = min(max(request_mw, low), high)
    assert abs(math.fsum(out) - served) <= 1e-15 * math.fsum(np.abs(out)) + 1e-30
    if request_mw > high + 1e-12:
        assert code == status.UNSERVED_UP
        assert np.array_equal(out, upper)
    elif request_mw < low - 1e-12:
        assert code == status.UNSERVED_DOWN
        assert np.array_equal(out, lower)
    elif low + 1e-12 < request_mw < high - 1e-12:
        assert code == status.OK


@given(fleets(), st.floats(0.0, 1.0))
def test_pro_rata_uses_the_same_part_of_every_unit(fleet, where):
    base, lower, upper = fleet
    base = np.clip(base, lower, upper)
    request = lower.sum() + where * (upper.sum() - lower.sum())
    _, out = pro_rata(request, fleet)
    rising = request > base.sum()
    room = upper - base if rising else base - lower
    used = np.abs(out - base)
    share = used.sum() / room.sum() if room.sum() > 0.0 else 0.0
    assert np.abs(used - share * room).max() <= 1e-12
    assert np.all(out >= base - 1e-12 if rising else out <= base + 1e-12)


def test_pro_rata_by_hand():
    """10 MW up over rooms of 4, 0 and 16 MW; 3 MW down over 1, 0 and 5."""
    fleet = np.array([0.0, 3.0, 9.0]), np.array([-1.0, 0.0, -1.0]), np.array([4.0, 3.0, 20.0])
    assert pro_rata(12.0 + 7.5, fleet)[1].tolist() == [2.0, 3.0, 14.5]
    fleet = np.array([0.0, 3.0, 4.0]), np.array([-1.0, 3.0, -1.0]), np.array([4.0, 3.0, 20.0])
    assert pro_rata(7.0 - 3.0, fleet)[1].tolist() == [-0.5, 3.0, 1.5]


@given(fleets(), st.floats(0.0, 1.0), st.randoms(use_true_random=False))
def test_merit_order_moves_no_unit_before_the_one_ahead_is_done(fleet, where, random):
    base, lower, upper = fleet
    order = list(range(base.size))
    random.shuffle(order)
    request = lower.sum() + where * (upper.sum() - lower.sum())
    _, out = merit_order(request, fleet, np.array(order))
    base = np.clip(base, lower, upper)
    rising = request > base.sum()
    limit = upper if rising else lower
    for ahead, behind in pairwise(order):
        moved = abs(out[behind] - base[behind]) > 1e-9
        assert not moved or out[ahead] == pytest.approx(limit[ahead], abs=1e-12)


def test_merit_order_by_hand():
    fleet = np.array([1.0, 1.0, 1.0]), np.zeros(3), np.array([2.0, 3.0, 4.0])
    order = np.array([2, 0, 1])
    assert merit_order(3.0, fleet, order)[1].tolist() == [1.0, 1.0, 1.0]
    assert merit_order(6.5, fleet, order)[1].tolist() == [1.5, 1.0, 4.0]
    assert merit_order(0.5, fleet, order)[1].tolist() == [0.0, 0.5, 0.0]
    assert merit_order(0.5, fleet, order[::-1].copy())[1].tolist() == [0.0, 0.0, 0.5]


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 3], [0, 1, -1], [0, 1, 1], [0, 0, 0], [2, 2, 0]])
def test_what_is_no_order_is_refused(order):
    fleet = np.zeros(3), np.zeros(3), np.ones(3)
    out = np.full(3, 7.25)
    code = split_merit_order(1.0, fleet[0], np.array(order), fleet[1], fleet[2], out)
    assert code == status.BAD_INPUT
    assert np.all(out == 7.25)


@POLICIES
@given(
    fleet=fleets(),
    which=st.integers(0, 3),
    bad=st.sampled_from([math.nan, math.inf, -math.inf, 1e101]),
)
def test_bad_numbers_are_refused_and_the_output_stays(split, fleet, which, bad):
    request = bad if which == 3 else 1.0
    if which < 3:
        fleet[which][-1] = bad
    code, out = split(request, fleet)
    assert code == status.BAD_INPUT
    assert np.isnan(out).all()


@POLICIES
def test_crossed_limits_are_refused(split):
    code, out = split(0.0, (np.zeros(2), np.array([0.0, 1.0]), np.array([1.0, 0.5])))
    assert code == status.BAD_INPUT
    assert np.isnan(out).all()


@POLICIES
@given(fleet=fleets(), request_mw=MW, power=st.integers(-30, 30))
def test_the_unit_of_power_does_not_matter(split, fleet, request_mw, power):
    f = 2.0**power
    code, out = split(request_mw, fleet)
    code_f, out_f = split(request_mw * f, tuple(a * f for a in fleet))
    assert code_f == code
    assert np.array_equal(out_f, out * f)


@POLICIES
def test_the_sum_is_right_to_a_few_ulps_for_many_units(split):
    """Without a last correction it would be off by a hundred ulps or so."""
    rng = np.random.default_rng(17)
    for _ in range(20):
        lower = -rng.uniform(0.0, 5.0, 3000)
        fleet = rng.uniform(-5.0, 5.0, 3000), lower, lower + rng.uniform(0.0, 9.0, 3000)
        request = float(rng.uniform(0.1, 0.9)) * (fleet[2].sum() - lower.sum()) + lower.sum()
        code, out = split(request, fleet)
        assert code == status.OK
        assert abs(math.fsum(out) - request) <= 2.0 * 2.0**-52 * math.fsum(np.abs(out))


@POLICIES
def test_no_units_at_all(split):
    none = np.empty(0)
    assert split(0.0, (none, none, none))[0] == status.OK
    assert split(1.0, (none, none, none))[0] == status.UNSERVED_UP
    assert split(-1.0, (none, none, none))[0] == status.UNSERVED_DOWN
