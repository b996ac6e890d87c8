"""Batteries: energy balance, the published inverter curve, cell temperature, power limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plant_bench import DT_S, Drive, law
from small_bench import unit

from hil.plant import battery
from hil.plant.battery import COOLING_TAU_S, INVERTER, Batteries, batteries

charge_pu, discharge_pu = law(battery.charge_pu), law(battery.discharge_pu)
loss_pu = law(battery.loss_pu)

# Power Electronics FS3000CU15 (690 V) at nominal DC voltage: load and efficiency, from the Sandia
# model with the coefficients of the CEC's list (SAM library of 2019): Pac0 3201170 W,
# Pdc0 3264884.75 W, Vdc0 1030 V, Ps0 11384.40332 W, C0 -3.123543e-09 1/W.
PUBLISHED = {
    0.05: 0.92799, 0.1: 0.95920, 0.2: 0.97487, 0.3: 0.97954,
    0.5: 0.98211, 0.75: 0.98188, 1.0: 0.98048,
}  # fmt: skip


def made(soc_pu: float = 0.5, p_mw: float = 0.0, **changes: object) -> Drive:
    def make(units, index, body):
        body["soc_pu"] = soc_pu
        return Batteries(units, index, body, DT_S)

    return Drive([unit("sunspec_battery", basepoint_mw=p_mw, **changes)], make)


@pytest.mark.parametrize(("load", "efficiency"), PUBLISHED.items())
def test_the_inverter_has_the_published_efficiency(load, efficiency):
    assert load / (load + loss_pu(load, *INVERTER)) == pytest.approx(efficiency, abs=2e-4)


@pytest.mark.parametrize(("p_mw", "gain_pu_per_h"), [(1.0, -1.0 / 0.95 / 2.0), (-1.0, 0.95 / 2.0)])
def test_at_rated_power_the_one_way_efficiency_is_the_unit_s(p_mw, gain_pu_per_h):
    drive = made(p_mw=p_mw)
    drive.run(600.0, p_mw)
    assert drive.body["soc_pu"][0] == pytest.approx(0.5 + gain_pu_per_h / 6.0, abs=1e-9)


def test_at_rest_the_standby_loss_drains_the_store():
    drive = made()
    drive.run(600.0, 0.0)
    assert drive.body["soc_pu"][0] == pytest.approx(0.5 - INVERTER[0] / 2.0 / 6.0, abs=1e-9)


@pytest.mark.parametrize("efficiency", [0.90, 0.95, 0.98, 0.995, 1.0])
def test_the_losses_add_up_to_the_unit_s_efficiency(efficiency):
    one = unit(
        "sunspec_battery", efficiency_charge_pu=efficiency, efficiency_discharge_pu=efficiency
    )
    own = batteries([one], np.array([0]))[0]
    for way, lost in (("charge", 1.0 - efficiency), ("discharge", 1.0 / efficiency - 1.0)):
        parts = [own[f"{name}_{way}_pu"] for name in ("linear", "square", "cells")]
        assert sum(parts) + own["standby_pu"] == pytest.approx(lost, abs=1e-12)
        assert min(parts) >= 0.0


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=12))
@settings(max_examples=30)
def test_what_leaves_the_store_is_delivered_or_lost(orders):
    drive = made(ramp_mw_per_s=0.2, lag_true_s=0.3)
    own = drive.kind._own[0]
    delivered_mwh = lost_mwh = 0.0
    for p_mw in orders:
        drive.body["mean_mw"] = p_mw
        for _ in range(50):
            before_mw = float(drive.body["p_mw"][0])
            drive.step()
            mean_mw = 0.5 * (before_mw + float(drive.body["p_mw"][0]))
            way = "charge" if mean_mw < 0.0 else "discharge"
            square = own[f"square_{way}_pu"] + own[f"cells_{way}_pu"]
            lost = loss_pu(abs(mean_mw), own["standby_pu"], own[f"linear_{way}_pu"], square)
            delivered_mwh += mean_mw * DT_S / 3600.0
            lost_mwh += lost * DT_S / 3600.0
    left_mwh = 2.0 * (0.5 - float(drive.body["soc_pu"][0]))
    assert left_mwh == pytest.approx(delivered_mwh + lost_mwh, abs=1e-12)
    assert lost_mwh > 0.0


def test_cells_warm_up_exponentially_by_what_they_lose():
    drive = made(energy_mwh=50.0, p_mw=1.0, ambient_c=20.0)
    own = drive.kind._own[0]
    drive.run(1800.0, 1.0)
    heat_mw = 1.0 / 0.95 - 1.0 - sum(INVERTER)
    settled_k = heat_mw * COOLING_TAU_S / 3600.0 / (0.0018 * 50.0)
    expected = 20.0 + settled_k * (1.0 - np.exp(-1800.0 / COOLING_TAU_S))
    assert own["cells_discharge_pu"] == pytest.approx(heat_mw)
    assert drive.body["temperature_c"][0] == pytest.approx(expected, rel=1e-9)
    assert expected > 20.05


@pytest.mark.parametrize(
    ("soc_pu", "charge", "discharge"),
    [(0.5, 1.0, 1.0), (0.1, 1.0, 1.0), (0.075, 1.0, 0.5), (0.05, 1.0, 0.0),
     (0.9, 1.0, 1.0), (0.925, 0.5, 1.0), (0.95, 0.0, 1.0)],
)  # fmt: skip
def test_power_limits_near_empty_and_full(soc_pu, charge, discharge):
    assert charge_pu(soc_pu, 0.9, 25.0, 55.0) == pytest.approx(charge)
    assert discharge_pu(soc_pu, 0.1, 25.0, 55.0) == pytest.approx(discharge)


@pytest.mark.parametrize(
    ("cells_c", "charge", "discharge"),
    [(-20.0, 0.0, 0.0), (-15.0, 0.0, 0.5), (0.0, 0.0, 1.0), (5.0, 0.5, 1.0), (10.0, 1.0, 1.0),
     (45.0, 1.0, 1.0), (50.0, 0.5, 0.5), (55.0, 0.0, 0.0)],
)  # fmt: skip
def test_power_limits_in_the_cold_and_in_the_heat(cells_c, charge, discharge):
    assert charge_pu(0.5, 0.9, cells_c, 55.0) == pytest.approx(charge)
    assert discharge_pu(0.5, 0.1, cells_c, 55.0) == pytest.approx(discharge)


def test_a_hot_battery_says_so_and_gives_less():
    drive = made(ambient_c=50.0)
    drive.run(1.0, 1.0)
    assert drive.body["p_mw"][0] == pytest.approx(0.5, abs=1e-3)
    assert drive.body["high_mw"][0] == pytest.approx(0.5, abs=1e-3)
    assert drive.body["low_mw"][0] == pytest.approx(-0.5, abs=1e-3)


def test_an_empty_battery_stops_by_itself_in_a_straight_line():
    drive = made(soc_pu=0.06, p_mw=1.0)
    drive.run(1800.0, 1.0)
    half_h = float(drive.body["p_mw"][0])
    assert half_h == pytest.approx(drive.body["high_mw"][0], abs=1e-4)
    # E dsoc/dt = -P (soc - .05) / .05 / .95 about: a decay with a time constant of 342 s
    assert half_h == pytest.approx(0.2 * np.exp(-1800.0 / 342.0), abs=0.01)
    assert 0.049 < drive.body["soc_pu"][0] < 0.0505
