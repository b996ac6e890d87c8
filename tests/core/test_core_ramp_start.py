"""Where a ramp begins when a unit is not, or was not, what the last tick believed it to be."""

import dataclasses

import numpy as np
import pytest
from builders import NAN, at, image, params

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Order, Quality, Reason, WriteResult

ONES = image().connected
ZEROS = image().accepted_mw
NEVER = np.full(3, NAN)
# A plant that can do 1 MW/s: what the ramp allows is easy to see.
SLOW = {"ramp_up_mw_per_s": np.full(3, 1.0), "ramp_down_mw_per_s": np.full(3, 1.0)}


def running(p, setpoints_mw, out_reason=(0, 0, 0), sent=(1, 1, 1), **changes):
    """A plant that regulates at these setpoints since a while; its last tick was at 99 s."""
    state = dataclasses.replace(
        initial_state(p), now_s=99.0, mode=Mode.REGULATING, mode_since_s=50.0,
        p_setpoint_mw=np.array(setpoints_mw), out_reason=np.array(out_reason, np.uint8),
        sent=np.array(sent, np.uint8),
    )  # fmt: skip
    return dataclasses.replace(state, **changes)


def test_a_setpoint_taken_between_two_ticks_is_where_the_ramp_of_a_lost_unit_begins():
    """It came back, and its newest setpoint was said again: the prediction is out of date."""
    p = params(**SLOW)
    before = running(p, [0.0, 2.0, 0.0], (0, Reason.UNREACHABLE, 0))
    back = image(
        agc_pu=-1.0, accepted_mw=at(ZEROS, 1, 6.0), accepted_at_s=at(image().accepted_at_s, 1, 99.1)
    )
    _, d = tick(before, back, p)
    assert (d.lower_mw[1], d.upper_mw[1]) == pytest.approx((5.0, 7.0))
    assert d.p_setpoint_mw[1] == pytest.approx(5.0)


def test_a_setpoint_taken_before_the_last_tick_does_not_move_the_ramp_of_a_lost_unit():
    p = params(**SLOW)
    before = running(p, [0.0, 2.0, 0.0], (0, Reason.UNREACHABLE, 0))
    back = image(
        accepted_mw=at(ZEROS, 1, 6.0), accepted_at_s=at(image().accepted_at_s, 1, 98.9)
    )  # fmt: skip
    _, d = tick(before, back, p)
    assert (d.lower_mw[1], d.upper_mw[1]) == pytest.approx((1.0, 3.0))


@pytest.mark.parametrize(
    ("measured_at_s", "mode", "begins_mw"),
    [
        (98.9, Mode.REGULATING, -2.0),  # read before the setpoint was sent
        (99.05, Mode.REGULATING, -1.0),  # read after it: the unit does not follow
        (98.9, Mode.STARTING, -1.0),  # nothing was sent yet
    ],
)
def test_before_its_first_answer_a_unit_is_ramped_from_what_it_was_sent(
    measured_at_s, mode, begins_mw
):
    p = params(**SLOW)
    sent = (0, 0, 0) if mode is Mode.STARTING else (1, 1, 1)
    before = running(p, [-2.0, -2.0, -2.0], mode=mode, sent=sent)
    seen = image(
        now_s=99.1, agc_pu=1.0, p_meas_mw=np.full(3, -1.0),
        measured_at_s=np.full(3, measured_at_s), accepted_mw=NEVER, accepted_at_s=NEVER,
        write_result=np.zeros(3, np.uint8),
    )  # fmt: skip
    _, d = tick(before, seen, p)
    assert d.p_setpoint_mw == pytest.approx([begins_mw + 0.1] * 3)


def test_a_first_reading_over_a_slow_link_is_where_the_ramp_begins():
    """It was taken before the last tick and came after it; that tick could send nothing."""
    p = params(fallback_mw=np.full(3, -9.0), **SLOW)
    before = running(p, [0.0, -9.0, 0.0], (0, Reason.FALLBACK, 0), (1, 0, 1))
    seen = image(
        p_meas_mw=at(ZEROS, 1, -4.0), measured_at_s=at(image().measured_at_s, 1, 98.7),
        accepted_mw=at(ZEROS, 1, NAN), accepted_at_s=at(ZEROS, 1, NAN),
        write_result=at(ONES, 1, WriteResult.NONE),
    )  # fmt: skip
    state, d = tick(before, seen, p)
    assert Reason(state.out_reason[1]) is Reason.NONE
    assert (d.lower_mw[1], d.upper_mw[1]) == pytest.approx((-5.0, -3.0))


@pytest.mark.parametrize("order", [Order.AUTO, Order.SAFE])
def test_a_unit_that_is_read_and_takes_nothing_goes_to_its_fallback_within_its_ramp(order):
    p = params(fallback_mw=np.array([0.0, -9.0, 0.0]), safe_mw=np.full(3, -9.0), **SLOW)
    state = running(p, [0.0, -2.0, 0.0], (0, Reason.FALLBACK, 0))
    sent_mw = []
    for k in range(9):
        seen = image(
            tick=k, now_s=100.0 + k, order=order, p_meas_mw=state.p_setpoint_mw,
            write_result=at(ONES, 1, WriteResult.UNKNOWN), accepted_mw=state.p_setpoint_mw,
            accepted_at_s=at(np.full(3, 100.0 + k), 1, 80.0),
            measured_at_s=np.full(3, 100.0 + k),
        )  # fmt: skip
        state, d = tick(state, seen, p)
        assert (Reason(d.held_by[1]), d.send[1]) == (Reason.FALLBACK, 1)
        sent_mw.append(d.p_setpoint_mw[1])
    assert sent_mw == pytest.approx([-3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -9.0, -9.0, -9.0])


@pytest.mark.parametrize("order", [Order.AUTO, Order.SAFE])
def test_a_unit_in_its_fallback_is_told_nothing_before_it_was_read(order):
    """Nobody knows where it is.

    Storm seed 163: a setpoint that it took without an answer had set its watchdog anew; counted by
    its fallback, and back before it was read, it was sent there in one step. Seed 20: the same by
    the tick after, for a reading that was taken before the tick in which it was counted.
    """
    p = params(fallback_mw=np.array([0.0, -9.0, 0.0]), safe_mw=np.full(3, -9.0), **SLOW)
    state = running(p, [0.0, -9.0, 0.0], (0, Reason.FALLBACK, 0), (1, 0, 1))
    changes = {
        "write_result": at(ONES, 1, WriteResult.UNKNOWN), "accepted_mw": at(ZEROS, 1, -2.0),
        "accepted_at_s": at(image().accepted_at_s, 1, 80.0), "order": order,
    }  # fmt: skip
    back = image(
        quality=at(image().quality, 1, Quality.COMM_LOST),
        measured_at_s=at(image().measured_at_s, 1, 98.0), **changes,
    )  # fmt: skip
    state, d = tick(state, back, p)
    assert (Reason(d.held_by[1]), d.send[1]) == (Reason.FALLBACK, 0)
    assert d.p_setpoint_mw[1] == -9.0  # counted by it all the same
    read = image(now_s=101.0, p_meas_mw=at(ZEROS, 1, -3.0), **changes)
    read = dataclasses.replace(read, measured_at_s=np.full(3, 99.5))
    _, d = tick(state, read, p)
    assert (d.send[1], d.p_setpoint_mw[1]) == (1, -4.0)


def test_a_unit_that_is_read_when_its_watchdog_ends_is_ramped_from_what_it_was_sent():
    """Storm seed 190: told without an answer while it was out of reach, and not in its fallback."""
    p = params(fallback_mw=np.array([0.0, -9.0, 0.0]), **SLOW)
    seen = image(
        p_meas_mw=at(ZEROS, 1, -2.1), measured_at_s=at(image().measured_at_s, 1, 98.5),
        write_result=at(ONES, 1, WriteResult.UNKNOWN), accepted_mw=at(ZEROS, 1, -2.0),
        accepted_at_s=at(image().accepted_at_s, 1, 89.5),
    )  # fmt: skip
    _, d = tick(running(p, [0.0, -2.0, 0.0], (0, Reason.UNREACHABLE, 0)), seen, p)
    assert (Reason(d.held_by[1]), d.send[1]) == (Reason.FALLBACK, 1)
    assert d.p_setpoint_mw[1] == pytest.approx(-3.0)


@pytest.mark.parametrize(("accepted_s", "sent"), [(91.0, 1), (89.0, 0)])
def test_a_refusal_leaves_the_last_accepted_setpoint_in_force_until_its_watchdog_is_over(
    accepted_s, sent
):
    """It came back from its fallback, refused, and was not read yet: -6 MW may be long over."""
    seen = image(
        agc_pu=-1.0, quality=at(image().quality, 1, Quality.COMM_LOST),
        measured_at_s=at(image().measured_at_s, 1, 80.0),
        write_result=at(ONES, 1, WriteResult.REFUSED),
        accepted_mw=at(ZEROS, 1, -6.0), accepted_at_s=at(image().accepted_at_s, 1, accepted_s),
    )  # fmt: skip
    p = params(**SLOW)
    _, d = tick(running(p, [0.0, -2.0, 0.0], (0, Reason.FALLBACK, 0)), seen, p)
    assert d.send[1] == sent
    assert d.p_setpoint_mw[1] == pytest.approx(-6.0 if sent else 0.0, abs=1.0)


def test_a_unit_whose_watchdog_ended_out_of_reach_is_counted_by_its_fallback():
    """It is connected again, and neither read nor told yet."""
    p = params(fallback_mw=np.array([0.0, 8.0, 0.0]), **SLOW)
    back = image(
        quality=at(image().quality, 1, Quality.COMM_LOST),
        measured_at_s=at(image().measured_at_s, 1, 89.0),
        accepted_mw=at(ZEROS, 1, 1.0), accepted_at_s=at(image().accepted_at_s, 1, 89.5),
    )  # fmt: skip
    _, d = tick(running(p, [0.0, 1.0, 0.0], (0, Reason.UNREACHABLE, 0)), back, p)
    assert (Reason(d.held_by[1]), d.send[1]) == (Reason.FALLBACK, 0)
    assert d.p_setpoint_mw[1] == pytest.approx(8.0)


def test_a_unit_that_refused_is_told_no_more_than_it_has_to_give_now():
    """It tripped, and is back with a smaller range than when it took its last setpoint."""
    seen = image(
        write_result=at(ONES, 1, WriteResult.REFUSED),
        accepted_mw=at(ZEROS, 1, -6.0), p_avail_min_mw=at(np.full(3, NAN), 1, -4.0),
    )  # fmt: skip
    _, d = tick(running(params(**SLOW), [0.0, -6.0, 0.0]), seen, params(**SLOW))
    assert (Reason(d.held_by[1]), d.send[1]) == (Reason.REFUSED, 1)
    assert d.p_setpoint_mw[1] == pytest.approx(-4.0)


def test_a_unit_that_comes_back_to_its_operator_s_value_is_ramped_from_its_last_setpoint():
    p = params(fallback_mw=np.array([0.0, 8.0, 0.0]), **SLOW)
    back = image(
        accepted_mw=at(ZEROS, 1, 1.0), accepted_at_s=at(image().accepted_at_s, 1, 98.5),
        operator_mw=at(np.full(3, NAN), 1, 3.0), locked=at(ZEROS, 1, 1).astype(np.uint8),
    )  # fmt: skip
    _, d = tick(running(p, [0.0, 1.0, 0.0], (0, Reason.UNREACHABLE, 0)), back, p)
    assert Reason(d.held_by[1]) == Reason.OPERATOR
    assert d.p_setpoint_mw[1] == pytest.approx(2.0)


@pytest.mark.parametrize("order", [Order.AUTO, Order.SAFE])
def test_a_unit_that_was_never_read_and_never_told_is_sent_nothing(order):
    """Nobody knows where it is, so no setpoint is known to keep its ramp."""
    p = params(fallback_mw=np.array([0.0, -9.0, 0.0]), safe_mw=np.full(3, -1.0), **SLOW)
    seen = image(
        order=order, agc_pu=0.0, quality=at(image().quality, 1, Quality.RESTART),
        p_meas_mw=at(ZEROS, 1, NAN), measured_at_s=at(image().measured_at_s, 1, NAN),
        accepted_mw=at(ZEROS, 1, NAN), accepted_at_s=at(ZEROS, 1, NAN),
    )  # fmt: skip
    _, d = tick(running(p, [0.0, -9.0, 0.0], (0, Reason.FALLBACK, 0)), seen, p)
    assert d.send.tolist() == [1, 0, 1]
    assert d.p_setpoint_mw[1] == pytest.approx(-9.0)  # counted by its fallback all the same


@pytest.mark.parametrize(
    ("p_avail_mw", "sent_mw"),
    [
        ((-8.0, -3.0), -3.0),  # physics beats ramp: -1 is all that the ramp allows
        ((-8.0, NAN), -1.0),
        ((NAN, 5.0), -1.0),
        ((-0.5, 5.0), -0.5),
        ((5.0, -5.0), -1.0),  # they contradict each other: the rating is left
    ],
)
@pytest.mark.parametrize("held", [False, True])
def test_what_is_available_bounds_units_on_their_way_too(p_avail_mw, sent_mw, held):
    """To the fallback, or to the operator's value."""
    p = params(fallback_mw=np.full(3, -6.0), **SLOW)
    seen = image(
        p_avail_min_mw=at(NEVER, 1, p_avail_mw[0]), p_avail_max_mw=at(NEVER, 1, p_avail_mw[1]),
        write_result=at(ONES, 1, WriteResult.UNKNOWN),
        accepted_at_s=at(image().accepted_at_s, 1, 80.0),
        locked=at(image().locked, 1, int(held)), operator_mw=at(NEVER, 1, -6.0),
    )  # fmt: skip
    state, d = tick(running(p, [0.0, 0.0, 0.0]), seen, p)
    assert Reason(state.out_reason[1]) is (Reason.OPERATOR if held else Reason.FALLBACK)
    assert d.p_setpoint_mw[1] == pytest.approx(sent_mw)
    assert d.send[1] == 1
