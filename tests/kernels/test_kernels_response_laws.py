"""Laws of the response model and of the aim, for units of every kind."""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels_response import NAN, Model
from responses import Unit

from vppd.core.types import Quality, Reason, WriteResult
from vppd.kernels import aims, participation
from vppd.kernels import response as kernel

DEAD_S = st.sampled_from((0.0, 0.3, 1.0, 2.5, 7.0))
LAG_S = st.sampled_from((0.0, 0.05, 0.7, 4.0, 60.0, 3000.0))
TICK_S = st.sampled_from((0.1, 1.0, 4.0))
SEED = st.integers(0, 2**32 - 1)
AHEAD_S = (0.4, 1.0, 8.0, 900.0)


def test_numbers_are_those_of_the_core():
    assert int(kernel.IN_SPLIT) == Reason.NONE
    assert int(kernel.ACCEPTED) == WriteResult.ACCEPTED
    assert int(kernel.ONLINE) == Quality.ONLINE
    names = ("RAMP", "DEAD_BAND")
    assert [int(getattr(aims, n)) for n in names] == [Reason[n] for n in names]
    assert int(aims.FREE) == Reason.NONE
    assert kernel.MEASURED_MAX_MW == participation.MEASURED_MAX_MW


# ------------------------------------------------------------------ the exponential function


@given(st.floats(0.0, 40.0))
def test_decay_is_right_in_relation_to_itself_down_to_nothing(x):
    assert kernel.decay(x) == pytest.approx(math.exp(-x), rel=1e-12)


def test_where_decay_ends():
    assert kernel.decay(40.0) > 0.0
    assert kernel.decay(np.nextafter(40.0, 41.0)) == 0.0
    assert kernel.decay(5e-324) == 1.0


# ------------------------------------------------------------------ prediction


@settings(max_examples=150)
@given(DEAD_S, LAG_S, TICK_S, st.floats(0.0, 2.0), SEED)
def test_without_noise_what_is_predicted_comes_however_old_measurements_are(
    dead_s, lag_s, tick_s, old_ticks, seed
):
    """At every point, in any period, with ticks late and early, as far as rows look back."""
    rng = np.random.default_rng(seed)
    truth = Unit(dead_s, lag_s, start_mw=1.0)
    model = Model(np.array([dead_s]), np.array([lag_s]), tick_s=tick_s)
    now_s = 100.0
    for _ in range(20):
        at_s = now_s - old_ticks * tick_s
        free_mw, gain_pu = model.tick(now_s, [truth.at(at_s)], [at_s], AHEAD_S)
        p_mw = float(rng.uniform(-10.0, 10.0))
        truth.told.append((now_s, p_mw))
        for k, ahead_s in enumerate(AHEAD_S):
            expected_mw = free_mw[k, 0] + gain_pu[k, 0] * (p_mw - model.stands_mw[0])
            # the first setpoint is told to a unit that was somewhere else
            if len(truth.told) > 1:
                assert expected_mw == pytest.approx(truth.at(now_s + ahead_s), abs=1e-9)
        assert model.begun == (len(truth.told) == 1)
        model.tell([p_mw])
        now_s += tick_s * float(rng.choice((0.7, 1.0, 1.1, 1.6)))


@given(DEAD_S, LAG_S, st.lists(st.floats(0.0, 1e4), min_size=1, max_size=8))
def test_gain_is_the_part_of_a_change_that_has_arrived(dead_s, lag_s, ahead_s):
    model = Model(np.array([dead_s]), np.array([lag_s]), gain_min_pu=0.1)
    step = Unit(dead_s, lag_s, told=[(0.0, 1.0)])
    _, gain_pu = model.tick(0.0, [NAN], [NAN], sorted(ahead_s))
    for s, gain in zip(sorted(ahead_s), gain_pu[:, 0].tolist(), strict=True):
        arrived = step.at(s)
        if abs(arrived - 0.1) > 1e-9:
            assert gain == pytest.approx(arrived if arrived > 0.1 else 0.0, abs=1e-11)


def test_a_gain_that_is_just_enough_counts():
    def gain(least):
        model = Model(np.zeros(1), np.ones(1), gain_min_pu=least)
        return model.tick(0.0, [NAN], [NAN], (0.5,))[1][0, 0]

    assert gain(gain(0.0)) == gain(0.0) > 0.0
    assert gain(np.nextafter(gain(0.0), 1.0)) == 0.0


def test_a_change_that_ends_its_dead_time_just_now_is_none():
    model = Model(np.ones(1), np.zeros(1))
    assert model.tick(0.0, [NAN], [NAN], (1.0, 1.0 + 1e-9))[1].tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize("off_mw", [2.0, -2.0])
def test_the_farthest_difference_that_is_noise(off_mw):
    for more, begun in ((1.0, 0), (1.0 + 1e-12, 1)):
        model = Model(np.zeros(1), np.ones(1), snap_mw=2.0)
        model.tick(0.0, [0.0], [0.0])
        model.tell([0.0])
        model.tick(1.0, [off_mw * more], [1.0])
        assert model.begun == begun


# ------------------------------------------------------------------ past setpoints


@given(st.lists(st.floats(0.0, 100.0), max_size=20), TICK_S)
def test_rows_reach_back_over_each_dead_time(dead_s, tick_s):
    """Even if every other tick was early."""
    rows = [int(2.0 * s / tick_s) + 5 for s in dead_s]
    past_end = np.empty(len(dead_s), np.int64)
    assert kernel.count_rows(np.array(dead_s), tick_s) == sum(rows)
    assert kernel.find_ends(np.array(dead_s), tick_s, past_end) == sum(rows)
    assert past_end.tolist() == list(accumulate(rows))


@pytest.mark.parametrize("tick_s", [0.1, 1.0, 4.0])
def test_each_unit_has_rows_of_its_own(tick_s):
    dead_s = np.array([0.0, 3.0, 12.0, 0.5])
    model = Model(dead_s, np.ones(4), tick_s=tick_s)
    rows = [kernel.count_rows(dead_s[i : i + 1], tick_s) for i in range(4)]
    for k in range(max(rows)):
        model.tick(k * tick_s, np.zeros(4), np.full(4, k * tick_s))
        assert model.tell(1000.0 * np.arange(4) + k, [1, 1, 1, 1]) == 4
    for i, own_mw in enumerate(np.split(model.past_mw, np.cumsum(rows)[:-1])):
        last = max(rows) - 1
        assert own_mw.tolist() == [1000.0 * i + last - j for j in range(rows[i])][::-1]


def test_a_write_is_lost_just_after_half_a_tick():
    unheard = {
        "accepted_mw": np.ones(1), "accepted_at_s": np.array([-3.0]),
        "result": np.array([WriteResult.NONE], np.uint8),
    }  # fmt: skip
    for now_s, lost in ((0.5, 0), (np.nextafter(0.5, 1.0), 1)):
        model = Model(np.zeros(1), np.zeros(1))
        model.tick(0.0, [1.0], [0.0])
        model.tell([5.0])
        model.tick(float(now_s), [NAN], [NAN], **unheard)
        assert (model.lost, model.stands_mw[0]) == (lost, 1.0 if lost else 5.0)


def test_the_sum_of_what_is_expected_is_exact():
    free_mw, zeros = np.array([1e16, 1.0, -1e16, 1.0]), np.zeros(4)
    one = np.empty(1)
    assert kernel.expect(free_mw[None], zeros[None], zeros, zeros, np.empty(4), one) == 2.0
    nobody = np.empty(0)
    assert kernel.expect(*np.empty((2, 1, 0)), nobody, nobody, nobody, one) == 0.0


# ------------------------------------------------------------------ who meets the request


def clip(x, low, high):
    return min(max(x, low), high)


def share_of(participation_pu, base_mw, low_mw, high_mw, rises):
    return max(participation_pu, 1e-6) * max(high_mw - base_mw if rises else base_mw - low_mw, 1e-6)


@given(SEED, st.integers(1, 12), st.floats(-60.0, 60.0))
def test_economy_unit_by_unit(seed, n, slow_mw):
    rng = np.random.default_rng(seed)
    low_mw, plan_mw, high_mw = np.sort(rng.uniform(-10.0, 10.0, (3, n)), axis=0)
    plan_mw = np.where(rng.random(n) < 0.2, high_mw + 1.0, plan_mw)  # it cannot be there
    soc_pu = np.where(rng.random(n) < 0.2, NAN, rng.uniform(0.0, 1.0, n))
    energy_mwh = np.where(rng.random(n) < 0.4, NAN, 10.0 ** rng.uniform(-1.0, 2.0, n))
    part = rng.choice([0.0, 0.5, 1.0, 3.0], n)
    base_mw, weight, given_mw = np.empty((3, n))
    aims.recover(
        soc_pu, energy_mwh, np.full(n, 0.1), np.full(n, 0.7), 7200.0, 0.1, low_mw - 2.0,
        high_mw + 2.0, 0.0, np.full(n, NAN), given_mw,
    )  # fmt: skip
    request_mw = aims.economy(slow_mw, plan_mw, given_mw, part, low_mw, high_mw, base_mw, weight)
    assert request_mw == pytest.approx(math.fsum(plan_mw) + slow_mw, abs=1e-12)
    for i in range(n):
        most_mw = 0.1 * (high_mw[i] - low_mw[i] + 4.0)
        back_mw = (soc_pu[i] - 0.4) * energy_mwh[i] / 2.0
        back_mw = 0.0 if math.isnan(back_mw) else clip(back_mw, -most_mw, most_mw)
        want_mw = clip(plan_mw[i] + back_mw, low_mw[i], high_mw[i])
        assert base_mw[i] == pytest.approx(want_mw, abs=1e-12)
    if abs(request_mw - math.fsum(base_mw)) > 1e-9:
        units = zip(part, base_mw, low_mw, high_mw, strict=True)
        rises = request_mw > math.fsum(base_mw)
        assert weight == pytest.approx([share_of(*unit, rises) for unit in units], rel=1e-12)


@pytest.mark.parametrize(
    ("held_mw", "soc_pu", "stands"),
    [
        (0.30, 0.65, True),  # 0.25 MW would do: 0.05 MW less, and 0.1 MW is too little to move for
        (0.20, 0.65, True),
        (0.50, 0.65, False),
        (0.04, 0.48, False),  # 0.04 MW the other way: it is past its middle
        (0.04, 0.50, False),
        (0.30, NAN, False),
        (NAN, 0.65, False),
    ],
)
def test_a_recovery_stands_while_it_is_about_right(held_mw, soc_pu, stands):
    """A store of 5 MWh, -5 to 5 MW, back to half full in 3 h; 1 % of its range is 0.1 MW."""
    one, back_mw = np.ones(1), np.empty(1)
    count = aims.recover(
        soc_pu * one, 5.0 * one, 0.1 * one, 0.9 * one, 10800.0, 0.1, -5.0 * one, 5.0 * one, 0.01,
        held_mw * one, back_mw,
    )  # fmt: skip
    assert count == stands
    fresh_mw = 0.0 if math.isnan(soc_pu) else (soc_pu - 0.5) * 5.0 / 3.0
    assert back_mw[0] == pytest.approx(held_mw if stands else fresh_mw, abs=1e-12)


def test_who_does_not_take_part_weighs_less_than_any_other():
    base_mw, weight = np.empty((2, 3))
    wide = np.array([1e3, 0.01, 1e3])
    aims.economy(
        1.0, np.zeros(3), np.zeros(3), np.array([0.0, 0.2, 1e-9]), -wide, wide, base_mw, weight
    )
    assert weight == pytest.approx([1e-3, 2e-3, 1e-3])


@given(SEED, st.integers(0, 12), st.floats(-60.0, 60.0))
def test_aim_unit_by_unit(seed, n, request_mw):
    rng = np.random.default_rng(seed)
    low_mw, lower_mw, base_mw, upper_mw, high_mw = np.sort(rng.uniform(-9, 9, (5, n)), axis=0)
    gain = rng.choice([0.0, 0.1, 0.49, 0.5, 1.0], (2, n))
    free_mw = rng.uniform(-9.0, 9.0, (2, n))
    stands_mw, target_mw, cost = rng.uniform(0.1, 9.0, (3, n))
    part = rng.choice([0.0, 0.5, 1.0, 3.0], n)
    asked_mw = np.array([request_mw, request_mw + 3.0])
    wanted_mw, aim_gain, rest = np.empty(2), np.empty((2, n + 1)), np.empty((5, n + 1))
    still = rng.integers(0, 2, n).astype(np.uint8)
    fast = aims.aim(
        asked_mw, free_mw, gain, stands_mw, target_mw, base_mw, part, cost, low_mw, high_mw,
        lower_mw, upper_mw, target_mw, still, 0.5, wanted_mw, aim_gain, rest,
    )  # fmt: skip
    aim_mw, weight, aim_lower_mw, aim_upper_mw, pull = rest
    lower_mw = np.where(still, target_mw, lower_mw)
    upper_mw = np.where(still, target_mw, upper_mw)
    assert pull.tolist() == np.where(aim_lower_mw < aim_upper_mw, weight, 1.0).tolist()
    quick = gain[0] > 0.0
    medium = ~quick & (gain[1] >= 0.5)
    slow = ~quick & ~medium
    assert fast == quick.sum()
    assert aim_gain[0].tolist() == [*gain[0], 0.0]
    assert aim_gain[1].tolist() == [*medium.astype(float), 1.0]
    still_mw = math.fsum(free_mw[0] - gain[0] * stands_mw)
    assert wanted_mw[0] == pytest.approx(request_mw - still_mw, abs=1e-12)
    assert wanted_mw[1] == pytest.approx(asked_mw[1] - math.fsum(free_mw[1][slow]), abs=1e-12)
    assert aim_mw[:n].tolist() == np.where(medium, base_mw, target_mw).tolist()
    assert (aim_lower_mw[:n].tolist(), aim_upper_mw[:n].tolist()) == (
        lower_mw.tolist(), upper_mw.tolist(),
    )  # fmt: skip
    begin_mw = math.fsum(base_mw[~slow])
    units = zip(part, base_mw, low_mw, high_mw, strict=True)
    share = np.array([share_of(*unit, wanted_mw[1] >= begin_mw) for unit in units])
    assert weight[:n].tolist() == pytest.approx(np.where(medium, share, 1.0 / cost).tolist())
    for j, each in enumerate((base_mw, share, low_mw, high_mw)):
        together = math.fsum(each[quick]) + (1e-6 if j == 1 else 0.0)
        assert rest[j, n] == pytest.approx(together, abs=1e-12)


# ------------------------------------------------------------------ who stays where he is


@given(SEED, st.sampled_from((0.0, 0.01, 0.2)))
def test_only_those_stay_who_may_and_whose_target_is_near(seed, quiet_pu):
    rng, n = np.random.default_rng(seed), 30
    gain_pu = rng.choice((0.0, 0.0, 0.7), n)
    low_mw, high_mw = np.sort(rng.uniform(-10.0, 10.0, (2, n)), axis=0)
    high_mw = np.where(rng.random(n) < 0.2, low_mw, high_mw)  # some are pinned already
    last_mw = rng.uniform(-11.0, 11.0, n)
    target_mw = last_mw + rng.choice((0.0, 0.05, -0.19, 1.0, -7.0), n)
    still = np.full(n, 9, np.uint8)
    count = aims.find_still(
        quiet_pu, gain_pu, target_mw, last_mw, np.full(n, -10.0), np.full(n, 10.0), low_mw, high_mw,
        still,
    )  # fmt: skip
    near = np.abs(target_mw - last_mw) < quiet_pu * 20.0
    may = (low_mw <= last_mw) & (last_mw <= high_mw) & (low_mw < high_mw)
    assert still.tolist() == (near & may & (gain_pu == 0.0)).astype(int).tolist()
    assert count == still.sum()


def test_who_is_told_nothing_known_does_not_stay():
    still = np.empty(2, np.uint8)
    given_mw = (np.array([NAN, 1.0]), np.array([1.0, NAN]))
    limits = (np.full(2, -10.0), np.full(2, 10.0)) * 2
    assert aims.find_still(0.2, np.zeros(2), *given_mw, *limits, still) == 0
