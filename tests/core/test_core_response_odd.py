"""Response-aware ticks where things go wrong, and odd plants: nothing of the request is lost."""

import math

import numpy as np
import pytest
from builders import NAN, image, params
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_core_response_exact import Plant

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Order, Policy, Quality, Trigger, WriteResult
from vppd.kernels import status

INF = math.inf
ODD = (NAN, INF, -INF, 1e300, -1e300, 2e5, 0.0, -0.0, 1e-300)


def aware(n, **changes):
    return params(n, **({"policy": Policy.RESPONSE_AWARE} | changes))


def any_plant(rng, n):
    """Parameters as the configuration allows them."""
    low_mw, high_mw = np.sort(rng.uniform(-10.0, 10.0, (2, n)), axis=0)
    groups = {
        "group_ids": ("site", "feeder"), "group_parent": np.array([-1, 0]),
        "group_lower_mw": np.array([-INF, -3.0]), "group_upper_mw": np.array([8.0, 4.0]),
        "unit_group": rng.choice([-1, 0, 1], n),
    }  # fmt: skip
    return aware(
        n, p_min_mw=low_mw, p_max_mw=high_mw,
        ramp_up_mw_per_s=10.0 ** rng.uniform(-2.0, 2.0, n),
        ramp_down_mw_per_s=10.0 ** rng.uniform(-2.0, 2.0, n),
        cost=10.0 ** rng.uniform(-2.0, 2.0, n),
        energy_mwh=np.where(rng.random(n) < 0.5, NAN, 10.0 ** rng.uniform(-1.0, 2.0, n)),
        step_min_mw=rng.choice([0.0, 0.0, 0.3], n), resolution_mw=rng.choice([0.0, 0.0, 0.5], n),
        fallback_mw=rng.uniform(low_mw, high_mw), safe_mw=rng.uniform(low_mw, high_mw),
        dead_time_s=rng.choice([0.0, 0.2, 1.0, 7.3, 40.0], n),
        lag_s=rng.choice([0.0, 0.3, 4.0, 600.0], n),
        participation=rng.choice([0.0, 0.5, 1.0], n),
        tick_s=float(rng.choice([0.1, 1.0, 4.0])), slow_s=float(rng.choice([0.0, 3.0])),
        soc_recovery_s=float(rng.choice([1.0, 7200.0, INF])),
        **(groups if rng.random() < 0.3 else {}),
    )  # fmt: skip


def any_image(rng, p, k, now_s, odd):
    """An image in which a part `odd` of the numbers are none."""
    n = len(p.ids)

    def some(values):
        return np.where(rng.random(n) < odd, rng.choice(ODD, n), values)

    def flags(*values):
        return rng.choice(np.array(values, np.uint8), n)

    return image(
        n, k, now_s, trigger=int(rng.choice(list(Trigger))), agc_pu=float(rng.uniform(-1.0, 1.0)),
        agc_received_s=now_s - float(rng.choice([0.0, 0.0, 9.0])),
        order=int(rng.choice([Order.AUTO] * 8 + [Order.LOCAL, Order.SAFE])),
        regulation_capacity_up_mw=float(rng.choice([0.0, 20.0])),
        basepoint_mw=rng.uniform(-10.0, 10.0, n), p_meas_mw=some(rng.uniform(-10.0, 10.0, n)),
        measured_at_s=some(now_s - rng.choice([-1.0, 0.0, 0.3, 2.0, 20.0], n)),
        quality=flags(*[Quality.ONLINE] * 9, Quality.COMM_LOST), soc_pu=some(rng.random(n)),
        p_avail_min_mw=some(rng.uniform(-10.0, 0.0, n)),
        p_avail_max_mw=some(rng.uniform(0.0, 10.0, n)),
        accepted_mw=np.where(rng.random(n) < 0.2, NAN, rng.uniform(p.p_min_mw, p.p_max_mw)),
        accepted_at_s=some(now_s - rng.choice([0.0, 0.3, 2.0, 20.0], n)),
        write_result=flags(*WriteResult), remote=flags(1, 1, 1, 0), connected=flags(1, 1, 1, 0),
        locked=flags(0, 0, 0, 1),
        operator_mw=np.where(rng.random(n) < 0.3, NAN, rng.uniform(-10.0, 10.0, n)),
    )  # fmt: skip


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.0, 0.05, 0.5]))
@example(747, 4, 0.0)  # a group's limit binds, the request cannot be met, and one unit is pinned
@example(202, 5, 0.0)
@example(384, 6, 0.0)  # no groups
@example(562, 1, 0.5)  # a plant that can do nothing but stand at zero
def test_whatever_is_seen_what_is_expected_and_what_is_missing_are_the_request(seed, n, odd):
    """Ticks may also come at once, late, or from a clock that has gone back."""
    rng = np.random.default_rng(seed)
    p = any_plant(rng, n)
    state, now_s = initial_state(p), 100.0
    for k in range(12):
        state, d = tick(state, any_image(rng, p, k, now_s, odd), p)
        for numbers in (d.p_setpoint_mw, d.expected_mw, d.target_mw):
            assert np.isfinite(numbers).all()
        assert np.isfinite(state.p_model_mw + state.p_offset_mw).all()
        assert (p.p_min_mw - 1e-9 <= d.p_setpoint_mw)[d.send != 0].all()
        assert (d.p_setpoint_mw <= p.p_max_mw + 1e-9)[d.send != 0].all()
        assert d.status in (status.OK, status.UNSERVED_UP, status.UNSERVED_DOWN)
        assert d.kkt_mw < 1e-5  # nothing is unserved that could be served
        assert d.expected_mw.sum() == pytest.approx(d.served_mw, abs=1e-9)
        assert d.served_mw + d.unserved_mw == pytest.approx(d.request_mw, abs=1e-9)
        now_s += p.tick_s * float(rng.choice([0.0, 0.3, 1.0, 1.0, 1.0, 5.0, -1.0]))


def test_two_ticks_at_one_instant_where_all_that_is_asked_counts_as_slow():
    """Without a time constant the slow part is what is asked, whenever the last tick was."""
    p = aware(3, slow_s=0.0)
    state, _ = tick(initial_state(p), image(agc_pu=0.1, agc_received_s=99.9), p)
    state, d = tick(state, image(tick=1, agc_pu=0.3), p)
    assert state.slow_mw == pytest.approx(6.0)
    assert d.target_mw == pytest.approx([2.0, 2.0, 2.0])


SLOW = {
    "dead_time_s": np.array([0.05, 0.1, 3.0]), "lag_s": np.array([0.0, 0.2, 8.0]),
    "ramp_up_mw_per_s": np.full(3, 1e3), "ramp_down_mw_per_s": np.full(3, 1e3),
}  # fmt: skip


def test_with_all_participations_zero_each_has_the_same_part():
    plant = Plant(aware(3, participation=np.zeros(3), **SLOW))
    plant.run([0.3] * 90)
    assert plant.decisions[-1].target_mw == pytest.approx([2.0, 2.0, 2.0], abs=1e-3)
    assert plant.power_mw(plant.start_s + 90.0) == pytest.approx([2.0, 2.0, 2.0], abs=1e-2)


def test_without_sold_capacity_the_plan_is_delivered():
    plan_mw = np.array([1.0, -2.0, 4.0])
    plant = Plant(aware(3, **SLOW))
    nothing = {"regulation_capacity_up_mw": 0.0, "regulation_capacity_down_mw": 0.0}
    for k in range(90):
        d = plant.step(100.0 + k, math.sin(k), basepoint_mw=plan_mw, **nothing)
        assert d.request_mw == pytest.approx(3.0)
        assert plant.power_mw(101.0 + k).sum() == pytest.approx(3.0, abs=1e-3)
    assert plant.power_mw(190.0) == pytest.approx(plan_mw, abs=1e-2)


def test_after_a_restart_the_request_is_delivered_once_what_was_under_way_has_come():
    """The new process knows nothing of setpoints in their dead time: it sees them arrive."""
    plant = Plant(aware(3, **SLOW))
    plant.run([0.1] * 40 + [0.5])
    plant.state, plant.start_s = initial_state(plant.p), plant.start_s + 41.0
    expected_mw, truth_mw = plant.run([0.5] * 60)
    assert expected_mw[:, :2] == pytest.approx(truth_mw[:, :2], abs=1e-2)
    off_mw = np.abs(truth_mw.sum(axis=1) - 10.0)
    assert off_mw.max() < 1.0
    assert off_mw[20:].max() < 0.1
    assert off_mw[-1] < 0.01
