"""Frequency droop, trips and entering service: by the standard, and beside EPRI's OpenDER."""

import numpy as np
import pytest
from plant_bench import law
from small_bench import unit

from hil.plant import ieee1547
from hil.plant.ieee1547 import TRIPS, Inverters
from hil.plant.plant import Plant

DT_S = 0.1
droop_mw = law(ieee1547.droop_mw)


def plant(nominal_hz: float = 50.0, **changes: object) -> Plant:
    given = {"droop_pu": 0.05, "energy_mwh": 100.0, **changes}
    return Plant([unit("sunspec_battery", **given)], DT_S, 0.0, seed=1, nominal_hz=nominal_hz)


def run(made: Plant, seconds: float, freq_hz: float) -> float:
    made.set_frequency(freq_hz)
    for _ in range(round(seconds / DT_S)):
        made.step()
    return float(made.p_mw[0])


@pytest.mark.parametrize(
    ("freq_dev_hz", "expected"),
    [(0.0, 0.0), (0.036, 0.0), (-0.036, 0.0), (0.536, -0.2), (-0.536, 0.2), (-2.536, 1.0)],
)
def test_droop_is_a_straight_line_beyond_the_dead_band(freq_dev_hz, expected):
    assert droop_mw(freq_dev_hz, 0.036, 1.0 / (0.05 * 50.0)) == pytest.approx(expected)


def test_the_open_loop_response_time_is_that_to_90_percent():
    made = plant()
    assert run(made, 5.0, 50.0 - 0.536) == pytest.approx(0.9 * 0.2, rel=1e-9)
    assert run(made, 60.0, 50.0 - 0.536) == pytest.approx(0.2, abs=1e-9)
    assert run(made, 60.0, 50.0) == pytest.approx(0.0, abs=1e-9)


def test_droop_comes_on_top_of_the_setpoint_and_within_the_limits():
    made = plant()
    made.order(0, 0.7, 0.0)
    made.arm(0, watchdog_s=1e6)
    made.order(0, 0.7, 0.0)
    assert run(made, 60.0, 50.3) == pytest.approx(0.7 - 0.264 / 2.5)
    assert run(made, 60.0, 48.6) == pytest.approx(1.0)


@pytest.mark.parametrize("freq_hz", [51.2, 48.5])
def test_at_a_limit_and_not_beyond_it_rides_through_for_ever(freq_hz):
    assert run(plant(basepoint_mw=0.3), 500.0, freq_hz) != 0.0


def test_a_unit_without_droop_is_blind():
    made = plant(droop_pu=None)
    assert run(made, 5.0, 46.0) == 0.0


def test_pv_lowers_its_power_and_raises_it_as_far_as_the_sun_lets_it():
    made = Plant([unit("sunspec_pv", droop_pu=0.05)], DT_S, 0.0, seed=1)
    assert run(made, 60.0, 50.3) == pytest.approx(0.82 - 0.264 / 2.5)
    assert run(made, 60.0, 49.0) == pytest.approx(0.91)


@pytest.mark.parametrize(("limit_hz", "clearing_s"), TRIPS)
def test_it_rides_through_until_the_clearing_time_and_trips_then(limit_hz, clearing_s):
    beyond_hz = 50.0 + limit_hz + np.copysign(0.01, limit_hz)
    made = plant(basepoint_mw=0.5)
    assert run(made, 299.0, 50.0 + limit_hz) != 0.0  # not beyond the limit
    made = plant(basepoint_mw=0.5)
    whole = np.ceil(clearing_s / DT_S) * DT_S
    assert run(made, whole - DT_S, beyond_hz) != 0.0
    run(made, DT_S, 50.0)  # a break: the time counts anew
    assert run(made, whole - DT_S, beyond_hz) != 0.0
    assert run(made, DT_S, beyond_hz) == 0.0
    assert (made.low_mw[0], made.high_mw[0]) == (0.0, 0.0)


def test_it_enters_service_after_its_delay_and_along_its_ramp():
    made = plant(basepoint_mw=0.5)
    assert run(made, 1.0, 45.0) == 0.0
    assert run(made, 400.0, 50.2) == 0.0  # too high for entering service
    assert run(made, 299.0, 50.0) == 0.0
    run(made, 1.0 + 60.0, 50.0)
    assert made.high_mw[0] == pytest.approx(0.2, abs=1e-3)  # rated power within 300 s
    assert made.p_mw[0] == pytest.approx(0.2, abs=1e-3)
    assert run(made, 100.0, 50.0) == pytest.approx(0.5)
    assert run(made, 150.0, 50.0) == pytest.approx(0.5)
    assert made.high_mw[0] == 1.0


def test_a_tripped_unit_of_a_fault_has_no_droop():
    made = plant()
    made.hold(0, 0.0)
    assert run(made, 30.0, 49.0) == 0.0
    made.hold(0, None)
    assert run(made, 60.0, 49.0) == pytest.approx(0.964 / 2.5)


def opender_bess(p_pu: float):
    """EPRI's battery with the same settings, at 60 Hz, already running."""
    opender = pytest.importorskip("opender")
    bess = opender.DER_BESS(
        opender.DERCommonFileFormatBESS(
            NP_VA_MAX=1e6,
            NP_P_MAX=1e6,
            NP_P_MAX_CHARGE=1e6,
            NP_APPARENT_POWER_CHARGE_MAX=1e6,
            NP_Q_MAX_INJ=5e5,
            NP_Q_MAX_ABS=5e5,
            PF_MODE_ENABLE=True,
            NP_REACT_TIME=0,
        )
    )
    bess.t_s = opender.DER.t_s = DT_S

    def step(freq_hz: float) -> float:
        bess.update_der_input(p_dem_pu=p_pu, v_pu=1.0, f=freq_hz)
        return float(bess.run()[0]) / 1e6

    for _ in range(50):
        step(60.0)
    return step


@pytest.mark.parametrize("p_pu", [0.0, 0.2, -0.5])
@pytest.mark.parametrize("freq_hz", [59.7, 59.97, 60.3, 60.03, 58.8])
def test_droop_is_opender_s(p_pu, freq_hz):
    theirs = opender_bess(p_pu)
    ours = plant(60.0, basepoint_mw=p_pu)
    change = abs(droop_mw(freq_hz - 60.0, 0.036, 1.0 / 3.0))
    for k in range(200):
        # theirs solves the lag by trapezoids: it is half a step behind at first
        assert run(ours, DT_S, freq_hz) == pytest.approx(theirs(freq_hz), abs=0.025 * change), k
    assert ours.p_mw[0] == pytest.approx(theirs(freq_hz), abs=1e-3 * change)


@pytest.mark.parametrize(
    ("freq_hz", "seconds"), [(62.5, 0.5), (56.0, 0.5), (61.5, 302.0), (58.4, 302.0)]
)
def test_trips_and_entering_service_are_opender_s(freq_hz, seconds):
    theirs = opender_bess(0.4)
    ours = plant(60.0, basepoint_mw=0.4)
    for freq, time_s in ((freq_hz, seconds), (60.0, 650.0)):
        for k in range(round(time_s / DT_S)):
            mine, other = run(ours, DT_S, freq), theirs(freq)
            assert (mine == 0.0) == (abs(other) < 1e-9) or min(abs(mine), abs(other)) < 2e-3, k
    assert ours.p_mw[0] == pytest.approx(other, abs=1e-4)


def test_inverters_stand_where_they_should():
    units = [unit("modbus_hvac"), unit("sunspec_battery", 1, droop_pu=0.04), unit("sunspec_pv", 2)]
    made = Plant(units, DT_S, 0.0, seed=1)
    assert isinstance(made._inverters, Inverters)
    assert made._inverters.own["unit"].tolist() == [1]
    assert made._inverters.own["mw_per_hz"].tolist() == pytest.approx([0.5])
