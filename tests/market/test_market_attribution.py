"""Each MW that is missing goes to units and causes: cases by hand, and what always holds."""

import dataclasses

import numpy as np
import pytest
from builders import NAN, at, image, params
from hypothesis import given, settings
from hypothesis import strategies as st

from vppd.core.explain import Slack
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Order, Policy, Reason, WriteResult
from vppd.market.attribution import NOTHING_FOLLOWED, PLANT, attribute, signal_mw
from vppd.market.blame import Tally
from vppd.market.causes import CAUSE_BY_NUMBER, CAUSE_OF, WORDS, Cause

RESPONSIVE = {"policy": Policy.RESPONSE_AWARE}
U0, U1, U2 = 0, 1, 2


def of(values):
    return np.array(values, dtype=float)


def losses(p, *images, state=None):
    """What each tick lost, and its decision."""
    state, follow, found = state or initial_state(p), NOTHING_FOLLOWED, []
    for now in images:
        after, decision = tick(state, now, p)
        lost, follow = attribute(state, after, now, p, decision, follow)
        found.append((lost, decision))
        state = after
    return found


def last_loss(p, *images, state=None):
    lost, _ = losses(p, *images, state=state)[-1]
    assert abs(lost.rounding_mw) < 1e-12
    return lost


def second(n=3, **changes):
    """The tick after one at rest, a second later."""
    return image(n, now_s=100.0), image(n, tick=1, now_s=101.0, **changes)


def parts(lost):
    """Parts that are not 0, by row and cause; the plant is row -1."""
    rows, causes = np.nonzero(np.abs(lost.part_mw) > 1e-12)
    last = len(lost.part_mw) - 1
    return {
        (PLANT if row == last else row, Cause(cause)): pytest.approx(lost.part_mw[row, cause])
        for row, cause in zip(rows.tolist(), causes.tolist(), strict=True)
    }


def test_what_was_just_told_is_on_its_way():
    """0.3 of 20 MW are 6: 2 MW for each of three alike, which stand at 0."""
    lost = last_loss(params(), *second(agc_pu=0.3))
    assert (lost.asked_mw, lost.delivered_mw, lost.loss_mw) == (6.0, 0.0, 6.0)
    assert parts(lost) == {(u, Cause.LATE): 2.0 for u in (U0, U1, U2)}


def test_what_one_gives_too_much_is_a_part_against_the_loss():
    """Each is told 2 MW; 0, 1 and 4 are there, so 2 + 1 - 2 = 1 is missing of 6.

    Nobody foretold that the third gives 4.
    """
    lost = last_loss(params(), *second(agc_pu=0.3, p_meas_mw=of([0.0, 1.0, 4.0])))
    assert lost.loss_mw == pytest.approx(1.0)
    assert parts(lost) == {
        (U0, Cause.LATE): 2.0, (U1, Cause.LATE): 1.0, (U2, Cause.UNEXPLAINED): -2.0,
    }  # fmt: skip


def test_an_empty_store_is_to_blame_for_what_it_cannot_give():
    """Of 6 MW the store gives 1 (1/60 of its 1 MWh for 60 s), the others 2, their ratings: 5."""
    p = params(energy_mwh=of([1.0, NAN, NAN]), p_max_mw=of([10.0, 2.0, 2.0]))
    soc_pu = of([0.1 + 1.0 / 60.0, NAN, NAN])
    before, now = second(agc_pu=0.3, soc_pu=soc_pu, p_meas_mw=of([1.0, 2.0, 2.0]))
    lost = last_loss(p, dataclasses.replace(before, soc_pu=soc_pu), now)
    assert parts(lost) == {(U0, Cause.SATURATED): 1.0}


def test_what_no_rating_holds_belongs_to_no_unit():
    """Three times 1 MW for 6."""
    lost = last_loss(params(p_max_mw=of([1.0] * 3)), *second(agc_pu=0.3, p_meas_mw=of([1.0] * 3)))
    assert parts(lost) == {(PLANT, Cause.SATURATED): 3.0}


def test_a_ramp_is_to_blame_for_what_it_holds_back():
    """The first rises by 1 MW in the second, the others give 2, their ratings; 1 is missing."""
    p = params(ramp_up_mw_per_s=of([1.0, 5.0, 5.0]), p_max_mw=of([10.0, 2.0, 2.0]))
    lost = last_loss(p, *second(agc_pu=0.3, p_meas_mw=of([1.0, 2.0, 2.0])))
    assert parts(lost) == {(U0, Cause.RAMP): 1.0}


def test_a_signal_that_was_refused_was_not_followed():
    """1.5 is out of range: nothing is requested, and as received it asks for all 20 MW."""
    lost = last_loss(params(), *second(agc_pu=1.5))
    assert parts(lost) == {(PLANT, Cause.SIGNAL): 20.0}


def test_a_signal_that_went_stale_is_left_step_by_step():
    """0.3 of 20 MW are 6; HOLD from 6 s on, RETURN 10 s later, by 0.1 of 20 MW a second: 4 left."""
    told = image(now_s=100.0, agc_pu=0.3)
    later = [
        image(tick=k, now_s=100.0 + k, agc_pu=0.3, agc_received_s=100.0, p_meas_mw=of([2.0] * 3))
        for k in range(1, 18)
    ]
    found = losses(params(), told, *later)
    assert [Mode(decision.mode) for _, decision in found[-2:]] == [Mode.HOLD, Mode.RETURN]
    held, left = found[-2][0], found[-1][0]
    assert parts(held) == {}
    assert left.part_mw[PLANT, Cause.SIGNAL] == pytest.approx(2.0)
    assert left.part_mw[:PLANT, Cause.LATE] == pytest.approx([-2.0 / 3.0] * 3)


def test_an_order_is_the_operators():
    lost = last_loss(params(), *second(agc_pu=0.3, order=Order.LOCAL))
    assert parts(lost) == {(PLANT, Cause.OPERATOR): 6.0}
    lost = last_loss(params(), *second(agc_pu=0.3, order=Order.SAFE, p_meas_mw=of([1.0, 0, 0])))
    assert parts(lost) == {(PLANT, Cause.OPERATOR): 5.0}


def test_nobody_is_told_anything_while_starting():
    lost = last_loss(params(), image(agc_pu=0.3, measured_at_s=of([100.0, NAN, 100.0])))
    assert parts(lost) == {(PLANT, Cause.STARTING): 6.0}


OUT = {
    "link down": {"connected": np.array([0, 1, 1], dtype=np.uint8)},
    "refused": {"write_result": np.array([WriteResult.REFUSED, 1, 1], dtype=np.uint8)},
}


@pytest.mark.parametrize("changes", OUT.values(), ids=OUT)
def test_a_unit_out_of_reach_is_counted_by_what_it_accepted(changes):
    """It accepted 3 MW and was read at 1; the others give the other 3 of the 6, and are there."""
    seen = {"accepted_mw": of([3.0, 0.0, 0.0]), "p_meas_mw": of([1.0, 1.5, 1.5]), **changes}
    p, before = params(), image(now_s=100.0, **seen)
    state, _ = tick(initial_state(p), before, p)
    stands = dataclasses.replace(state, p_setpoint_mw=of([3.0, 0.0, 0.0]))
    lost = last_loss(p, image(tick=1, now_s=101.0, agc_pu=0.3, **seen), state=stands)
    assert parts(lost) == {(U0, Cause.UNREACHABLE): 2.0}


def test_a_setpoint_without_an_answer_is_not_on_its_way():
    result = at(np.ones(3, dtype=np.uint8), U1, WriteResult.UNKNOWN)
    lost = last_loss(params(), *second(agc_pu=0.3, write_result=result))
    assert parts(lost) == {
        (U0, Cause.LATE): 2.0, (U1, Cause.UNREACHABLE): 2.0, (U2, Cause.LATE): 2.0,
    }  # fmt: skip


@pytest.mark.parametrize("policy", [Policy.EXACT, Policy.PRO_RATA, Policy.RESPONSE_AWARE])
def test_what_should_have_come_by_now_is_unexplained(policy):
    """Told 2 MW a second ago, without any delay: the first is read at 0.5 MW, 1.5 too little."""
    p = params(policy=policy)
    told = [image(now_s=100.0), image(tick=1, now_s=101.0, agc_pu=0.3)]
    state, _ = tick(initial_state(p), told[0], p)
    _, decision = tick(state, told[1], p)
    there_mw = decision.p_setpoint_mw + of([-1.5, 0.0, 0.0])
    now = image(
        tick=2, now_s=102.0, agc_pu=0.3, p_meas_mw=there_mw,
        accepted_mw=decision.p_setpoint_mw, accepted_at_s=of([101.0] * 3),
    )  # fmt: skip
    lost = last_loss(p, *told, now)
    assert lost.loss_mw == pytest.approx(1.5)
    # The response-aware policy has begun to make up for it, with units that are on their way.
    unexplained_mw = lost.part_mw[:PLANT, Cause.UNEXPLAINED]
    least_mw = 1.5 if policy != Policy.RESPONSE_AWARE else 1.2
    assert unexplained_mw[U0] >= least_mw - 1e-9
    assert unexplained_mw[1:] == pytest.approx([0.0, 0.0])


def test_the_same_reading_stays_unexplained_until_the_next():
    p = params()
    told = [image(now_s=100.0), image(tick=1, now_s=101.0, agc_pu=0.3)]
    there = {"p_meas_mw": of([0.5, 2.0, 2.0]), "accepted_mw": of([2.0] * 3)}
    seen = image(tick=2, now_s=102.0, agc_pu=0.3, **there)
    same = image(tick=3, now_s=103.0, agc_pu=0.3, **there, measured_at_s=of([102.0] * 3))
    for lost, _ in losses(p, *told, seen, same)[-2:]:
        assert parts(lost) == {(U0, Cause.UNEXPLAINED): 1.5}


def test_a_benched_unit_has_what_it_would_have_given_in_time():
    """Of 6 MW the others will give 2 each, their ratings; the third 2 are on the bench."""
    p = params(policy=Policy.RESPONSE_AWARE, trust_error_pu=0.1, p_max_mw=of([2.0] * 3))
    state, _ = tick(initial_state(p), image(now_s=100.0), p)
    doubted = dataclasses.replace(state, doubt=of([5.0, 0.0, 0.0]))
    now = image(tick=1, now_s=101.0, agc_pu=0.3)
    ((lost, decision),) = losses(p, now, state=doubted)
    assert decision.held_by[U0] == Reason.BENCHED
    assert lost.part_mw[U0, Cause.DOUBTED] == pytest.approx(2.0)
    assert np.abs(lost.part_mw[:, Cause.SATURATED]).sum() == pytest.approx(0.0)


def test_what_slow_units_bring_later_is_late_and_the_rest_beyond_the_ratings():
    """Two quick units of 1 MW and a slow one; it is told, and brings nothing within 1 s."""
    p = params(
        **RESPONSIVE, p_max_mw=of([1.0, 1.0, 10.0]), dead_time_s=of([0.0, 0.0, 5.0]), slow_s=0.0
    )
    (_, (lost, decision)) = losses(p, *second(agc_pu=0.3))
    assert decision.unserved_mw == pytest.approx(4.0)
    coming_mw = decision.p_setpoint_mw[U2] - decision.expected_mw[U2]
    assert coming_mw > 0.0
    late_mw = min(4.0, coming_mw)
    assert lost.part_mw[U2, Cause.LATE] == pytest.approx(late_mw)
    assert lost.part_mw[PLANT, Cause.SATURATED] == pytest.approx(4.0 - late_mw)


@pytest.mark.parametrize("unknown", [{"p_meas_mw": of([0.0, NAN, 0.0])}, {"agc_pu": NAN}])
def test_unknown_is_not_zero(unknown):
    lost, _ = losses(params(), *second(**unknown))[-1]
    assert lost is None


def test_who_sold_nothing_needs_no_signal():
    none = {"regulation_capacity_up_mw": 0.0, "regulation_capacity_down_mw": 0.0}
    assert signal_mw(image(agc_pu=NAN, **none)) == 0.0
    assert signal_mw(image(agc_pu=-1.04)) == -20.0
    assert np.isnan(signal_mw(image(agc_pu=NAN)))


def test_every_reason_has_a_cause_and_every_cause_its_words():
    assert set(CAUSE_OF) == {*Reason, *Slack}
    assert set(WORDS) == set(Cause)
    assert all(CAUSE_BY_NUMBER[reason] == cause for reason, cause in CAUSE_OF.items())


POWERS = st.lists(st.floats(-12.0, 12.0), min_size=3, max_size=3).map(of)
FLAGS = st.lists(st.integers(0, 1), min_size=3, max_size=3).map(lambda v: np.array(v, np.uint8))
ANSWERS = st.lists(st.integers(0, 3), min_size=3, max_size=3).map(lambda v: np.array(v, np.uint8))


@settings(max_examples=150)
@given(
    policy=st.sampled_from(list(Policy)),
    order=st.sampled_from([Order.AUTO, Order.AUTO, Order.LOCAL, Order.SAFE]),
    agc_pu=st.floats(-1.2, 1.2),
    capacity_mw=st.floats(0.0, 40.0),
    ratings_mw=st.lists(st.floats(0.1, 10.0), min_size=3, max_size=3).map(of),
    seen=st.lists(st.tuples(POWERS, FLAGS, FLAGS, ANSWERS), min_size=2, max_size=4),
)
def test_the_parts_sum_to_the_loss_whatever_is_seen(
    policy, order, agc_pu, capacity_mw, ratings_mw, seen
):
    p = params(
        policy=policy, p_max_mw=ratings_mw, trust_error_pu=0.1, resolution_mw=of([0.0, 0.3, 0.0]),
        dead_time_s=of([0.0, 0.5, 4.0]), lag_s=of([0.0, 1.0, 20.0]),
    )  # fmt: skip
    later = [
        image(
            tick=k + 1, now_s=100.0 + k, agc_pu=agc_pu, order=order, p_meas_mw=power_mw,
            connected=connected, remote=remote, write_result=answer,
            regulation_capacity_up_mw=capacity_mw, regulation_capacity_down_mw=capacity_mw,
        )
        for k, (power_mw, connected, remote, answer) in enumerate(seen)
    ]  # fmt: skip
    tally = Tally()
    for lost, _ in losses(p, image(now_s=99.0), *later):
        assert abs(lost.rounding_mw) < 1e-9
        assert lost.part_mw.sum() == pytest.approx(lost.loss_mw, abs=1e-9)
        tally.add(p.ids, lost, 1.0, (capacity_mw, capacity_mw))
    assert tally.blame().holds
