"""The whole tick: what is asked, who takes part, and that the sum is right."""

import dataclasses

import numpy as np
import pytest
from builders import NAN, at, image, params
from hypothesis import given
from hypothesis import strategies as st

from vppd.core import allocation
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import (
    Decision,
    EventCode,
    Mode,
    Order,
    Policy,
    Quality,
    Reason,
    State,
    Verdict,
    WriteResult,
)
from vppd.kernels import status


def run(p, images, state=None):
    """Run ticks one after the other; return every (state, decision)."""
    state = initial_state(p) if state is None else state
    steps = []
    for each in images:
        state, decision = tick(state, each, p)
        steps.append((state, decision))
    return steps


def seconds(count, start_s=100.0, **changes):
    return [image(tick=k, now_s=start_s + k, **changes) for k in range(count)]


def names(decision):
    return [EventCode(code).name for code in decision.event_code.tolist()]


def test_request_is_basepoint_plus_agc_times_capacity():
    p = params()
    base = np.array([1.0, -2.0, 0.5])
    _, d = run(p, seconds(3, agc_pu=0.3, basepoint_mw=base))[-1]
    assert d.mode == Mode.REGULATING
    assert d.request_mw == pytest.approx(-0.5 + 6.0)
    assert d.p_setpoint_mw.sum() == pytest.approx(5.5)
    assert d.p_setpoint_mw - base == pytest.approx([2.0, 2.0, 2.0])


def test_ramp_counts_from_the_last_setpoint_over_the_time_that_passed():
    p = params()
    images = [
        image(tick=0, now_s=100.0, agc_pu=0.0),
        image(tick=1, now_s=100.25, agc_pu=1.0),
    ]
    _, d = run(p, images)[-1]
    assert d.p_setpoint_mw == pytest.approx([1.25] * 3)
    assert d.unserved_mw == pytest.approx(20.0 - 3.75)
    assert [Reason(r) for r in d.held_by] == [Reason.RAMP] * 3
    assert "UNSERVED" in names(d)


def test_a_long_stall_is_not_made_up_for_at_once():
    p = params()
    images = [image(tick=0, now_s=100.0), image(tick=60, now_s=160.0, agc_pu=1.0)]
    _, d = run(p, images)[-1]
    assert d.p_setpoint_mw.max() <= 10.0
    assert d.upper_mw == pytest.approx([10.0] * 3)
    slow = params(ramp_up_mw_per_s=np.full(3, 0.5))
    _, d = run(slow, images)[-1]
    assert d.upper_mw == pytest.approx([1.0] * 3)  # two periods, not sixty


@pytest.mark.parametrize(
    ("changes", "reason", "counted_mw", "sent"),
    [
        ({}, Reason.NONE, 0.0, 1),
        ({"connected": at(image().connected, 1, 0)}, Reason.UNREACHABLE, 3.0, 0),
        ({"quality": at(image().quality, 1, Quality.COMM_LOST)}, Reason.UNREACHABLE, 3.0, 1),
        (
            {
                "connected": at(image().connected, 1, 0),
                "accepted_at_s": at(image().accepted_at_s, 1, 89.9),
            },
            Reason.FALLBACK,
            -1.0,
            0,
        ),
        ({"measured_at_s": at(image().measured_at_s, 1, 94.9)}, Reason.TELEMETRY_AGE, 3.0, 1),
        ({"measured_at_s": at(image().measured_at_s, 1, NAN)}, Reason.TELEMETRY_AGE, 3.0, 1),
        ({"remote": at(image().remote, 1, 0)}, Reason.LOCAL_CONTROL, 2.5, 0),
        (
            {"write_result": at(image().write_result, 1, WriteResult.REFUSED)},
            Reason.REFUSED,
            3.0,
            1,
        ),
        (
            {"locked": at(image().locked, 1, 1), "operator_mw": at(image().operator_mw, 1, 4.0)},
            Reason.OPERATOR,
            4.0,
            1,
        ),
    ],
)
def test_who_takes_no_part_is_counted_and_the_others_carry_the_rest(
    changes, reason, counted_mw, sent
):
    p = params(fallback_mw=np.array([0.0, -1.0, 0.0]))
    seen = image(
        agc_pu=0.3,
        accepted_mw=at(image().accepted_mw, 1, 3.0),
        p_meas_mw=at(image().p_meas_mw, 1, 2.5),
    )
    before = dataclasses.replace(
        initial_state(p), p_setpoint_mw=np.array([0.0, 3.0, 0.0]), now_s=99.0,
        mode=Mode.REGULATING, mode_since_s=90.0, out_reason=np.zeros(3, np.uint8),
    )  # fmt: skip
    state, d = tick(before, dataclasses.replace(seen, **changes), p)
    assert Reason(state.out_reason[1]) is reason
    assert d.send.tolist() == [1, sent, 1]
    assert d.p_setpoint_mw.sum() == pytest.approx(6.0)
    assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)
    if reason is not Reason.NONE:
        assert d.p_setpoint_mw[1] == pytest.approx(counted_mw)
        assert d.held_mw == pytest.approx(counted_mw)
        assert Reason(d.held_by[1]) is reason
        assert names(d) == ["SIGNAL_VERDICT", "UNIT_LOST"]


def test_a_unit_that_never_accepted_starts_from_where_it_is_measured():
    p = params()
    seen = [
        image(tick=k, now_s=100.0 + k, agc_pu=1.0, p_meas_mw=np.full(3, -7.0),
              accepted_at_s=np.full(3, NAN), accepted_mw=np.full(3, NAN))
        for k in range(3)
    ]  # fmt: skip
    for _, d in run(p, seen):
        assert d.p_setpoint_mw == pytest.approx([-2.0] * 3)


def test_a_lost_unit_falls_back_and_comes_back_with_an_event_each():
    p = params()
    healthy = image().connected
    gone = at(healthy, 2, 0)
    accepted_s = at(image().accepted_at_s, 2, 100.0)
    images = seconds(2, agc_pu=0.3)
    images += [
        image(tick=k, now_s=100.0 + k, agc_pu=0.3, connected=gone, accepted_at_s=accepted_s)
        for k in range(2, 14)
    ]
    images += [image(tick=14, now_s=114.0, agc_pu=0.3, accepted_at_s=accepted_s)]
    steps = run(p, images)
    told = [(d.tick, name) for _, d in steps for name in names(d) if name.startswith("UNIT")]
    assert told == [(0, "UNIT_BACK")] * 3 + [
        (2, "UNIT_LOST"),
        (11, "UNIT_FALLBACK"),
        (14, "UNIT_BACK"),
    ]
    for _, d in steps[2:]:
        assert d.p_setpoint_mw.sum() == pytest.approx(6.0)


def test_stale_signal_goes_through_hold_and_return_and_resumes():
    p = params(return_rate_pu_per_s=0.125)
    heard = [image(tick=k, now_s=100.0 + k, agc_pu=0.5) for k in range(2)]
    silent = [
        image(tick=k, now_s=100.0 + k, agc_pu=0.5, agc_received_s=101.0) for k in range(2, 30)
    ]
    back = [image(tick=30, now_s=130.0, agc_pu=-0.4)]
    steps = run(p, heard + silent + back)
    modes = [Mode(d.mode) for _, d in steps]
    assert modes[1] is Mode.REGULATING
    assert modes[7] is Mode.REGULATING  # 6 s old: still good
    assert modes[8:18] == [Mode.HOLD] * 10
    assert modes[18:22] == [Mode.RETURN] * 4
    assert modes[22:30] == [Mode.BASEPOINT] * 8
    assert modes[30] is Mode.REGULATING
    regulation = [d.regulation_mw for _, d in steps]
    assert regulation[8:18] == pytest.approx([10.0] * 10)
    assert regulation[18:22] == pytest.approx([7.5, 5.0, 2.5, 0.0])
    assert regulation[30] == pytest.approx(-8.0)
    assert steps[8][1].verdict == Verdict.STALE


def test_nothing_is_sent_before_any_unit_was_read():
    p = params()
    unread = image(p_meas_mw=np.full(3, NAN), measured_at_s=np.full(3, NAN),
                   quality=np.full(3, Quality.RESTART, np.uint8), agc_pu=0.5)  # fmt: skip
    _, d = run(p, [unread])[-1]
    assert d.mode == Mode.STARTING
    assert not d.send.any()


def test_safe_mode_takes_every_unit_to_its_safe_value_within_its_ramp():
    p = params(safe_mw=np.array([-9.0, 0.0, 9.0]))
    steps = run(p, seconds(2, agc_pu=0.5) + [
        image(tick=k, now_s=100.0 + k, order=Order.SAFE) for k in range(2, 7)
    ])  # fmt: skip
    _, first = steps[2]
    assert first.mode == Mode.SAFE
    start = steps[1][1].p_setpoint_mw
    assert np.all(np.abs(first.p_setpoint_mw - start) <= 5.0 + 1e-9)
    assert steps[-1][1].p_setpoint_mw == pytest.approx([-9.0, 0.0, 9.0])


def test_on_the_way_to_safe_values_nothing_is_called_unserved():
    """Slow units at a stop: the decision says what is missing, no event cries about it."""
    p = params(safe_mw=np.array([-9.0, 0.0, 9.0]), ramp_down_mw_per_s=np.full(3, 1.0))
    stopping = [image(tick=k, now_s=100.0 + k, order=Order.SAFE) for k in range(2, 6)]
    back = [image(tick=6, now_s=106.0, agc_pu=1.0), image(tick=7, now_s=107.0, agc_pu=0.0)]
    steps = run(p, seconds(2, agc_pu=0.0) + stopping + back)
    assert abs(steps[2][1].unserved_mw) > 1.0
    told = [(d.tick, name) for _, d in steps for name in names(d) if name == "UNSERVED"]
    assert told == [(6, "UNSERVED"), (7, "UNSERVED")]  # and afterwards as ever: began, ended


def test_soc_and_availability_bound_with_their_reasons():
    p = params(energy_mwh=np.array([0.1, NAN, NAN]))
    seen = seconds(
        4, agc_pu=1.0,
        soc_pu=np.array([0.11, NAN, NAN]),
        p_avail_max_mw=np.array([NAN, 2.0, NAN]),
    )  # fmt: skip
    _, d = run(p, seen)[-1]
    # .01 pu of .1 MWh over a horizon of 60 s is 0.06 MW
    assert d.p_setpoint_mw == pytest.approx([0.06, 2.0, 10.0])
    assert [Reason(r) for r in d.held_by] == [Reason.SOC, Reason.AVAILABLE, Reason.RATING]
    assert d.unserved_mw == pytest.approx(20.0 - 12.06)


def test_small_steps_are_left_out_and_the_others_absorb_them():
    p = params(step_min_mw=np.array([2.0, 0.0, 0.0]))
    _, d = run(p, seconds(1) + seconds(1, start_s=101.0, agc_pu=0.09))[-1]
    assert d.p_setpoint_mw == pytest.approx([0.0, 0.9, 0.9])
    assert Reason(d.held_by[0]) is Reason.DEAD_BAND
    assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)


def test_a_grid_of_values_is_kept_and_the_sum_stays_exact():
    p = params(resolution_mw=np.array([0.5, 0.5, 0.0]))
    _, d = run(p, seconds(1) + seconds(1, start_s=101.0, agc_pu=0.2))[-1]
    assert d.p_setpoint_mw[:2] == pytest.approx([1.5, 1.5])
    assert d.p_setpoint_mw[2] == pytest.approx(1.0)


def test_when_all_units_are_stiff_the_split_serves_rather_than_fits():
    p = params(step_min_mw=np.full(3, 2.0))
    _, d = run(p, seconds(1) + seconds(1, start_s=101.0, agc_pu=0.09))[-1]
    assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("policy", list(Policy))
def test_every_policy_gives_the_sum(policy):
    p = params(policy=policy, cost=np.array([1.0, 5.0, 2.0]))
    _, d = run(p, seconds(4, agc_pu=-0.7))[-1]
    # of this policy it is what is delivered, which differs where measurements disagree
    told_mw = d.expected_mw if policy is Policy.RESPONSE_AWARE else d.p_setpoint_mw
    assert told_mw.sum() == pytest.approx(-14.0)
    assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)


def test_merit_order_takes_the_cheapest_first():
    p = params(policy=Policy.MERIT_ORDER, cost=np.array([2.0, 1.0, 3.0]))
    _, d = run(p, seconds(4, agc_pu=0.6))[-1]
    assert d.p_setpoint_mw == pytest.approx([2.0, 10.0, 0.0])


def test_headroom_is_what_is_left_in_this_tick():
    p = params()
    _, d = run(p, seconds(3, agc_pu=0.3))[-1]
    assert d.headroom_mw == pytest.approx(3 * 5.0)
    assert d.footroom_mw == pytest.approx(3 * 5.0)
    assert d.range_up_mw == pytest.approx(3 * 8.0)
    assert d.range_down_mw == pytest.approx(3 * 12.0)


def test_a_split_that_does_not_add_up_stops_control_and_says_so(monkeypatch):
    """The kernel claims "served" and gives half: every unit stays where it is."""
    p = params()
    before, first = run(p, seconds(1, agc_pu=0.15))[-1]
    real = allocation.exact.split_exact

    def half(request_mw, target, weight, lower, upper, lam, out):
        answer = real(request_mw, target, weight, lower, upper, lam, out)
        out *= 0.5
        return answer

    monkeypatch.setattr(allocation, "_split_exact", half)
    _, d = tick(before, image(tick=1, now_s=101.0, agc_pu=0.45), p)
    assert d.status == status.MISMATCH
    assert d.p_setpoint_mw.tolist() == first.p_setpoint_mw.tolist()
    assert "ALLOCATION_REFUSED" in names(d)
    assert d.unserved_mw == pytest.approx(9.0 - 3.0)


def test_same_inputs_same_bits():
    p = params(20, cost=np.linspace(0.1, 9.0, 20))
    images = [image(20, tick=k, now_s=100.0 + k, agc_pu=((k * 7) % 19 - 9) / 9) for k in range(40)]
    for (_, a), (_, b) in zip(run(p, images), run(p, images), strict=True):
        assert a.p_setpoint_mw.tobytes() == b.p_setpoint_mw.tobytes()
        assert a.lam == b.lam


ANY = st.one_of(st.floats(-50.0, 50.0), st.sampled_from([NAN, np.inf, -np.inf, 1e300]))
COLUMN = st.lists(ANY, min_size=3, max_size=3).map(np.array)
FLAGS = st.lists(st.integers(0, 6), min_size=3, max_size=3).map(lambda v: np.array(v, np.uint8))


@given(
    ANY, COLUMN, COLUMN, COLUMN, COLUMN, COLUMN, FLAGS, FLAGS, st.floats(0.0, 3.0),
    st.sampled_from(list(Policy)),
)  # fmt: skip
def test_bad_data_never_raises_and_never_gets_out(
    agc_pu, meas_mw, avail_min, avail_max, accepted, soc, quality, result, step_s, policy
):
    p = params(energy_mwh=np.array([1.0, NAN, 1.0]), policy=policy)
    before, _ = run(p, seconds(1))[-1]
    state, d = tick(
        before,
        image(
            tick=1, now_s=100.0 + step_s, agc_pu=agc_pu, p_meas_mw=meas_mw,
            p_avail_min_mw=avail_min, p_avail_max_mw=avail_max, accepted_mw=accepted,
            soc_pu=soc, quality=quality, write_result=np.minimum(result, 3).astype(np.uint8),
        ),
        p,
    )  # fmt: skip
    assert np.all(np.isfinite(d.p_setpoint_mw))
    assert np.all(np.isfinite(d.expected_mw))
    sent = d.send != 0
    assert np.all(d.p_setpoint_mw[sent] <= 10.0)
    assert np.all(d.p_setpoint_mw[sent] >= -10.0)
    assert d.served_mw + d.unserved_mw == pytest.approx(d.request_mw, abs=1e-6)
    assert state.p_setpoint_mw is d.p_setpoint_mw


def test_a_refused_setpoint_beyond_the_rating_is_not_come_back_to():
    """Each refused one after it had taken 11 MW of 10; as they cannot be read, they are told so."""
    p = params()
    before, _ = run(p, seconds(1))[-1]
    _, d = tick(
        before,
        image(
            tick=1, now_s=100.0 + 1e-10, accepted_mw=np.full(3, 11.0),
            quality=np.full(3, Quality.COMM_LOST, np.uint8),
            write_result=np.full(3, WriteResult.REFUSED, np.uint8),
        ),
        p,
    )  # fmt: skip
    assert d.send.all()
    assert d.p_setpoint_mw.tolist() == [10.0] * 3


@pytest.mark.parametrize("policy", list(Policy))
def test_what_comes_out_are_records_that_stay_as_they_are(policy):
    for state, decision in run(params(policy=policy), seconds(2)):
        assert type(state) is State
        assert type(decision) is Decision
        for record in (state, decision):
            with pytest.raises(dataclasses.FrozenInstanceError):
                record.mode = Mode.SAFE
