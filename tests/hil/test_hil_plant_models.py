"""Each model against its closed form."""

import numpy as np
import pytest
from small_bench import unit

from hil.plant import actuator, battery, ev_hub, hvac, pv
from hil.plant.actuator import Actuator, Motion

DT_S = 0.1


def ramp_then_lag(t_s: float, slope: float, height: float, lag_s: float) -> float:
    """Power after a step of `height`: reference along a ramp to it, first-order lag behind."""
    end_s = height / slope
    if t_s <= end_s:
        return slope * (t_s - lag_s + lag_s * np.exp(-t_s / lag_s))
    at_end = slope * (end_s - lag_s + lag_s * np.exp(-end_s / lag_s))
    return height + (at_end - height) * np.exp(-(t_s - end_s) / lag_s)


@pytest.mark.parametrize(("slope", "lag_s"), [(1.0, 0.3), (0.2, 2.0), (0.02, 25.0), (0.01, 40.0)])
def test_a_step_answers_as_the_ramp_and_lag_say(slope, lag_s):
    unit_actuator = Actuator(np.array([slope]), np.array([lag_s]))
    motion = Motion(np.zeros(1), np.zeros(1))
    for k in range(1, 600):
        motion = actuator.step(DT_S, unit_actuator, motion, np.array([0.4]))
        expected = ramp_then_lag(k * DT_S, slope, 0.4, lag_s)
        assert motion.p_mw[0] == pytest.approx(expected, abs=1e-12)


def test_without_lag_the_power_is_the_reference():
    quick = Actuator(np.array([0.5]), np.array([0.0]))
    motion = actuator.step(DT_S, quick, Motion(np.zeros(1), np.zeros(1)), np.array([1.0]))
    assert motion.p_mw[0] == pytest.approx(0.05)


def settled_battery(p_mw: float, soc_pu: float) -> tuple[battery.Params, battery.State]:
    params = battery.params([unit("sunspec_battery")])
    return params, battery.start(np.array([p_mw]), np.array([soc_pu]))


@pytest.mark.parametrize(
    ("p_mw", "gain_pu_per_h"), [(1.0, -1.0 / 0.95 / 2.0), (-1.0, 0.95 / 2.0), (0.0, 0.0)]
)
def test_state_of_charge_follows_energy_and_one_way_efficiency(p_mw, gain_pu_per_h):
    params, state = settled_battery(p_mw, 0.5)
    for _ in range(6000):  # ten minutes
        state = battery.step(DT_S, params, state, np.array([p_mw]))
    assert state.soc_pu[0] == pytest.approx(0.5 + gain_pu_per_h / 6.0, abs=1e-9)


@pytest.mark.parametrize(
    ("soc_pu", "low_mw", "high_mw"),
    [(0.5, -1.0, 1.0), (0.1, -1.0, 1.0), (0.075, -1.0, 0.5), (0.05, -1.0, 0.0),
     (0.9, -1.0, 1.0), (0.925, -0.5, 1.0), (0.95, 0.0, 1.0)],
)  # fmt: skip
def test_power_limits_near_empty_and_full(soc_pu, low_mw, high_mw):
    params, state = settled_battery(0.0, soc_pu)
    low, high = battery.limits_mw(params, state)
    assert (low[0], high[0]) == pytest.approx((low_mw, high_mw))


def test_an_empty_battery_stops_by_itself():
    params, state = settled_battery(1.0, 0.06)
    for _ in range(3600):
        state = battery.step(1.0, params, state, np.array([1.0]))
    assert state.motion.p_mw[0] == pytest.approx(0.0, abs=0.01)
    assert 0.05 <= state.soc_pu[0] < 0.0505


def test_cars_must_be_charged_when_their_time_gets_short():
    # half of the rated power for two hours is owed; nothing is drawn for the first 57 minutes
    params = ev_hub.params([unit("modbus_ev_hub")])
    state = ev_hub.start(params, np.array([0.0]))
    idle_s = 0.0
    while ev_hub.limits_mw(params, state)[1][0] == 0.0:
        state = ev_hub.step(1.0, params, state, np.array([0.0]))
        idle_s += 1.0
    # must begin when owed = 0.95 rated * left, owed staying 1 MWh: left = 3600 / 0.95 s
    assert idle_s == pytest.approx(7200.0 - 3600.0 / 0.95, abs=2.0)


def test_cars_leave_with_their_energy():
    params = ev_hub.params([unit("modbus_ev_hub")])
    state = ev_hub.start(params, np.array([0.0]))
    owed_before_departure = np.inf
    for _ in range(7210):
        owed_before_departure = min(owed_before_departure, float(state.owed_mwh[0]))
        state = ev_hub.step(1.0, params, state, np.array([0.0]))  # asked to draw nothing
    assert owed_before_departure < 1e-3  # of the 1 MWh
    assert state.left_s[0] == pytest.approx(7190.0, abs=0.2)  # the next cars are there


def test_room_warms_exponentially_when_cooling_is_cut():
    params = hvac.params([unit("modbus_hvac", comfort_k=50.0)])
    state = hvac.start(np.array([-0.5]))
    state = hvac.State(Motion(np.array([-0.1]), np.array([-0.1])), state.room_k)
    for _ in range(6000):
        state = hvac.step(DT_S, params, state, np.array([-0.1]))
    settled_k = hvac.ROOM_GAIN_K * 0.4
    assert state.room_k[0] == pytest.approx(settled_k * (1.0 - np.exp(-600.0 / 3600.0)), rel=1e-9)


def test_comfort_band_is_kept_against_any_order():
    params = hvac.params([unit("modbus_hvac")])
    state = hvac.start(np.array([-0.5]))
    hottest_k = 0.0
    for _ in range(4 * 3600):
        state = hvac.step(1.0, params, state, np.array([0.0]))
        hottest_k = max(hottest_k, float(state.room_k[0]))
    assert 1.6 < hottest_k <= 2.0
    low, high = hvac.limits_mw(params, state)
    assert low[0] == -0.92
    assert high[0] < -0.3  # little freedom is left


def test_pv_gives_the_smaller_of_limit_and_sun():
    params = pv.params([unit("sunspec_pv")])
    state = pv.start(params, np.array([0.82]))
    for limit, expected in ((1.0, 0.91), (0.3, 0.3), (0.0, 0.0)):
        for _ in range(50):
            state = pv.step(DT_S, params, state, np.array([limit]), np.zeros(1))
        assert state.motion.p_mw[0] == pytest.approx(expected)


def test_clouds_have_the_spread_and_memory_that_they_should():
    params = pv.params([unit("sunspec_pv", available_mw=0.5, sun_sigma_mw=0.02)])
    state = pv.start(params, np.array([0.5]))
    rng = np.random.default_rng(5)
    cloud = np.empty(20000)
    for k in range(len(cloud)):
        state = pv.step(10.0, params, state, np.array([1.0]), rng.standard_normal(1))
        cloud[k] = state.cloud_mw[0]
    assert cloud.std() == pytest.approx(0.02, rel=0.1)
    memory = np.corrcoef(cloud[:-12], cloud[12:])[0, 1]  # 120 s later
    assert memory == pytest.approx(np.exp(-1.0), abs=0.05)
