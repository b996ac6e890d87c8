"""Dead times, watchdogs, what can be seen, and the grid of the physics."""

import numpy as np
import pytest
from small_bench import unit

from hil.plant.plant import FACTORY_WATCHDOG_S, Plant
from hil.recording import UnitState

STEP_S = 0.1


def plant(*units, start_s=1000.0):
    return Plant(units, STEP_S, start_s, seed=1)


def run(made, seconds):
    for _ in range(round(seconds / STEP_S)):
        made.step()
    return made.p_mw.copy()


def test_starts_at_the_basepoints_and_stays_there():
    made = plant(unit("sunspec_battery"), unit("modbus_ev_hub", 1), unit("sunspec_pv", 2))
    assert run(made, 5.0).tolist() == pytest.approx([0.0, -0.5, 0.82])
    assert made.state.tolist() == [UnitState.AUTONOMOUS] * 3


@pytest.mark.parametrize("offset_s", [0.0, 0.03, 0.05, 0.099])
def test_a_setpoint_acts_after_its_dead_time_to_the_millisecond(offset_s):
    # the mean over the step of that instant is what makes it exact: sum the energy
    made = plant(unit("sunspec_battery", dead_time_true_s=1.234))
    made.order(0, 1.0, 1000.0 + offset_s)
    energy = 0.0
    for _ in range(50):
        made.step()
        energy += made.p_mw[0] * STEP_S
    assert energy == pytest.approx(5.0 - 1.234 - offset_s, abs=1e-6)


def test_setpoints_within_one_dead_time_are_all_acted_on():
    made = plant(unit("dnp3_industrial", dead_time_true_s=10.0))
    for k in range(5):
        made.order(0, -0.3 - 0.1 * k, 1000.0 + k)
    seen = [float(run(made, 1.0)[0]) for _ in range(16)]
    assert seen[9] == pytest.approx(-0.6)  # the basepoint until 1010
    assert seen[10:16] == pytest.approx([-0.3, -0.4, -0.5, -0.6, -0.7, -0.7])


def test_watchdog_takes_a_silent_unit_to_its_fallback():
    made = plant(unit("sunspec_battery"))
    made.arm(0, watchdog_s=4.0, fallback_mw=0.25)
    made.order(0, 1.0, 1000.0)
    assert run(made, 3.9)[0] == pytest.approx(1.0)
    assert made.state[0] == UnitState.FOLLOW
    assert run(made, 0.2)[0] == pytest.approx(0.25)
    assert made.state[0] == UnitState.FALLBACK
    made.order(0, -1.0, made.now_s)
    assert run(made, 0.1)[0] == pytest.approx(-1.0)
    assert made.state[0] == UnitState.FOLLOW


def test_each_watchdog_runs_out_in_its_own_step_whatever_the_others_do():
    made = plant(*(unit("sunspec_battery", k) for k in range(4)))
    for k, watchdog_s in enumerate((5.0, 3.0, 4.0, 9.0)):
        made.arm(k, watchdog_s=watchdog_s, fallback_mw=0.25)
        made.order(k, 1.0, 1000.0)
    made.release(1, 1000.0)  # it would have been the first
    made.arm(3, watchdog_s=1.0)
    ran_out = {}
    for step in range(1, 71):
        made.step()
        if step == 10:
            made.order(3, 1.0, 1001.0)  # sooner than all the others now
        for k in np.flatnonzero(made.state == UnitState.FALLBACK).tolist():
            ran_out.setdefault(k, step)
    assert ran_out == {3: 21, 2: 41, 0: 51}


def test_a_watchdog_that_nobody_armed_is_as_from_the_factory():
    made = plant(
        unit("sunspec_battery", watchdog_s=4.0, fallback_mw=0.25),
        unit("dnp3_industrial", watchdog_s=4.0),
    )
    for i in (0, 1):
        made.order(i, made.units[i].p_min_mw, 1000.0)
    assert [made.watchdog(i) for i in (0, 1)] == [
        (FACTORY_WATCHDOG_S, 0.0),
        (FACTORY_WATCHDOG_S, made.units[1].p_max_mw),  # this load cannot be at 0
    ]
    made.arm(0, watchdog_s=4.0, fallback_mw=0.25)
    made.disarm(0)
    assert made.watchdog(0) == (FACTORY_WATCHDOG_S, 0.0)


def test_each_setpoint_feeds_the_watchdog_and_arming_changes_it():
    made = plant(unit("sunspec_battery"))
    made.arm(0, watchdog_s=2.0, fallback_mw=-0.5)
    for k in range(5):
        made.order(0, 1.0, 1000.0 + k)
        run(made, 1.0)
    assert made.p_mw[0] == pytest.approx(1.0)
    assert made.watchdog_left_s(0, 1005.0) == pytest.approx(1.0)
    assert run(made, 2.0)[0] == pytest.approx(-0.5)
    assert made.watchdog_left_s(0, 1007.0) == 0.0


def test_a_released_unit_keeps_its_own_schedule_for_ever():
    made = plant(unit("modbus_ev_hub"))
    made.order(0, -1.0, 1000.0)
    run(made, 1.0)
    made.release(0, made.now_s)
    assert run(made, 30.0)[0] == pytest.approx(-0.5)
    assert made.state[0] == UnitState.AUTONOMOUS


def test_orders_beyond_what_a_unit_can_are_not_followed():
    made = plant(unit("modbus_hvac"), unit("dnp3_industrial", 1), unit("sunspec_pv", 2))
    for i in range(3):
        made.order(i, 1.0, 1000.0)
    assert run(made, 1.0).tolist() == pytest.approx([-0.08, -0.24, 0.91])


def test_instants_stay_on_the_grid():
    made = plant(unit("sunspec_battery"), start_s=12345.678)
    for _ in range(1000):
        made.step()
    steps = made.now_s / STEP_S
    assert abs(steps - round(steps)) < 1e-6
    assert made.now_s == pytest.approx(12445.7)


def test_restored_units_go_on_from_where_they_were():
    made = plant(unit("sunspec_battery"), unit("modbus_ev_hub", 1))
    made.restore(np.array([0.7, -0.2]), np.array([0.33, np.nan]))
    assert made.soc_pu[0] == 0.33
    assert run(made, 5.0).tolist() == pytest.approx([0.7, -0.2])
    assert made.soc_pu[0] < 0.33


def mixed(seed=1, **changes):
    makers = ("sunspec_battery", "modbus_ev_hub", "modbus_hvac", "dnp3_industrial", "sunspec_pv")
    units = [unit(maker, k, cloud_cover_pu=0.3, cloud_depth_pu=0.5, cloud_shadow_s=5.0, **changes)
             for k, maker in enumerate(makers)]  # fmt: skip
    return Plant(units, STEP_S, 1000.0, seed)


TRUTHS = {
    "soc_pu": [0], "temperature_c": [0], "room_k": [2], "comfort_k": [2], "owed_mwh": [1],
    "departure_missed_mwh": [1],
}  # fmt: skip


def test_what_does_not_apply_is_nan():
    made = mixed()
    run(made, 2.0)
    for name, owners in TRUTHS.items():
        assert np.flatnonzero(np.isfinite(getattr(made, name))).tolist() == owners
    for name in ("p_mw", "low_mw", "high_mw"):
        assert np.isfinite(getattr(made, name)).all()
    assert made.owed_mwh[1] > 0.2
    assert made.temperature_c[0] == pytest.approx(25.0, abs=0.1)


def states(made):
    return np.stack([getattr(made, name) for name in ("p_mw", "low_mw", "high_mw", *TRUTHS)])


def test_the_seed_decides_all():
    rows = []
    for seed in (1, 1, 2):
        made = mixed(seed)
        for k in range(5):
            made.order(k, -0.3, 1000.0)
        run(made, 60.0)
        rows.append(states(made))
    assert rows[0].tobytes() == rows[1].tobytes()
    assert rows[0].tobytes() != rows[2].tobytes()


def test_a_unit_does_not_depend_on_who_stands_beside_it():
    together = mixed()
    alone = Plant([together.units[1]], STEP_S, 1000.0, 1)
    for made, i in ((together, 1), (alone, 0)):
        made.order(i, -0.8, 1000.0)
        run(made, 60.0)
    assert alone.owed_mwh[0] == together.owed_mwh[1]
    assert alone.p_mw[0] == together.p_mw[1]


def test_held_units_obey_again_when_they_are_let_go():
    made = plant(unit("sunspec_battery"), unit("modbus_ev_hub", 1))
    made.hold(0, 0.4)
    made.hold(1, 0.0)
    for i in range(2):
        made.order(i, -1.0, 1000.0)
    assert run(made, 5.0).tolist() == [0.4, 0.0]
    made.hold(0, None)
    made.hold(1, None)
    assert run(made, 1.0).tolist() == pytest.approx([-1.0, -1.0])
