"""Units with exclusion bands, tick by tick: on or off, minimum times, a budget, on their way."""

import math
from dataclasses import fields

import numpy as np
import pytest
from builders import NAN, image, params
from hypothesis import given, settings
from hypothesis import strategies as st
from test_core_response import DEAD_S, LAG_S, Plant

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Order, Policy, Reason


def chillers(n=3, plain=1, **changes):
    """Loads that are off or draw 2 to 10 MW, ramps that bind nobody; then batteries of +-10 MW."""
    off = np.zeros(plain)
    of = {
        "p_min_mw": np.full(n + plain, -10.0), "p_max_mw": np.append(np.zeros(n), off + 10.0),
        "band_lower_mw": np.append(np.full(n, -2.0), off + NAN),
        "band_upper_mw": np.append(np.zeros(n), off + NAN),
        "ramp_up_mw_per_s": np.full(n + plain, 100.0),
        "ramp_down_mw_per_s": np.full(n + plain, 100.0),
    }  # fmt: skip
    return params(n + plain, **(of | changes))


class Run:
    """Ticks of a plant that takes what it is told at once."""

    def __init__(self, p, plan_mw, tick_s=1.0):
        self.params, self.plan_mw = p, np.array(plan_mw, dtype=float)
        self.state, self.now_s, self.tick_s, self.ticks = initial_state(p), 100.0, tick_s, 0
        self.p_mw = self.plan_mw.copy()

    def __call__(self, asked_mw=0.0, **changes):
        """One tick that asks for so much on top of the plan."""
        n, of = self.p_mw.size, np.full(self.p_mw.size, self.now_s)
        seen = image(
            n, tick=self.ticks, now_s=self.now_s, agc_pu=asked_mw / 20.0, basepoint_mw=self.plan_mw,
            p_meas_mw=self.p_mw, measured_at_s=of, accepted_mw=self.p_mw, accepted_at_s=of,
            **changes,
        )  # fmt: skip
        self.state, decision = tick(self.state, seen, self.params)
        self.p_mw = decision.p_setpoint_mw.copy()
        self.now_s += self.tick_s
        self.ticks += 1
        return decision


def stands(p, p_mw):
    """Nobody inside his band."""
    return not np.any((p.band_lower_mw < p_mw) & (p_mw < p.band_upper_mw))


def test_what_a_tick_with_bands_leaves_is_read_only():
    run = Run(chillers(), [-2.0, -2.0, -2.0, 0.0])
    decision = run(0.3)
    for left in (decision, run.state):
        arrays = {f.name: getattr(left, f.name) for f in fields(left)}
        assert [
            k for k, a in arrays.items() if isinstance(a, np.ndarray) and a.flags.writeable
        ] == []


@pytest.mark.parametrize("policy", [Policy.EXACT, Policy.PRO_RATA, Policy.MERIT_ORDER])
def test_a_small_request_is_served_by_those_who_can(policy):
    """Three chillers at -2 MW, the edge of their band, and a battery: 0.3 MW more is its own."""
    p = chillers(policy=policy)
    run = Run(p, [-2.0, -2.0, -2.0, 0.0])
    for asked_mw in (0.0, 0.3, 0.3):
        d = run(asked_mw)
    assert d.p_setpoint_mw == pytest.approx([-2.0, -2.0, -2.0, 0.3], abs=1e-9)
    assert [Reason(r) for r in d.held_by[:3]] == [Reason.BAND] * 3
    assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)


def test_what_nobody_else_can_serve_switches_as_few_as_are_needed():
    """No battery. 2.5 MW more than -6: two of three go off, and the third draws the 3.5 MW alone.
    Nothing is smeared, and nothing refused."""
    p = chillers(plain=0)
    run = Run(p, [-2.0, -2.0, -2.0])
    run()
    d = run(2.5)
    assert sorted(d.p_setpoint_mw.tolist()) == pytest.approx([-3.5, 0.0, 0.0])
    assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)
    d = run(4.5)  # less than the least of one: it is missed by 0.5 MW, either way
    assert abs(d.unserved_mw) >= 0.5
    d = run(-1.0)  # all three on again, and 1 MW more between them
    assert d.p_setpoint_mw == pytest.approx([-7.0 / 3.0] * 3)
    assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)


def test_a_unit_stays_off_for_its_time():
    p = chillers(plain=0, n=2, stay_above_s=np.full(2, 5.0))
    run = Run(p, [-2.0, -2.0])
    run()
    off = int(np.argmax(run(2.0).p_setpoint_mw))
    for _ in range(4):
        d = run(0.0)
        assert d.p_setpoint_mw[off] == 0.0
        assert Reason(d.held_by[off]) is Reason.MIN_TIME
        assert d.p_setpoint_mw[1 - off] == pytest.approx(-4.0)  # the other draws what it would
    assert run(0.0).p_setpoint_mw.tolist() == [-2.0, -2.0]


def test_at_the_start_nobody_knows_how_long_it_has_stood():
    """So its time begins with the daemon's first tick."""
    p = chillers(plain=0, n=1, stay_below_s=np.array([3.0]))
    run = Run(p, [-2.0])
    seen = [run(2.0).p_setpoint_mw[0] for _ in range(5)]
    assert seen == [-2.0, -2.0, -2.0, 0.0, 0.0]


def test_a_budget_of_switches_is_kept_and_fills_up():
    """Two a day: the third has to wait for half a day."""
    p = chillers(plain=0, n=1, switches_per_day=np.array([2.0]))
    run = Run(p, [-2.0])
    run()
    assert [run(2.0).p_setpoint_mw[0], run(0.0).p_setpoint_mw[0]] == [0.0, -2.0]
    d = run(2.0)
    assert (d.p_setpoint_mw[0], Reason(d.held_by[0])) == (-2.0, Reason.CYCLES)
    assert run.state.switches_left[0] == pytest.approx(2.0 * 2.0 / 86400.0)
    before = run.state.switches_left[0]
    run(0.0)
    assert run.state.switches_left[0] == pytest.approx(before + 2.0 / 86400.0)


def test_what_a_switch_costs_keeps_it_where_standing_off_is_cheaper():
    """The battery's share of what a switch would spare it, (1.5 MW)^2 / 2, against `switch_mw`."""
    for switch_mw, off in ((0.5, True), (9.0, False)):
        p = chillers(1, cost=np.array([1.0, 1.0]), switch_mw=np.array([switch_mw, 0.0]))
        run = Run(p, [-2.0, 0.0])
        run()
        d = run(3.5)
        assert bool(d.p_setpoint_mw[0] == 0.0) is off
        assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)


def test_a_band_wider_than_a_tick_of_ramp_is_crossed_without_a_stop():
    """1 MW a tick over a band of 2 MW: inside only on the way, and the battery makes up for it."""
    p = chillers(1, ramp_up_mw_per_s=np.array([0.8, 100.0]), cost=np.array([0.001, 1.0]))
    run = Run(p, [-2.0, 0.0])
    run()
    way = []
    for _ in range(4):
        d = run(4.0)
        way.append(float(d.p_setpoint_mw[0]))
        assert d.unserved_mw == pytest.approx(0.0, abs=1e-9)
    assert way == pytest.approx([-1.2, -0.4, 0.0, 0.0])
    # And once on its way it goes on, whatever is asked then.
    run = Run(p, [-2.0, 0.0])
    run()
    run(4.0)
    assert run(4.0).p_setpoint_mw[0] == pytest.approx(-0.4)
    d = run(0.0)
    assert d.p_setpoint_mw[0] in (pytest.approx(0.0), pytest.approx(-2.0))


@pytest.mark.parametrize("lost_at_mw", [-1.8, -1.0])
@pytest.mark.parametrize("stay_s", [0.0, 600.0])
def test_who_is_lost_on_its_way_over_its_band_goes_on_when_it_is_back(lost_at_mw, stay_s):
    """Nobody turns back for a link that was cut; the other half of the band is no nearer by it."""
    p = chillers(
        1, ramp_up_mw_per_s=np.array([0.2, 100.0]), ramp_down_mw_per_s=np.array([0.2, 100.0]),
        cost=np.array([0.001, 1.0]), stay_below_s=np.array([stay_s, 0.0]),
        stay_above_s=np.array([stay_s, 0.0]),
    )  # fmt: skip
    run = Run(p, [-2.0, 0.0])
    run()
    run.now_s += stay_s  # it has stood long enough
    while run(4.0).p_setpoint_mw[0] < lost_at_mw - 1e-9:
        pass
    lost_mw = float(run.p_mw[0])
    for _ in range(5):
        d = run(0.0, connected=np.array([0, 1], np.uint8))
        assert d.p_setpoint_mw[0] == lost_mw
    way = [float(run(4.0).p_setpoint_mw[0]) for _ in range(3)]
    assert way == pytest.approx([lost_mw + 0.2, lost_mw + 0.4, lost_mw + 0.6])


def test_availability_moves_a_unit_over_its_band_whatever_its_times():
    p = chillers(1, stay_below_s=np.array([1e4, 0.0]), switches_per_day=np.array([1.0, math.inf]))
    run = Run(p, [-2.0, 0.0])
    run()
    d = run(0.0, p_avail_min_mw=np.array([-1.0, NAN]))  # it cannot draw 2 MW any more
    assert d.p_setpoint_mw[0] == 0.0
    assert d.p_setpoint_mw[1] == pytest.approx(-2.0)


def test_the_safe_value_is_reached_over_the_band():
    p = chillers(1, safe_mw=np.zeros(2), switch_mw=np.array([100.0, 0.0]))
    run = Run(p, [-2.0, 0.0])
    run()
    d = run(order=Order.SAFE)
    assert Mode(d.mode) is Mode.SAFE
    assert d.p_setpoint_mw.tolist() == [0.0, 0.0]


@settings(max_examples=60)
@given(
    st.lists(st.floats(-18.0, 18.0), min_size=4, max_size=25),
    st.sampled_from([Policy.EXACT, Policy.PRO_RATA, Policy.MERIT_ORDER]),
    st.floats(0.3, 20.0),
    st.integers(0, 3),
)
def test_nobody_stops_inside_his_band_or_turns_back_too_soon(asked, policy, ramp, stay_s):
    """Inside only between one side and the other, towards the other, as fast as the ramp allows."""
    n = 4
    p = chillers(
        policy=policy, ramp_up_mw_per_s=np.full(n, ramp), ramp_down_mw_per_s=np.full(n, ramp),
        stay_below_s=np.full(n, float(stay_s)), stay_above_s=np.full(n, float(stay_s)),
    )  # fmt: skip
    run = Run(p, [-3.0, -2.0, 0.0, 0.0])
    before = run.p_mw
    switched_s = np.full(n, -math.inf)
    side = run().p_setpoint_mw[:3] > -1.0
    for asked_mw in asked:
        before = run.p_mw
        now_s = run.now_s
        d = run(asked_mw)
        p_mw = d.p_setpoint_mw
        inside = (p.band_lower_mw < p_mw) & (p_mw < p.band_upper_mw)
        moved_mw = np.abs(p_mw - before)
        assert moved_mw[inside] == pytest.approx(np.full(inside.sum(), ramp))
        assert np.all(moved_mw <= ramp + 1e-9)
        assert d.unserved_mw + p_mw.sum() == pytest.approx(d.request_mw, abs=1e-3)
        after = run.state.side[:3] == 2
        turned = after != side
        assert np.all(now_s - switched_s[:3][turned] >= stay_s)
        switched_s[:3][turned] = now_s
        side = after


def test_without_a_band_every_bit_is_as_before():
    """A band that no request comes near changes nothing either: sides stay."""
    p = params(3)
    q = params(
        3, band_lower_mw=np.array([-10.0, NAN, NAN]), band_upper_mw=np.array([-9.999, NAN, NAN])
    )
    one, other = Run(p, [0.0] * 3), Run(q, [0.0] * 3)
    for asked_mw in (0.0, 5.0, -7.0, 2.0):
        a, b = one(asked_mw), other(asked_mw)
        assert a.p_setpoint_mw.tobytes() == b.p_setpoint_mw.tobytes()
        assert a.unserved_mw == b.unserved_mw
    assert one.state.side.tolist() == [0, 0, 0]
    assert other.state.side.tolist() == [2, 0, 0]


def test_the_response_aware_split_delivers_around_the_bands():
    """A battery, and a depot and a factory that draw 4 MW or nothing: what is delivered is the
    request, with the slow ones on one side of their bands each."""
    p = params(
        3, policy=Policy.RESPONSE_AWARE, dead_time_s=np.array(DEAD_S), lag_s=np.array(LAG_S),
        cost=np.array([1.0, 10.0, 100.0]), ramp_up_mw_per_s=np.full(3, 100.0),
        ramp_down_mw_per_s=np.full(3, 100.0),
        p_min_mw=np.array([-10.0, -10.0, -10.0]), p_max_mw=np.array([10.0, 0.0, 0.0]),
        band_lower_mw=np.array([NAN, -4.0, -4.0]), band_upper_mw=np.array([NAN, 0.0, 0.0]),
        switch_mw=np.array([0.0, 0.5, 0.5]),
    )  # fmt: skip
    plant = Plant(p)
    plan_mw = np.array([0.0, -4.0, -4.0])
    plant.p_mw[:] = plan_mw
    for _ in range(150):
        plant.tick(0.0, basepoint_mw=plan_mw)
    switched = 0
    for k in range(120):
        was = plant.state.side
        d, delivered_mw = plant.tick(0.45 * math.sin(k / 12.0), basepoint_mw=plan_mw)
        switched += int((plant.state.side != was).sum())
        assert stands(p, d.p_setpoint_mw)
        assert d.unserved_mw == pytest.approx(0.0, abs=1e-6)
        assert delivered_mw == pytest.approx(d.request_mw, abs=0.05)
    assert 1 <= switched <= 12
