"""What the tick promises, and what it says of an award that is more."""

import dataclasses

import numpy as np
import pytest
from builders import NAN, at, image, params

from vppd.core.fixed import HORIZONS_S
from vppd.core.headroom import AWARD, capacity_told_mw, is_award_short
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import AwardGuard, EventCode, Mode, Order, Policy

HELD_S = 900.0 + 60.0  # 15 min, and what the tick keeps the band ahead


def store(soc_pu, **changes):
    """Three batteries of 10 MW and 10 MWh."""
    return image(soc_pu=np.full(3, soc_pu), **changes)


P = params(energy_mwh=np.full(3, 10.0), award_guard=AwardGuard.CLAMP)


def run(p, images):
    state, found = initial_state(p), []
    for seen in images:
        state, decision = tick(state, seen, p)
        found.append(decision)
    return found


def course(*soc_pu, p=P, **changes):
    """One tick a second, each at its SoC."""
    return run(
        p,
        [
            store(soc, tick=k, now_s=100.0 + k, measured_at_s=np.full(3, 100.0 + k), **changes)
            for k, soc in enumerate(soc_pu)
        ],
    )


def awards(decision):
    """Values of AWARD_ABOVE_HEADROOM of one tick."""
    return decision.event_value[decision.event_code == EventCode.AWARD_ABOVE_HEADROOM].tolist()


@pytest.mark.parametrize("policy", [Policy.EXACT, Policy.RESPONSE_AWARE])
def test_each_tick_promises_from_the_basepoints(policy):
    p = dataclasses.replace(P, policy=policy)
    (d,) = run(p, [store(0.5, basepoint_mw=np.array([1.0, 0.0, -1.0]))])
    assert d.promise_s.tolist() == [p.look_ahead_s, *HORIZONS_S]
    assert d.promise_up_mw[1:3] == pytest.approx([30.0, 30.0])
    assert d.promise_up_mw[3] == pytest.approx(3.0 * 4.0 * 3600.0 / 1860.0)
    assert d.promise_down_mw[1:3] == pytest.approx([30.0, 30.0])
    assert d.promise_firm_up_mw[1] == pytest.approx(19.0)  # less 11 MW: to its top from its plan
    assert not d.promise_up_mw.flags.writeable


def test_an_unknown_soc_promises_nothing_and_the_others_stay():
    (d,) = run(P, [dataclasses.replace(store(0.5), soc_pu=np.array([0.5, NAN, 0.5]))])
    assert d.promise_up_mw[1] == pytest.approx(20.0)
    (d,) = run(P, [store(NAN)])
    for column in (d.promise_up_mw, d.promise_down_mw, d.promise_firm_up_mw):
        assert column.tolist() == [0.0] * 4


def test_a_plant_that_nobody_reaches_promises_nothing():
    (d,) = run(P, [store(0.5, connected=np.zeros(3, np.uint8))])
    assert d.promise_up_mw.tolist() == d.promise_down_mw.tolist() == [0.0] * 4


@pytest.mark.parametrize("order", [Order.LOCAL, Order.SAFE])
def test_a_mode_that_does_not_follow_agc_promises_nothing_and_is_no_alarm(order):
    first, second = run(P, [store(0.5), store(0.5, tick=1, now_s=101.0, order=order)])
    assert first.promise_up_mw[AWARD] == pytest.approx(30.0)
    assert second.mode in (Mode.LOCAL, Mode.SAFE)
    assert second.promise_up_mw.tolist() == [0.0] * 4
    assert awards(second) == []
    assert capacity_told_mw(store(0.5), second, P) == (0.0, 0.0)


def short_at(missing_mw):
    """SoC at which so much is missing of 20 MW for 15 min."""
    return 0.1 + (20.0 - missing_mw) * HELD_S / 3600.0 / 30.0


def test_an_award_above_the_promise_is_told_when_it_begins_and_when_it_ends():
    """It begins beyond 2 % of what was sold, and ends when nothing is missing."""
    missing_mw = (-1.0, 0.3, 0.5, 0.3, 0.1, -0.1, 0.3)
    decisions = course(*(short_at(each) for each in missing_mw))
    told = [awards(decision) for decision in decisions]
    assert told[2] == pytest.approx([0.5])
    assert told[5] == [0.0]
    assert [len(each) for each in told] == [0, 0, 1, 0, 0, 1, 0]


def test_downwards_counts_too():
    decisions = course(0.5, 0.9 - (short_at(5.0) - 0.1))
    assert awards(decisions[0]) == []
    assert awards(decisions[1]) == pytest.approx([5.0])


@pytest.mark.parametrize(
    ("guard", "told_mw", "events"),
    [(AwardGuard.NONE, 20.0, 0), (AwardGuard.ALARM, 20.0, 1), (AwardGuard.CLAMP, 15.0, 1)],
)
def test_the_guard_says_what_the_tso_is_told_and_leaves_the_request_alone(guard, told_mw, events):
    p = dataclasses.replace(P, award_guard=guard)
    (d,) = course(short_at(5.0), p=p, agc_pu=1.0)
    up_mw, down_mw = capacity_told_mw(image(), d, p)
    assert (up_mw, down_mw) == pytest.approx((told_mw, 20.0))
    assert len(awards(d)) == events
    assert d.request_mw == pytest.approx(20.0)


def test_a_promise_that_is_not_known_is_no_capacity():
    (d,) = course(0.5)
    blind = dataclasses.replace(d, promise_up_mw=np.full(4, NAN))
    up_mw, down_mw = capacity_told_mw(image(), blind, P)
    assert np.isnan(up_mw)
    assert down_mw == 20.0
    old = dataclasses.replace(d, promise_up_mw=np.empty(0))  # of a journal from before
    assert capacity_told_mw(image(), old, P) == (20.0, 20.0)


def test_what_a_lost_unit_lacks_of_its_plan_is_not_promised():
    plan = np.full(3, 2.0)
    lost = store(
        0.5, basepoint_mw=plan, accepted_mw=plan, p_meas_mw=plan,
        connected=at(image().connected, 1, 0), accepted_at_s=at(image().accepted_at_s, 1, 1.0),
    )  # fmt: skip
    (d,) = run(P, [lost])
    assert d.promise_up_mw[1] == pytest.approx(2 * 8.0 - 2.0)  # it is at its fallback, 0 MW
    assert d.promise_down_mw[1] == pytest.approx(2 * 12.0)


def test_a_store_that_is_nearly_empty_leaves_what_lasts_to_those_without_an_end():
    """It carries what the others cannot, to the last of its limits."""
    p = dataclasses.replace(
        P, policy=Policy.RESPONSE_AWARE, energy_mwh=np.array([10.0, NAN, NAN]), slow_s=0.0,
        soc_recovery_s=float("inf"),
    )  # fmt: skip
    images = [
        dataclasses.replace(
            image(tick=k, now_s=100.0 + k, agc_pu=agc_pu), soc_pu=np.array([0.15, NAN, NAN]),
            regulation_capacity_up_mw=25.0,
        )
        for k, agc_pu in enumerate([0.0, *[0.6] * 4, *[0.8] * 4])
    ]  # fmt: skip
    decisions = run(p, images)
    held_mw = 0.05 * 10.0 * 3600.0 / (1800.0 + 60.0)
    assert decisions[4].target_mw[0] <= held_mw + 1e-9
    assert decisions[4].target_mw.sum() == pytest.approx(15.0)
    assert decisions[8].target_mw[0] <= held_mw + 1e-9
    assert decisions[8].target_mw.sum() == pytest.approx(20.0)
    assert decisions[8].unserved_mw == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("side", ["up", "down"])
@pytest.mark.parametrize(("was", "short_pu", "told"), [
    (0, 0.019, 0), (0, 0.021, 1), (1, 0.019, 1), (1, 1e-9, 0),
])  # fmt: skip
def test_an_award_is_short_beyond_a_fiftieth_of_it_and_until_nothing_is_missing(
    side, was, short_pu, told
):
    """Of 40 MW up and 8 MW down each for itself; a kilowatt or less is nothing."""
    sold_mw = {"up": 40.0, "down": 8.0}
    seen = image(regulation_capacity_up_mw=40.0, regulation_capacity_down_mw=8.0)
    short_mw = tuple(short_pu * sold_mw[s] if s == side else -1.0 for s in ("up", "down"))
    assert is_award_short(was, Mode.REGULATING, short_mw, seen, P) == told
