"""Charging hubs: energy balance, steps of chargers, arrivals and departures, what cannot wait."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plant_bench import DT_S, Drive, law
from small_bench import unit

from hil.plant import ev_hub
from hil.plant.cars import CAR_MW, EMPTY_S, FORGIVEN_MWH, MOST_NEED_PU, sockets
from hil.plant.ev_hub import AMPERE_MW, FLOOR_MW, Hubs

urgency, on_steps = law(ev_hub.urgency), law(ev_hub.on_steps)


def made(rated_mw: float = 0.1, seed: int = 1, **changes: object) -> Drive:
    given = {"p_min_mw": -rated_mw, "basepoint_mw": -0.5 * rated_mw, "charger_step_a": 1.0}
    return Drive(
        [unit("modbus_ev_hub", rated_mw=rated_mw, **{**given, **changes})],
        lambda units, index, body: Hubs(units, index, body, DT_S, 0.0, seed),
    )


def owed_mwh(drive: Drive) -> float:
    return float(drive.kind.traffic.cars["owed_mwh"].sum())


def test_a_charger_is_one_of_11_kw():
    assert pytest.approx(0.01104) == CAR_MW
    assert pytest.approx(0.00069) == AMPERE_MW
    assert sockets(0.333) == 43


def test_the_debt_falls_by_what_is_drawn():
    drive = made(leave_first_s=36000.0, leave_last_s=72000.0, need_pu=0.5)
    before_mwh, drawn_mwh = owed_mwh(drive), 0.0
    for p_mw in (-0.05, -0.1, -0.01, -0.08):
        drive.body["mean_mw"] = p_mw
        for _ in range(600):
            start_mw = float(drive.body["p_mw"][0])
            drive.step()
            drawn_mwh -= 0.5 * (start_mw + float(drive.body["p_mw"][0])) * DT_S / 3600.0
    booked_mwh = before_mwh - owed_mwh(drive)
    unbooked_mwh = float(drive.kind._own["drawn_mwh"][0])
    assert booked_mwh + unbooked_mwh == pytest.approx(drawn_mwh, abs=1e-12)
    assert unbooked_mwh <= 0.1 / 3600.0  # a second of it
    assert drawn_mwh > 0.003


@given(st.floats(-0.099, 0.0))
@settings(max_examples=40)
def test_a_hub_draws_whole_amperes_and_at_least_six(p_mw):
    drive = made()
    drive.run(0.2, p_mw)
    amperes = -float(drive.body["p_mw"][0]) / AMPERE_MW
    assert amperes == pytest.approx(round(amperes), abs=1e-9)
    assert amperes == 0.0 or amperes >= 6.0 - 1e-9
    nearest = -p_mw / AMPERE_MW
    assert abs(amperes - nearest) <= (0.5001 if nearest >= 6.0 else 3.0001)


def test_what_cannot_wait_grows_in_a_straight_line():
    assert [urgency(x) for x in (0.0, 0.8, 0.875, 0.95, 2.0)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert on_steps(0.0, AMPERE_MW, FLOOR_MW) == 0.0
    assert on_steps(1e-6, AMPERE_MW, FLOOR_MW) == FLOOR_MW
    assert on_steps(10.2 * AMPERE_MW, AMPERE_MW, FLOOR_MW) == pytest.approx(11.0 * AMPERE_MW)


def test_cars_must_be_charged_when_their_time_gets_short():
    # all leave after two hours and are owed half of what the connection could give until then
    drive = made(leave_first_s=7200.0, leave_last_s=7200.0, need_pu=0.5, charger_step_a=0.0)
    cars = drive.kind.traffic.cars
    most_mwh, share_mw = float(cars["owed_mwh"].max()), 0.1 / len(cars)
    while drive.body["high_mw"][0] == 0.0:
        drive.run(1.0, 0.0)
    # from the instant on at which one needs .8 of its share until a minute before it goes
    assert drive.now_s == pytest.approx(7140.0 - most_mwh / (0.8 * share_mw) * 3600.0, abs=2.0)
    drive.run(7205.0 - drive.now_s, 0.0)
    assert drive.body["departure_missed_mwh"][0] == 0.0
    assert owed_mwh(drive) == 0.0


@given(st.lists(st.floats(-0.1, 0.0), min_size=1, max_size=20), st.integers(0, 1000))
@settings(max_examples=10)
def test_no_order_makes_a_car_leave_without_its_energy(orders, seed):
    drive = made(seed=seed, leave_first_s=300.0, leave_last_s=1500.0, need_pu=MOST_NEED_PU,
                 ramp_mw_per_s=0.02, lag_true_s=2.0)  # fmt: skip
    for p_mw in orders:
        drive.run(1600.0 / len(orders), p_mw)
        low_mw, high_mw = drive.body["low_mw"][0], drive.body["high_mw"][0]
        assert -0.1 <= low_mw <= high_mw <= 0.0
    assert drive.body["departure_missed_mwh"][0] == 0.0


def test_a_hub_that_is_cut_off_tells_what_its_cars_missed():
    drive = made(leave_first_s=600.0, leave_last_s=600.0, need_pu=0.5)
    owed = owed_mwh(drive)
    drive.body["p_mw"] = drive.body["held_mw"] = 0.0  # tripped
    drive.run(602.0, 0.0)
    assert drive.body["departure_missed_mwh"][0] == pytest.approx(owed)
    assert owed > 100 * FORGIVEN_MWH


def test_cars_come_and_go_and_the_basepoint_is_what_they_need():
    drive = made(rated_mw=0.333, departure_s=3600.0)
    cars = drive.kind.traffic.cars
    present, low_mw, high_mw, owed = [], [], [], []
    for _ in range(120):
        drive.run(120.0, -0.1665)
        present.append(np.isfinite(cars["leaves_s"]).mean())
        low_mw.append(float(drive.body["low_mw"][0]))
        high_mw.append(float(drive.body["high_mw"][0]))
        owed.append(owed_mwh(drive))
        assert (np.diff(cars["leaves_s"][np.isfinite(cars["leaves_s"])]) >= 0.0).all()
    taken = 3600.0 / (3600.0 + 0.5 * sum(EMPTY_S))
    assert np.mean(present) == pytest.approx(taken, abs=0.03)
    assert np.mean(low_mw[20:]) < -0.32  # nearly the whole range, all the time
    assert np.mean(high_mw[20:]) > -0.005
    assert np.mean(owed[60:]) == pytest.approx(np.mean(owed[:60]), rel=0.2)
    assert drive.body["departure_missed_mwh"][0] == 0.0


def test_the_seed_and_the_unit_decide_who_comes():
    leaving = [made(seed=seed).kind.traffic.cars["leaves_s"].tolist() for seed in (1, 1, 2)]
    assert leaving[0] == leaving[1] != leaving[2]
