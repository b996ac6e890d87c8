"""The coal unit: governor, ramp, turbine and boiler against their closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from hil.plant import coal
from hil.plant.coal import Params

DT_S = 0.1
# without the boiler's swings: endless stored heat
STIFF = Params(storage_s=1e12, servo_tau_s=0.0)


def run(params: Params, state: coal.State, seconds: float, agc_mw: float, freq_hz: float = 50.0):
    powers = []
    for _ in range(round(seconds / DT_S)):
        state = coal.step(DT_S, params, state, agc_mw, freq_hz)
        powers.append(state.p_mw(params))
    return state, np.array(powers)


def test_at_rest_it_stays():
    state, powers = run(Params(), coal.start(Params(), 400.0), 100.0, 400.0)
    assert powers == pytest.approx(400.0)
    assert state.pressure_pu == pytest.approx(1.0)


def test_a_small_change_of_the_setpoint_is_none():
    params = Params()
    state, _ = run(params, coal.start(params, 400.0), 10.0, 402.9)
    assert state.setpoint_pu == pytest.approx(400.0 / 600.0)
    state, _ = run(params, state, 10.0, 403.1)
    assert state.setpoint_pu == pytest.approx(403.1 / 600.0)


def test_it_ramps_at_one_and_a_half_percent_a_minute():
    state, powers = run(STIFF, coal.start(STIFF, 400.0), 240.0, 460.0)
    slope = (powers[-1] - powers[-601]) / 60.0
    assert slope == pytest.approx(0.015 * 600.0 / 60.0, rel=1e-6)
    state, powers = run(STIFF, state, 400.0, 460.0)
    assert powers[-1] == pytest.approx(460.0)
    assert powers.max() < 460.001
    state, powers = run(STIFF, state, 240.0, 300.0)
    assert (powers[-1] - powers[-601]) / 60.0 == pytest.approx(-0.15, rel=1e-6)


@pytest.mark.parametrize(
    ("freq_hz", "expected"),
    [(50.0, 0.0), (50.033, 0.0), (49.967, 0.0), (49.867, 0.04), (50.133, -0.04), (49.0, 0.06)],
)
def test_the_governor_has_droop_dead_band_and_limit(freq_hz, expected):
    assert coal.primary_pu(Params(), freq_hz) == pytest.approx(expected)


def test_the_turbine_answers_as_chest_and_reheater_say():
    # 1/valve of (1 + s F T_RH) / ((1 + s T_CH)(1 + s T_RH)) to a step, by partial fractions
    params = replace(STIFF, primary_limit_pu=1.0)
    _, powers = run(params, coal.start(params, 300.0), 40.0, 300.0, 49.867)
    t_s = DT_S * np.arange(1, len(powers) + 1)
    chest, reheat, high = params.chest_tau_s, params.reheat_tau_s, params.high_pressure_pu
    at_chest = (high * reheat - chest) / (reheat - chest)
    at_reheat = (1.0 - high) * reheat / (reheat - chest)
    answer = 1.0 - at_chest * np.exp(-t_s / chest) - at_reheat * np.exp(-t_s / reheat)
    assert powers == pytest.approx(300.0 + 24.0 * answer, abs=0.1)
    assert powers[9] == pytest.approx(300.0 + 24.0 * answer[9], abs=0.05)
    assert answer[9] < 0.45  # the quick part is that of high pressure


def test_stored_heat_pays_first_and_fuel_pays_back():
    params = Params()
    state, powers = run(params, coal.start(params, 400.0), 60.0, 400.0, 49.867)
    assert powers[-1] > 400.0 + 15.0
    assert state.pressure_pu < 0.995
    state, powers = run(params, state, 3600.0, 400.0, 49.867)
    assert powers[-1] == pytest.approx(424.0, abs=0.01)
    assert state.pressure_pu == pytest.approx(1.0, abs=1e-4)


def test_heat_in_the_boiler_is_balanced():
    params = Params(pressure_gain_pu=0.0)
    state = coal.start(params, 400.0)
    fired = steam = 0.0
    for k in range(3000):
        before = state
        state = coal.step(DT_S, params, state, 400.0, 49.867 if k < 1500 else 50.0)
        fired += 0.5 * (before.heat_pu + state.heat_pu) * DT_S
        steam += state.valve_pu * 0.5 * (before.pressure_pu + state.pressure_pu) * DT_S
    stored = params.storage_s * (state.pressure_pu - 1.0)
    assert stored == pytest.approx(fired - steam, abs=1e-3)
    assert abs(stored) > 1e-2


def test_it_stays_above_its_minimum_and_at_most_at_its_rated_power():
    _, powers = run(STIFF, coal.start(STIFF, 590.0), 400.0, 900.0, 49.0)
    assert powers.max() <= 600.0 + 1e-6
    _, powers = run(STIFF, coal.start(STIFF, 200.0), 400.0, 0.0, 51.0)
    assert powers.min() >= 180.0 - 1e-6
