"""The control area: inertia, damping, reserves, area control error, and their closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from hil.plant import grid
from hil.plant.grid import Area

DT_S = 0.1
BARE = Area(governed_mw=0.0, agc_gain=0.0)  # inertia and load alone
LINEAR = Area(deadband_hz=0.0, primary_limit_pu=10.0, agc_gain=0.0)


def run(area: Area, state: grid.State, seconds: float, disturbance_mw: float, injection_mw=0.0):
    freq_hz = []
    for _ in range(round(seconds / DT_S)):
        state = grid.step(DT_S, area, state, injection_mw, disturbance_mw)
        freq_hz.append(state.freq_hz)
    return state, np.array(freq_hz)


def test_at_rest_it_stays():
    state, freq_hz = run(Area(), grid.start(Area()), 100.0, 0.0)
    assert (freq_hz == 50.0).all()
    assert state.ace_mw == state.agc_mw == 0.0


def test_the_first_slope_is_that_of_the_inertia():
    dt_s = 1e-4
    state = grid.step(dt_s, BARE, grid.start(BARE), 0.0, 100.0)
    slope = (state.freq_hz - 50.0) / dt_s
    assert slope == pytest.approx(-100.0 * 50.0 / (2.0 * 5.0 * 5000.0), rel=1e-4)


def test_inertia_and_damping_are_a_first_order_lag():
    _, freq_hz = run(BARE, grid.start(BARE), 30.0, 100.0)
    t_s = DT_S * np.arange(1, 301)
    settled_hz = -100.0 * 50.0 / (1.0 * 5000.0)
    tau_s = 2.0 * 5.0 / 1.0
    assert freq_hz == pytest.approx(50.0 + settled_hz * (1.0 - np.exp(-t_s / tau_s)), abs=1e-9)
    undamped = replace(BARE, damping_pu=0.0)
    state, _ = run(undamped, grid.start(undamped), 10.0, 100.0)
    assert state.freq_hz == pytest.approx(50.0 - 10.0 * 100.0 * 50.0 / 50000.0)


def test_a_lasting_imbalance_settles_by_droop_and_damping():
    state, freq_hz = run(LINEAR, grid.start(LINEAR), 300.0, 100.0)
    damping_mw_per_hz = 1.0 * 5000.0 / 50.0
    droop_mw_per_hz = 3500.0 / (0.05 * 50.0)
    expected_hz = -100.0 / (damping_mw_per_hz + droop_mw_per_hz)
    assert state.freq_hz - 50.0 == pytest.approx(expected_hz, rel=1e-6)
    assert freq_hz.min() < 50.0 + 1.5 * expected_hz  # reheaters are late: there is a nadir
    assert state.primary_mw(LINEAR) == pytest.approx(-droop_mw_per_hz * expected_hz, rel=1e-6)


def test_the_response_is_that_of_the_linear_model():
    """Against the same equations solved by `solve_ivp`."""
    from scipy.integrate import solve_ivp

    area = LINEAR
    inertia, damping = 2.0 * 5.0 * 5000.0 / 50.0, 100.0
    high = area.high_pressure_pu

    def slope(_: float, x: np.ndarray) -> list[float]:
        dev_hz, chest, reheat = x
        primary = high * chest + (1.0 - high) * reheat
        return [
            (-100.0 + primary - damping * dev_hz) / inertia,
            (-1400.0 * dev_hz - chest) / area.chest_tau_s,
            (chest - reheat) / area.reheat_tau_s,
        ]

    t_s = DT_S * np.arange(1, 601)
    solved = solve_ivp(slope, (0.0, 60.0), [0.0, 0.0, 0.0], t_eval=t_s, rtol=1e-9, atol=1e-9)
    _, freq_hz = run(area, grid.start(area), 60.0, 100.0)
    assert freq_hz - 50.0 == pytest.approx(solved.y[0], abs=6e-3)
    fine = grid.start(area)
    for _ in range(6000):
        fine = grid.step(0.001, area, fine, 0.0, 100.0)
    assert fine.freq_hz - 50.0 == pytest.approx(solved.y[0][59], abs=1e-4)


def test_primary_reserve_has_a_dead_band_and_an_end():
    area = Area()
    targets = [grid.primary_target_mw(area, 50.0 + x) for x in (0.0, -0.033, 0.033, -0.083, -5.0)]
    assert targets == pytest.approx([0.0, 0.0, 0.0, 0.05 * 3500.0 / 2.5, 0.06 * 3500.0], abs=1e-9)


def test_injection_and_disturbance_cancel():
    _, freq_hz = run(Area(), grid.start(Area()), 60.0, 80.0, injection_mw=80.0)
    assert (freq_hz == 50.0).all()


def test_quick_power_lifts_the_nadir():
    area = Area()
    _, alone = run(area, grid.start(area), 120.0, 200.0)
    _, helped = run(area, grid.start(area), 120.0, 200.0, injection_mw=80.0)
    assert helped.min() > alone.min() + 0.1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0.0, 0.0, -50.0, 49.9, 50.0), -50.0),  # 0.1 Hz low: 50 MW are missing
        ((120.0, 100.0, -50.0, 50.0, 50.0), 20.0),  # 20 MW too much go out
        ((120.0, 100.0, -50.0, 50.02, 50.0), 30.0),
        ((120.0, 100.0, -50.0, 50.02, 50.0, 5.0), 25.0),  # 5 MW of it: the meter's
    ],
)
def test_the_area_control_error_has_nerc_s_form(arguments, expected):
    assert grid.ace_mw(*arguments) == pytest.approx(expected)


def test_secondary_control_brings_the_frequency_back():
    area = Area()
    state, freq_hz = run(area, grid.start(area), 3600.0, 100.0)
    assert state.freq_hz == pytest.approx(50.0, abs=0.005)
    assert abs(state.ace_mw) < 10.0
    assert state.secondary_mw == pytest.approx(100.0, abs=5.0)
    assert freq_hz.min() < 49.85


def test_secondary_control_asks_the_plant_for_its_share_within_its_limit():
    area = Area(agc_share=0.25, agc_limit_mw=300.0)
    state, _ = run(area, grid.start(area), 600.0, 1000.0)
    assert state.agc_mw == 300.0
    assert state.integral_mw <= 300.0
    assert state.asked_mw(area) == pytest.approx(75.0)
    assert state.reference_mw == pytest.approx(225.0)
    changes = []
    for _ in range(100):
        before = state
        state = grid.step(DT_S, area, state, 900.0, 0.0)
        changes.append(state.agc_mw != before.agc_mw)
    assert sum(changes) in (2, 3)  # a cycle of 4 s


def test_what_flows_over_the_ties_counts():
    area = replace(Area(), governed_mw=0.0)
    state = grid.step(DT_S, area, grid.start(area), 0.0, 0.0, interchange_mw=30.0)
    assert state.freq_hz < 50.0  # what goes out is missing here
    expected_mw = 30.0 + 10.0 * 150.0 * (state.freq_hz - 50.0)
    assert state.ace_mw == pytest.approx(expected_mw)
