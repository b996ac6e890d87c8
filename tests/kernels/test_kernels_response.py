"""Prediction of what each unit delivers, and who is to meet the request when."""

import math

import numpy as np
import pytest
import response_reference as reference
from hypothesis import given
from hypothesis import strategies as st

from vppd.core.types import Quality, Reason, WriteResult
from vppd.kernels import aims
from vppd.kernels import response as kernel

NAN, INF = float("nan"), float("inf")
TICK_S = 1.0


def foresee(history, *, now_s, dead_s, lag_s, model_mw, before_s, **changes):
    """One unit through the kernel; history: (instant, setpoint), oldest first."""
    rows = kernel.count_rows(np.array([dead_s]), TICK_S)
    longest = max(rows, len(history) + 1)
    when_s = np.full(longest, -INF)
    past_mw = np.full(rows, NAN)
    for k, (at_s, p_mw) in enumerate(reversed(history)):
        when_s[longest - 2 - k] = at_s
        if k < rows - 1:
            past_mw[rows - 2 - k] = p_mw
    when_s[-1] = now_s
    of = {
        "p_meas_mw": NAN, "measured_at_s": NAN, "seen_s": NAN, "offset_mw": 0.0, "told_mw": 0.0,
        "snap_mw": 1e9, "correction": 0.1, "offset_correction": 0.02, "gain_min_pu": 0.0,
        "quality": Quality.ONLINE,
        "ahead_s": (1.0, 8.0),
    } | changes  # fmt: skip
    one = {key: np.array([of[key]], float) for key in
           ("p_meas_mw", "measured_at_s", "seen_s", "offset_mw", "told_mw", "snap_mw")}  # fmt: skip
    ahead_s = np.array(of["ahead_s"])
    model, offset, seen, off = np.empty((4, 1))
    free, gain = np.empty((2, ahead_s.size, 1))
    kernel.find_gains(np.array([dead_s]), np.array([lag_s]), ahead_s, of["gain_min_pu"], gain)
    begun = kernel.foresee(
        before_s, now_s, np.array([model_mw]), one["offset_mw"], one["seen_s"],
        one["p_meas_mw"], one["measured_at_s"], np.array([of["quality"]], np.uint8),
        np.array([dead_s]), np.array([lag_s]), np.array([rows]),
        of["correction"], of["offset_correction"], one["snap_mw"], one["told_mw"],
        past_mw, when_s, ahead_s, model, offset, seen, off, free,
    )  # fmt: skip
    return {"model": model[0], "offset": offset[0], "seen": seen[0], "free": free[:, 0],
            "gain": gain[:, 0], "begun": begun, "off": off[0]}  # fmt: skip


STEP = [(0.0, 0.0), (10.0, 4.0)]


@given(st.floats(0.0, 60.0))
def test_decay_is_the_exponential(x):
    assert kernel.decay(x) == pytest.approx(math.exp(-x), rel=1e-12, abs=1e-17)


def test_decay_at_its_ends():
    assert kernel.decay(0.0) == kernel.decay(-1.0) == kernel.decay(NAN) == 1.0
    assert kernel.decay(1e300) == kernel.decay(INF) == 0.0


def test_a_step_answers_after_its_dead_time_with_its_lag():
    seen = foresee(
        STEP,
        now_s=12.0,
        before_s=11.0,
        dead_s=3.0,
        lag_s=2.0,
        model_mw=0.0,
        ahead_s=(1.0, 3.0, 9.0),
    )
    assert seen["model"] == 0.0  # dead until 13 s
    assert seen["free"] == pytest.approx([0.0, 4.0 * (1.0 - math.exp(-1.0)),
                                          4.0 * (1.0 - math.exp(-4.0))])  # fmt: skip
    assert seen["gain"] == pytest.approx([0.0, 0.0, 1.0 - math.exp(-3.0)])


def test_a_unit_without_a_lag_is_where_it_was_told_to_be():
    seen = foresee(STEP, now_s=11.0, before_s=10.5, dead_s=0.5, lag_s=0.0, model_mw=0.0)
    assert seen["model"] == 4.0
    assert seen["gain"].tolist() == [1.0, 1.0]


def test_small_gains_are_none():
    seen = foresee(STEP, now_s=11.0, before_s=10.0, dead_s=0.0, lag_s=25.0, model_mw=0.0,
                   gain_min_pu=0.1)  # fmt: skip
    assert seen["gain"] == pytest.approx([0.0, 1.0 - math.exp(-8.0 / 25.0)])


@st.composite
def lives(draw):
    """A unit, the setpoints of its last minute, and when it was measured."""
    gaps = draw(st.lists(st.floats(0.15, 2.0), min_size=2, max_size=25))
    powers = draw(st.lists(st.floats(-9.0, 9.0), min_size=len(gaps), max_size=len(gaps)))
    instants = (100.0 - np.cumsum(gaps[::-1])[::-1]).tolist()
    reach = sum(gaps) - gaps[0]
    dead_s = draw(st.floats(0.0, min(3.0, reach)))
    return list(zip(instants, powers, strict=True)), dead_s, draw(st.floats(0.0, 30.0))


@given(lives(), st.floats(0.0, 1.0), st.floats(-9.0, 9.0))
def test_an_exact_model_without_noise_is_the_truth(life, share, model_mw):
    """From the last tick over a measurement to now and ahead, whatever was sent and when."""
    history, dead_s, lag_s = life
    before_s, now_s = history[-1][0], 100.0
    rows = kernel.count_rows(np.array([dead_s]), TICK_S) - 1
    if len(history) > rows:  # more early ticks than there is room for
        history = history[-rows:]
    if before_s - dead_s < history[0][0]:
        dead_s = max(0.0, before_s - history[0][0])
    # a unit without a lag is where it was told to be, from the very instant on
    model_mw = reference.moved(model_mw, before_s, before_s, dead_s, lag_s, history)
    measured_s = before_s + share * (now_s - before_s)
    truth = [
        reference.moved(model_mw, before_s, at_s, dead_s, lag_s, history)
        for at_s in (measured_s, now_s, now_s + 1.0, now_s + 8.0)
    ]
    seen = foresee(
        history, now_s=now_s, before_s=before_s, dead_s=dead_s, lag_s=lag_s, model_mw=model_mw,
        told_mw=history[0][1], p_meas_mw=truth[0], measured_at_s=measured_s, seen_s=before_s - 9.0,
    )  # fmt: skip
    told = [seen["model"], *seen["free"]]
    assert told == pytest.approx(truth[1:], abs=1e-9)
    assert seen["offset"] == pytest.approx(0.0, abs=1e-9)


def test_a_measurement_corrects_the_model_where_it_was_taken():
    """Half a second old: the model is held against it there, and then goes on."""
    seen = foresee(
        [(0.0, 0.0)], now_s=12.0, before_s=11.0, dead_s=0.0, lag_s=5.0, model_mw=0.0,
        p_meas_mw=1.0, measured_at_s=11.5, correction=0.5, offset_correction=0.1,
    )  # fmt: skip
    assert seen["model"] == pytest.approx(0.5 * math.exp(-0.1))
    assert seen["offset"] == pytest.approx(0.1)
    assert seen["seen"] == 11.5
    assert seen["free"][0] == pytest.approx(0.5 * math.exp(-0.3) + 0.1)


def test_a_measurement_from_before_the_last_tick_has_faded():
    seen = foresee(
        [(0.0, 0.0)], now_s=12.0, before_s=11.0, dead_s=0.0, lag_s=5.0, model_mw=0.0,
        p_meas_mw=1.0, measured_at_s=8.0, correction=0.5, offset_correction=0.1,
    )  # fmt: skip
    assert seen["model"] == pytest.approx(0.5 * math.exp(-0.6) * math.exp(-0.2))
    assert seen["offset"] == pytest.approx(0.1 * math.exp(-0.6))


@pytest.mark.parametrize(
    ("changes", "begun", "model_mw"),
    [
        ({"p_meas_mw": 5.0, "measured_at_s": 12.0, "snap_mw": 2.0}, 1, 5.0),  # far: begins anew
        ({"p_meas_mw": 5.0, "measured_at_s": 12.0, "seen_s": 12.0}, 0, 0.0),  # known already
        ({"p_meas_mw": 5.0, "measured_at_s": 12.5}, 0, 0.0),  # from the future
        ({"p_meas_mw": NAN, "measured_at_s": 12.0}, 0, 0.0),
        ({"p_meas_mw": INF, "measured_at_s": 12.0}, 0, 0.0),
        ({"p_meas_mw": 5.0, "measured_at_s": NAN}, 0, 0.0),
        ({"p_meas_mw": 1.1e5, "measured_at_s": 12.0}, 0, 0.0),  # a broken register
    ],
)
def test_which_measurements_count(changes, begun, model_mw):
    seen = foresee([(0.0, 0.0)], now_s=12.0, before_s=11.0, dead_s=0.0, lag_s=5.0, model_mw=0.0,
                   **changes)  # fmt: skip
    assert (seen["begun"], seen["model"]) == (begun, model_mw)


def test_a_unit_that_was_never_measured_is_where_it_was_told_to_be():
    seen = foresee([], now_s=12.0, before_s=NAN, dead_s=1.0, lag_s=5.0, model_mw=NAN, told_mw=3.0)
    assert (seen["model"], seen["free"].tolist()) == (3.0, [3.0, 3.0])


def test_the_first_measurement_begins_the_model():
    seen = foresee([], now_s=12.0, before_s=NAN, dead_s=0.0, lag_s=5.0, model_mw=NAN, told_mw=3.0,
                   p_meas_mw=1.0, measured_at_s=12.0)  # fmt: skip
    assert (seen["begun"], seen["model"]) == (1, 1.0)
    assert seen["free"].tolist() == [1.0, 1.0]  # nobody knows what it follows: it stays


# ------------------------------------------------------------------ past setpoints


def shifted(now_s=11.0, sent_s=10.0, **changes):
    """Two units; the first has the setpoints 1, 2, 3, 4 behind it, and takes 9 in this tick."""
    of = {"accepted_mw": 4.0, "accepted_at_s": 10.01, "write_result": WriteResult.ACCEPTED,
          "was_out": Reason.NONE} | changes  # fmt: skip
    past_mw = np.array([1.0, 1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    when_s = np.array([-INF, 7.0, 8.0, 9.0, sent_s])
    after_mw, when_after_s, stands_mw = np.empty(10), np.empty(5), np.empty(2)
    lost = kernel.shift_rows(
        now_s, TICK_S, when_s, np.array([5, 10]), past_mw,
        np.array([of["accepted_mw"], 0.0]), np.array([of["accepted_at_s"], 10.01]),
        np.array([of["write_result"], WriteResult.ACCEPTED], np.uint8),
        np.array([of["was_out"], Reason.NONE], np.uint8), np.array([9.0, 8.0]),
        after_mw, when_after_s, stands_mw,
    )  # fmt: skip
    assert stands_mw.tolist() == [after_mw[3], 0.0]  # from where this tick's change counts
    assert after_mw[5:].tolist() == [0.0, 0.0, 0.0, 0.0, 8.0]
    assert when_after_s.tolist() == [7.0, 8.0, 9.0, sent_s, now_s]
    return lost, after_mw[:5].tolist()


@pytest.mark.parametrize(
    ("changes", "lost", "newest_mw"),
    [
        ({}, 0, 4.0),
        ({"accepted_mw": 3.0, "accepted_at_s": 9.01, "write_result": WriteResult.UNKNOWN}, 1, 3.0),
        ({"accepted_mw": 3.0, "accepted_at_s": 9.01, "write_result": WriteResult.REFUSED}, 1, 3.0),
        # the answer to the newest is under way: that of the one before still stands
        ({"accepted_mw": 3.0, "accepted_at_s": 9.01}, 0, 4.0),
        # a tick that follows at once concludes nothing
        ({"accepted_mw": 3.0, "accepted_at_s": 9.01, "write_result": WriteResult.UNKNOWN,
          "now_s": 10.4}, 0, 4.0),
        ({"accepted_mw": NAN, "accepted_at_s": NAN, "write_result": WriteResult.UNKNOWN}, 0, 4.0),
        ({"accepted_mw": 3.0, "accepted_at_s": 9.01, "write_result": WriteResult.UNKNOWN,
          "was_out": Reason.UNREACHABLE}, 0, 4.0),
    ],
)  # fmt: skip
def test_a_write_that_was_lost_changed_nothing(changes, lost, newest_mw):
    assert shifted(**changes) == (lost, [1.0, 2.0, 3.0, newest_mw, 9.0])


def test_this_ticks_setpoints_come_last_and_who_gets_none_stays():
    past_end = np.empty(2, np.int64)
    past_mw = np.zeros(kernel.find_ends(np.array([0.0, 2.5]), TICK_S, past_end))
    assert past_end.tolist() == [5, 5 + 10]
    sent = kernel.keep(
        past_end, np.array([1, 0], np.uint8), np.array([3.0, 4.0]), np.array([1.0, 2.0]), past_mw,
    )  # fmt: skip
    assert sent == 1
    assert past_mw.tolist() == [0.0] * 4 + [3.0] + [0.0] * 9 + [2.0]


def test_who_gets_none_was_told_what_it_was_told_before():
    told_mw = np.empty(3)
    sent = kernel.remember(
        np.array([1, 0, 0], np.uint8), np.array([3.0, 4.0, 5.0]), np.array([NAN, 2.0, NAN]), told_mw
    )
    assert sent == 1
    assert told_mw[:2].tolist() == [3.0, 2.0]
    assert math.isnan(told_mw[2])


def test_what_is_expected_is_what_comes_anyway_and_what_of_a_change_arrives():
    out_mw, sum_mw = np.empty(2), np.empty(2)
    total = kernel.expect(
        np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5, 0.0], [1.0, 0.5]]),
        np.array([4.0, 4.0]), np.array([6.0, 9.0]), out_mw, sum_mw,
    )  # fmt: skip
    assert out_mw.tolist() == [2.0, 2.0]
    assert sum_mw.tolist() == [4.0, (3.0 + 2.0) + (4.0 + 2.5)]
    assert total == 4.0


def test_what_is_served_is_the_first_sum_of_what_is_expected():
    rng = np.random.default_rng(7)
    free_mw, gain_pu, (told_mw, p_mw) = rng.normal(size=(3, 2, 50)) * 10.0
    total = kernel.expect(free_mw, gain_pu, told_mw, p_mw, np.empty(50), np.empty(2))
    assert kernel.serve(free_mw, gain_pu, told_mw, p_mw) == total


# ------------------------------------------------------------------ who meets the request


def economy(slow_mw, soc_pu=0.5, participation=(1.0, 1.0), recovery_s=3600.0):
    base_mw, weight = np.empty((2, 2))
    each = [np.array([value, NAN]) for value in (soc_pu, 2.0)]
    limits_mw = np.array([-5.0, -5.0]), np.array([5.0, 0.0])
    back_mw = np.empty(2)
    aims.recover(
        *each, np.full(2, 0.1), np.full(2, 0.9), recovery_s, 0.1, *limits_mw, 0.0,
        np.full(2, NAN), back_mw,
    )  # fmt: skip
    request_mw = aims.economy(
        slow_mw, np.array([0.0, -3.0]), back_mw, np.array(participation), *limits_mw,
        base_mw, weight,
    )  # fmt: skip
    return request_mw, base_mw.tolist(), weight.tolist()


@pytest.mark.parametrize(
    ("soc_pu", "base_mw"),
    [(0.5, 0.0), (0.6, 0.2), (0.4, -0.2), (0.9, 0.8), (0.1, -0.8), (2.0, 1.0), (NAN, 0.0)],
)
def test_a_store_begins_beside_its_plan_by_what_it_recovers(soc_pu, base_mw):
    """2 MWh back to the middle in an hour, by no more than a tenth of 10 MW."""
    assert economy(0.0, soc_pu)[1] == pytest.approx([base_mw, -3.0])


def test_what_lasts_is_shared_by_range_in_its_direction():
    assert economy(2.0) == (-1.0, [0.0, -3.0], [5.0, 3.0])
    assert economy(-2.0) == (-5.0, [0.0, -3.0], [5.0, 2.0])


def test_participation_weighs_and_none_comes_last():
    _, _, weight = economy(2.0, participation=(0.5, 0.0))
    assert weight == pytest.approx([2.5, 3e-6])


def test_a_store_never_recovers_if_it_has_for_ever():
    assert economy(0.0, 0.9, recovery_s=INF)[1] == [0.0, -3.0]


def aimed(
    request_mw=6.0, gain=((0.9, 0.0, 0.0), (1.0, 0.8, 0.3)), participation=1.0, still=(0, 0, 0)
):  # fmt: skip
    """A fast, a medium and a slow unit, each -5 to 5 MW, at 1 MW and told 2 MW."""
    three, four = np.ones(3), np.empty((5, 4))
    wanted_mw, aim_gain = np.empty(2), np.empty((2, 4))
    fast = aims.aim(
        np.full(2, request_mw), np.ones((2, 3)), np.array(gain), 2.0 * three, 3.0 * three,
        0.0 * three, participation * three, 4.0 * three, -5.0 * three, 5.0 * three,
        1.0 * three, 3.0 * three, 1.5 * three, np.array(still, np.uint8), 0.5,
        wanted_mw, aim_gain, four,
    )  # fmt: skip
    return fast, wanted_mw, aim_gain, four


def test_fast_units_meet_the_request_and_medium_ones_take_over():
    fast, wanted_mw, gain, (target_mw, weight, lower_mw, upper_mw, pull) = aimed()
    assert fast == 1
    # at the first point: less what comes anyway, with the fast one's own last setpoint taken out
    # at the second: less what the slow one will deliver
    assert wanted_mw == pytest.approx([6.0 - 3.0 + 0.9 * 2.0, 6.0 - 1.0])
    assert gain.tolist() == [[0.9, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    assert target_mw.tolist() == [3.0, 0.0, 3.0, 0.0]  # its target, its base, its target; unit n
    assert weight == pytest.approx([0.25, 5.0, 0.25, 5.0], rel=1e-6)
    assert lower_mw.tolist() == [1.0, 1.0, 1.0, -5.0]
    assert upper_mw.tolist() == [3.0, 3.0, 3.0, 5.0]
    assert pull.tolist() == weight.tolist()


def test_a_still_unit_is_held_where_it_is_and_no_price_counts_for_it():
    _, _, _, (_, weight, lower_mw, upper_mw, pull) = aimed(still=(0, 1, 0))
    assert lower_mw.tolist() == [1.0, 1.5, 1.0, -5.0]
    assert upper_mw.tolist() == [3.0, 1.5, 3.0, 5.0]
    assert weight[1] == pytest.approx(5.0)
    assert pull.tolist() == [weight[0], 1.0, weight[2], weight[3]]


def test_without_a_fast_unit_unit_n_has_no_range():
    fast, _, gain, four = aimed(gain=((0.0,) * 3, (0.8, 0.8, 0.3)))
    target_mw, _, lower_mw, upper_mw, pull = four
    assert fast == 0
    assert gain[0].tolist() == [0.0] * 4
    assert (target_mw[3], lower_mw[3], upper_mw[3], pull[3]) == (0.0, 0.0, 0.0, 1.0)


# ------------------------------------------------------------------ what was foretold, and came


def test_a_new_reading_is_held_against_what_was_foretold_for_its_instant():
    """At 1 MW and told to stay: a reading of 1.3 MW, of which 0.1 MW are settled, is 0.2 MW off."""
    given = {"now_s": 12.0, "before_s": 11.0, "dead_s": 0.0, "lag_s": 5.0, "model_mw": 1.0,
             "p_meas_mw": 1.3, "measured_at_s": 11.5, "offset_mw": 0.1, "seen_s": 11.0}  # fmt: skip
    stays = [(0.0, 1.0)]
    assert foresee(stays, **given)["off"] == pytest.approx(0.2)
    assert math.isnan(foresee(stays, **given | {"seen_s": 11.5})["off"])  # no news
    assert math.isnan(foresee(stays, **given | {"p_meas_mw": NAN})["off"])
    assert math.isnan(foresee(stays, **given | {"model_mw": NAN})["off"])  # nothing was foretold
    # beyond all noise the model begins anew, and the difference is told all the same
    assert foresee(stays, **given | {"snap_mw": 0.1})["off"] == pytest.approx(0.2)


def test_without_a_tick_before_nothing_was_foretold():
    seen = foresee([], now_s=12.0, before_s=NAN, dead_s=0.0, lag_s=5.0, model_mw=1.0,
                   p_meas_mw=1.3, measured_at_s=11.5)  # fmt: skip
    assert math.isnan(seen["off"])


def test_gains_that_are_not_zero_are_counted():
    dead_s, lag_s = np.array([0.0, 3.0, 3.0, 0.5]), np.array([0.0, 1.0, 0.0, 40.0])
    gain = np.full((2, 4), np.nan)
    count = kernel.find_gains(dead_s, lag_s, np.array([1.0, 8.0]), 0.1, gain)
    assert count == (gain > 0.0).sum() == 5
    assert gain[0].tolist() == [1.0, 0.0, 0.0, 0.0]
