"""The response model from tick to tick, against units simulated by superposition of steps."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_response import NAN, Model
from responses import Unit

from vppd.core.types import Reason, WriteResult
from vppd.kernels import response

POWER = st.floats(-50.0, 50.0)


def one(dead_s=0.0, lag_s=2.0, **changes):
    return Model(np.array([dead_s]), np.array([lag_s]), **changes)


# ------------------------------------------------------------------------- the model


def test_decay_never_rises():
    values = [response.decay(x) for x in np.linspace(0.0, 45.0, 20_001).tolist()]
    assert all(b <= a for a, b in itertools.pairwise(values))


@given(
    dead_s=st.sampled_from([0.0, 0.3, 1.0, 2.7, 6.0]),
    lag_s=st.sampled_from([0.0, 0.2, 1.0, 7.0, 60.0]),
    told_mw=st.lists(POWER, min_size=1, max_size=25),
    gaps_s=st.lists(st.floats(0.75, 1.5), min_size=25, max_size=25),
    measured=st.lists(st.none() | st.floats(0.0, 0.7), min_size=25, max_size=25),
)
def test_with_an_exact_model_what_is_predicted_comes(dead_s, lag_s, told_mw, gaps_s, measured):
    """Random setpoints at uneven ticks, some seconds without a measurement."""
    truth, model = Unit(dead_s, lag_s), one(dead_s, lag_s)
    now_s, seen = 100.0, (0.0, 99.9)
    for p_mw, gap_s, age_s in zip(told_mw, gaps_s, measured, strict=False):
        if age_s is not None and now_s - age_s > seen[1]:
            seen = truth.at(now_s - age_s), now_s - age_s
        free_mw, gain_pu = model.tick(now_s, [seen[0]], [seen[1]], (0.5, 1.0, 8.0, 30.0))
        truth.told.append((now_s, p_mw))
        for k, ahead_s in enumerate((0.5, 1.0, 8.0, 30.0)):
            expected_mw = free_mw[k, 0] + gain_pu[k, 0] * (p_mw - model.told_mw[0])
            assert expected_mw == pytest.approx(truth.at(now_s + ahead_s), abs=1e-9)
        model.tell([p_mw])
        now_s += gap_s


def test_against_euler_in_small_steps():
    """What neither the kernel nor the reference assumes: the differential equation itself."""
    model, told = one(1.5, 3.0), [0.0, 8.0, -4.0, -4.0, 6.0]
    for k, p_mw in enumerate(told):
        free_mw, gain_pu = model.tick(float(k), [0.0], [-1.0], (2.0,))
        expected_mw = free_mw[0, 0] + gain_pu[0, 0] * (p_mw - model.told_mw[0])
        model.tell([p_mw])
    y, h = 0.0, 1e-4
    for j in range(round(6.0 / h)):
        sent = math.floor(j * h - 1.5 + 1e-9)
        y += h / 3.0 * ((told[min(sent, 4)] if sent >= 0 else 0.0) - y)
    assert expected_mw == pytest.approx(y, abs=1e-3)


# ------------------------------------------------------------------------- measurements


def test_an_old_measurement_is_moved_forward_over_what_was_sent_since():
    """It was taken before the last tick, and reaches this one: no error, so no correction."""
    truth, model = Unit(0.0, 1.0), one(0.0, 1.0)
    for k, p_mw in enumerate([0.0, 10.0, -10.0, 10.0]):
        model.tick(float(k), [truth.at(k - 1.3)], [k - 1.3])
        assert model.y[0] == pytest.approx(truth.at(float(k)), abs=1e-9)
        assert model.offset_mw[0] == pytest.approx(0.0, abs=1e-9)
        truth.told.append((float(k), p_mw))
        model.tell([p_mw])


def test_an_old_measurement_counts_as_far_as_it_has_not_faded():
    model = one(0.0, 2.0)
    model.tick(0.0, [5.0], [-1.0])
    model.tell([5.0])
    model.tick(1.0, [5.0], [0.9])
    model.tell([5.0])
    model.tick(2.0, [5.0], [0.9])
    model.tell([5.0])
    model.tick(3.0, [6.0], [1.5])  # 5 MW stand since 0 s, nothing is known of before
    at_last_tick_mw = math.exp(-0.25)  # of the 1 MW that it was off
    assert model.y[0] == pytest.approx(5.0 + 0.1 * at_last_tick_mw * math.exp(-0.5))
    assert model.offset_mw[0] == pytest.approx(0.02 * at_last_tick_mw)


def test_of_a_unit_without_lag_an_old_measurement_says_nothing():
    model = one(0.0, 0.0)
    for k in range(3):
        model.tick(float(k), [5.0], [-1.0])
        model.tell([7.0])
    model.tick(3.0, [9.0], [0.5])
    assert (model.y[0], model.offset_mw[0]) == (7.0, 0.0)


@pytest.mark.parametrize("off_mw", [-2.1, 2.1])
def test_far_off_the_model_begins_anew(off_mw):
    model = one(0.0, 2.0, snap_mw=2.0)
    model.tick(0.0, [5.0], [0.0])
    model.tell([5.0])
    model.tick(1.0, [5.0 + 0.9 * off_mw], [0.9])
    assert (model.begun, abs(model.offset_mw[0]) > 0.0) == (0, True)
    model.tell([5.0])
    model.tick(2.0, [5.0 + 1.2 * off_mw], [1.5])
    assert (model.begun, model.offset_mw[0]) == (1, 0.0)
    assert model.y[0] == pytest.approx(5.0 + 1.2 * off_mw * math.exp(-0.25))


def test_before_its_first_setpoint_arrives_a_unit_stays_where_it_is():
    """What was in force before the start nobody knows: it is not the first setpoint."""
    model = one(3.0, 1.0)
    model.tick(0.0, [2.0], [-0.2])
    model.tell([9.0])
    free_mw, _ = model.tick(1.0, [2.0], [0.8], (1.0, 3.0))
    assert free_mw[0, 0] == pytest.approx(2.0)  # at 2 s; it arrives at 3 s
    assert free_mw[1, 0] == pytest.approx(9.0 - 7.0 * math.exp(-1.0))


def test_a_steady_difference_settles_in_the_offset():
    """A unit that always gives 1 MW more: in the end it is expected to."""
    model = one(0.0, 2.0)
    for k in range(400):
        free_mw, _ = model.tick(float(k), [6.0 if k else 5.0], [k - 0.1])
        model.tell([5.0])
    assert free_mw[0, 0] == pytest.approx(6.0, abs=1e-3)


# ------------------------------------------------------------------------- past setpoints

LOST = {
    "accepted_mw": np.array([1.0]),
    "accepted_at_s": np.array([0.2]),
    "result": np.array([WriteResult.UNKNOWN], np.uint8),
}


def told_twice(**changes):
    """1 MW at 0 s, which was accepted; 8 MW at 1 s, which were not; now it is 2 s."""
    model = one(1.0, 0.0)
    model.tick(0.0, [0.0], [0.0])
    model.tell([1.0])
    model.tick(1.0, [0.0], [1.0])
    model.tell([8.0])
    answers = LOST | {k: v for k, v in changes.items() if k != "now_s"}
    model.tick(changes.get("now_s", 2.0), [NAN], [NAN], **answers)
    assert model.stands_mw[0] == model.past_mw[-2]
    return model.lost, model.past_mw[-2]


def test_a_write_that_was_lost_changed_nothing():
    assert told_twice() == (1, 1.0)


@pytest.mark.parametrize("changes", [
    {"now_s": 1.4},
    {"result": np.array([WriteResult.ACCEPTED], np.uint8)},
    {"accepted_at_s": np.array([1.0])},
    {"accepted_mw": np.array([NAN])},
    {"was_out": np.array([Reason.UNREACHABLE], np.uint8)},
], ids=["under way", "accepted", "landed", "nothing was ever accepted", "out"])  # fmt: skip
def test_and_one_that_may_have_come_stands(changes):
    assert told_twice(**changes) == (0, 8.0)


def test_rows_shift_unit_by_unit_and_room_is_left_for_this_tick():
    model = Model(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    rows = [response.count_rows(np.array([dead_s]), 1.0) for dead_s in (0.0, 1.0)]
    assert rows == [5, 7]
    for k in range(9):
        model.tick(float(k), [NAN] * 2, [NAN] * 2)
        before = model.told_mw
        assert [model.past_mw[4], model.past_mw[11]] == before.tolist()  # till it is known
        assert model.tell([10.0 + k, 20.0 + k]) == 2
    assert model.past_mw.tolist() == [14.0, 15, 16, 17, 18, 22, 23, 24, 25, 26, 27, 28]
    assert model.when_s.tolist() == [2.0, 3, 4, 5, 6, 7, 8]


def test_a_long_dead_time_is_looked_back_on_where_values_start_every_other_tick():
    """Two ticks in each period, for longer than the dead time."""
    truth, model = Unit(12.0, 2.0), one(12.0, 2.0)
    for k in range(80):
        now_s = 0.5 * k
        free_mw, _ = model.tick(now_s, [truth.at(now_s - 0.1)], [now_s - 0.1])
        assert free_mw[1, 0] == pytest.approx(truth.at(now_s + 8.0), abs=1e-9)
        truth.told.append((now_s, math.sin(k)))
        model.tell([math.sin(k)])
