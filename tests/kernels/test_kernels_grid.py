"""Grids: what is rounded stays within its limits, near its value, and right in its sum."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vppd.kernels.grid import fit_to_grid, round_all, round_instants

NAN = float("nan")
power = st.floats(-10.0, 10.0)
steps = st.sampled_from([0.0, 1e3, 1e4, 1e6])


def rounded(values, per):
    values, out = np.array(values, float), np.empty(len(values))
    count = round_all(values, np.broadcast_to(float(per), out.shape).copy(), out)
    return count, out


def test_what_is_rounded_is_the_double_nearest_to_its_decimals():
    count, out = rounded([-0.14261, 0.14265, 0.1, 0.30000000000000004, 7.0], 1e4)
    assert out.tolist() == [-0.1426, 0.1426, 0.1, 0.3, 7.0]  # ties to even
    assert count == 2


def test_there_is_no_negative_zero():
    _, out = rounded([-1e-9, -0.0], 1e4)
    assert [math.copysign(1.0, x) for x in out] == [1.0, 1.0]


def test_what_has_no_grid_or_none_so_fine_stays():
    values = [0.123456789, NAN, math.inf, 4503599627370497.0, -math.inf]
    for per, kept in ((0.0, 5), (1e4, 4)):
        count, out = rounded(values, per)
        assert np.array_equal(out[5 - kept :], np.array(values)[5 - kept :], equal_nan=True)
        assert count == kept - 1  # all but the NaN are what they were
    assert rounded([2.0**51 / 1e4 + 0.5], 1e4)[1][0] * 1e4 == np.rint(2.0**51 + 5e3)
    finer = 510872238708.70245  # than the grid: its steps are whole, and not those of the double
    assert np.rint(finer * 1e4) / 1e4 != finer
    assert rounded([finer, -finer], 1e4)[1].tolist() == [finer, -finer]


@given(a=power, b=power, per=steps)
def test_rounding_keeps_the_order(a, b, per):
    _, (low, high) = rounded(sorted((a, b)), per)
    assert low <= high


def moved(now_s, anchor_us, before_s=NAN, kept_s=NAN):
    out = np.empty(1)
    fresh = round_instants(
        float(anchor_us), 1e4, np.array([now_s]), np.array([before_s]), np.array([kept_s]), out
    )
    return fresh, out[0]


@pytest.mark.parametrize(
    ("now_s", "expected_s"),
    [
        (100.0, 100.0), (100.00999, 100.0), (100.010001, 100.01), (100.2799999, 100.27),
        (99.9999999, 99.99), (99.99, 99.99), (99.985, 99.98),
    ],
)  # fmt: skip
def test_instants_go_back_to_hundredths_from_the_anchor(now_s, expected_s):
    assert moved(now_s, 100_000_000) == (1, expected_s)


def test_an_instant_that_is_the_same_keeps_what_it_became():
    assert moved(50.5, 100_000_000, before_s=50.5, kept_s=50.123) == (0, 50.123)
    assert moved(50.5, 100_000_000, before_s=50.6, kept_s=50.123) == (1, 50.5)
    fresh, out_s = moved(NAN, 100_000_000, before_s=NAN, kept_s=1.0)
    assert fresh == 1
    assert math.isnan(out_s)


def test_each_instant_is_looked_at_by_itself():
    now_s, before_s = np.array([50.5, 60.123456, 70.0]), np.array([50.5, 60.0, 70.0])
    out_s = np.empty(3)
    assert round_instants(1e8, 1e4, now_s, before_s, np.array([50.1, 60.0, 70.2]), out_s) == 1
    assert out_s.tolist() == [50.1, 60.12, 70.2]


@given(now_s=st.floats(0.0, 1e7), anchor_s=st.floats(0.0, 1e7))
def test_no_instant_passes_the_anchor_nor_gets_later(now_s, anchor_s):
    anchor_us = math.floor(anchor_s * 1e6)
    _, out_s = moved(now_s, anchor_us)
    assert (out_s >= anchor_us / 1e6) == (math.floor(now_s * 1e6) >= anchor_us)
    assert out_s <= now_s + 1e-8
    assert out_s > now_s - 0.010002
    assert now_s < anchor_s or out_s >= anchor_us / 1e6


def fitted(p_mw, lower_mw, upper_mw, per, member=None, groups=0, last_mw=None):
    n = len(p_mw)
    out = np.array(p_mw, float)
    last = np.full(n, np.nan) if last_mw is None else np.array(last_mw, float)
    member = [-1] * n if member is None else member
    count = fit_to_grid(
        np.broadcast_to(np.array(per, float), n).copy(), last, np.array(lower_mw, float),
        np.array(upper_mw, float), np.array([*member, -1]), np.full(groups + 1, 9.0), out,
    )  # fmt: skip
    return count, out


def test_of_many_that_share_a_small_change_one_moves():
    """Eight that were at 0 are to give 200 W each: 1.6 kW by one step or two, not by eight."""
    _, out = fitted([0.0002] * 8, [-1] * 8, [1] * 8, 1e3, last_mw=[0.0] * 8)
    assert np.count_nonzero(out) in (1, 2)
    assert abs(out.sum() - 0.0016) < 0.001


def test_who_cannot_stay_within_its_limits_moves():
    _, out = fitted([0.0014], [0.001], [1.0], 1e3, last_mw=[0.0007])
    assert out.tolist() == [0.001]


def test_what_one_loses_the_next_one_gets():
    count, out = fitted([0.0004] * 4, [-1] * 4, [1] * 4, 1e3)
    assert out.tolist() == [0.0, 0.001, 0.0, 0.001]
    assert count == 4


def test_a_setpoint_on_its_grid_stays_whatever_is_left_over():
    _, out = fitted([0.0004, 0.005, 0.0004], [-1] * 3, [1] * 3, 1e3)
    assert out.tolist() == [0.0, 0.005, 0.001]


def test_who_stands_at_a_limit_off_the_grid_stays_within_it():
    count, out = fitted([0.0007, -0.0007], [-0.0007] * 2, [0.0007] * 2, 1e3)
    assert (count, out.tolist()) == (2, [0.0, 0.0])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_limit_on_the_grid_is_reached_though_its_steps_are_no_whole_number(sign):
    """1 / 49 * 49 is less than 1."""
    limit_mw = sign / 49
    _, out = fitted([0.9999 * limit_mw], [min(0.0, limit_mw)], [max(0.0, limit_mw)], 49)
    assert out.tolist() == [limit_mw]


def test_a_setpoint_near_the_last_one_is_the_last_one():
    _, out = fitted([0.0046], [-1], [1], 1e3, last_mw=[0.004])
    assert out.tolist() == [0.004]
    _, out = fitted([0.0048], [-1], [1], 1e3, last_mw=[0.004])
    assert out.tolist() == [0.005]


def test_where_the_grid_has_no_number_the_setpoint_stays():
    count, out = fitted([0.0005, 0.2], [0.0004, -1.0], [0.0006, 1.0], 1e3)
    assert (count, out.tolist()) == (0, [0.0005, 0.2])


def test_a_unit_without_a_grid_stays_and_so_does_a_number_too_large_for_one():
    count, out = fitted([0.12345, 1e14], [-1, 0], [1, 1e15], [0.0, 1e3])
    assert (count, out.tolist()) == (0, [0.12345, 1e14])


def test_what_is_left_over_stays_within_its_group():
    _, out = fitted([0.0004] * 4, [-1] * 4, [1] * 4, 1e3, member=[0, 1, -1, 0], groups=2)
    assert out.tolist() == [0.0, 0.0, 0.0, 0.001]


def test_nobody_gets_more_than_a_step_of_what_is_left_over():
    """Two at their limits lose nearly a step each; the third makes good for one of them."""
    _, out = fitted([0.0009, 0.0009, 0.0019, 0.5001], [0] * 4, [0.0009, 0.0009, 1, 1], 1e3)
    assert out.tolist() == [0.0, 0.0, 0.003, 0.501]


@settings(max_examples=200)
@given(data=st.data(), n=st.integers(1, 12))
def test_fitted_setpoints_are_within_limits_on_grids_and_near(data, n):
    per = np.array(data.draw(st.lists(steps, min_size=n, max_size=n)))
    limits = np.sort(np.array(data.draw(st.lists(st.tuples(power, power), min_size=n, max_size=n))))
    part = np.array(data.draw(st.lists(st.floats(0.0, 1.0), min_size=n, max_size=n)))
    p_mw = np.clip(limits[:, 0] + part * (limits[:, 1] - limits[:, 0]), limits[:, 0], limits[:, 1])
    _, out = fitted(p_mw, limits[:, 0], limits[:, 1], per)
    assert np.all(limits[:, 0] <= out)
    assert np.all(out <= limits[:, 1])
    step = np.where(per > 0.0, 1.0 / np.maximum(per, 1.0), 0.0)
    assert np.all(np.abs(out - p_mw) <= 1.5 * step + 1e-12)
    on_grid = (per == 0.0) | (np.rint(out * per) / np.maximum(per, 1.0) == out)
    no_room = np.floor(limits[:, 1] * per) < np.ceil(limits[:, 0] * per)
    assert np.all(on_grid | no_room | (out == p_mw))


@given(p=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=50))
def test_the_sum_is_right_to_half_a_step(p):
    _, out = fitted(p, [-5.0] * len(p), [5.0] * len(p), 1e3)
    assert abs(math.fsum(out) - math.fsum(p)) <= 0.5e-3 + 1e-9


@settings(max_examples=200)
@given(data=st.data(), n=st.integers(1, 30))
def test_who_is_near_its_last_setpoint_keeps_it_and_the_sum_stays_right(data, n):
    """Limits wide enough for the grid, so that nobody is left off it."""
    per = data.draw(st.sampled_from([1e3, 1e4]))
    step_mw = 1.0 / per

    def draw(numbers):
        return np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)))

    lower = draw(power)
    upper = lower + draw(st.floats(2.0 * step_mw, 1.0))
    p_mw = np.minimum(lower + draw(st.floats(0.0, 1.0)) * (upper - lower), upper)
    last = np.rint((p_mw + draw(st.floats(-3.0, 3.0)) * step_mw) * per) / per + 0.0
    last = np.where(draw(st.booleans()), last, NAN)
    count, out = fitted(p_mw, lower, upper, per, last_mw=last)
    assert np.all((lower <= out) & (out <= upper))
    assert np.array_equal(np.rint(out * per) / per, out)
    assert np.all(np.abs(out - p_mw) < 2.0 * step_mw + 1e-12)
    assert count == np.count_nonzero(np.rint(p_mw * per) / per != p_mw)
    given_mw = 0.0  # by those before, and not by them
    for i in range(n):
        if np.rint(p_mw[i] * per) / per != p_mw[i]:
            wanted_mw = p_mw[i] + min(max(given_mw, -step_mw), step_mw)
            off_steps = abs(wanted_mw - last[i]) * per
            if lower[i] <= last[i] <= upper[i] and off_steps < 0.7499:
                assert out[i] == last[i]
            elif off_steps > 0.7501 and lower[i] + step_mw < wanted_mw < upper[i] - step_mw:
                assert out[i] != last[i]
            given_mw += p_mw[i] - out[i]


@given(
    p=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=50),
    off=st.lists(st.floats(-2.0, 2.0), min_size=50, max_size=50),
)
def test_with_last_setpoints_the_sum_is_right_to_one_step(p, off):
    last = np.rint((np.array(p) + np.array(off[: len(p)]) * 1e-3) * 1e3) / 1e3
    _, out = fitted(p, [-5.0] * len(p), [5.0] * len(p), 1e3, last_mw=last)
    assert abs(math.fsum(out) - math.fsum(p)) <= 1e-3 + 1e-9
