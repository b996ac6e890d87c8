"""Rooms of two heat capacities, and machines with minimum times."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plant_bench import DT_S, Drive, law
from scipy.linalg import expm
from small_bench import unit

from hil.fleet import ROOM_GAIN_K
from hil.plant import hvac
from hil.plant.hvac import AIR_SHARE, COUPLING, Rooms, transition
from hil.plant.machines import LONG_AGO_S

TAU_S = 3600.0


def made(**changes: object) -> Drive:
    return Drive(
        [unit("modbus_hvac", **changes)],
        lambda units, index, body: Rooms(units, index, body, DT_S),
    )


def heat_flow(tau_s: float) -> np.ndarray:
    """Matrix of d(air, mass)/dt without input, from the two balances of heat."""
    air, mass = AIR_SHARE * tau_s, (1.0 - AIR_SHARE) * tau_s
    return np.array(
        [[-(1.0 + COUPLING) / air, COUPLING / air], [COUPLING / mass, -COUPLING / mass]]
    )


def test_a_step_is_the_exponential_of_the_matrix():
    for tau_s in (600.0, TAU_S, 30000.0):
        found = transition(np.array([tau_s]), DT_S)[:, 0].reshape(2, 2)
        assert found == pytest.approx(expm(heat_flow(tau_s) * DT_S), rel=1e-10)


def test_the_room_has_the_two_time_constants_of_its_capacities():
    many = np.linalg.matrix_power(transition(np.array([TAU_S]), DT_S)[:, 0].reshape(2, 2), 1000)
    found = np.sort(np.log(np.linalg.eigvals(many)) / (1000 * DT_S))
    a, m = AIR_SHARE * TAU_S, (1.0 - AIR_SHARE) * TAU_S
    total = (1.0 + COUPLING) / a + COUPLING / m  # minus the trace; the determinant is H U / C C
    root = np.sqrt(total**2 - 4.0 * COUPLING / (a * m))
    assert found == pytest.approx([-0.5 * (total + root), -0.5 * (total - root)], rel=1e-9)


def test_air_and_mass_warm_up_when_cooling_is_cut():
    drive = made(comfort_k=50.0, basepoint_mw=-0.5)
    drive.body["ordered_mw"] = drive.body["reference_mw"] = drive.body["p_mw"] = -0.1
    drive.run(600.0, -0.1)
    settled_k = ROOM_GAIN_K * 0.4
    expected = settled_k * (1.0 - expm(heat_flow(TAU_S) * 600.0) @ np.ones(2))
    assert drive.body["room_k"][0] == pytest.approx(expected[0], rel=1e-9)
    assert drive.kind._own["mass_k"][0] == pytest.approx(expected[1], rel=1e-9)
    assert expected[0] > expected[1] + 0.5


def test_freedom_ends_towards_the_edge_of_comfort():
    freedom = law(hvac.freedom)
    assert [freedom(x, 2.0) for x in (-2.0, 1.6, 1.8, 2.0, 3.0)] == pytest.approx(
        [1.0, 1.0, 0.5, 0.0, 0.0]
    )


@given(st.lists(st.sampled_from([-0.92, -0.5, -0.08]), min_size=1, max_size=8))
@settings(max_examples=6)
def test_comfort_is_kept_against_any_order(orders):
    drive = made(ramp_mw_per_s=0.02, lag_true_s=25.0)
    for p_mw in orders:
        drive.run(2.0 * TAU_S / len(orders), p_mw)
        assert abs(drive.body["room_k"][0]) <= drive.body["comfort_k"][0]


def test_the_edge_is_reached_and_held():
    drive = made(ramp_mw_per_s=0.02, lag_true_s=25.0)
    drive.run(2.0 * TAU_S, -0.08)
    assert 1.6 < drive.body["room_k"][0] <= 2.0
    assert drive.body["high_mw"][0] < -0.3  # little freedom is left
    assert drive.body["low_mw"][0] == pytest.approx(-0.92)
    assert drive.body["p_mw"][0] == pytest.approx(drive.body["high_mw"][0], abs=1e-3)


def test_a_room_that_starts_warm_has_less_freedom():
    drive = made(room_start_k=1.8)
    drive.run(0.1, -0.5)
    assert drive.body["room_k"][0] == pytest.approx(1.8, abs=1e-3)
    assert drive.body["high_mw"][0] == pytest.approx(-0.29, abs=1e-3)


class Watch:
    """Times of each stage, as they were."""

    def __init__(self, drive: Drive) -> None:
        self.machines = drive.kind.machines
        self.running = self._now()
        self.changed_s = np.full(self.running.shape, LONG_AGO_S)
        self.started_s = self.changed_s.copy()

    def _now(self) -> np.ndarray:
        return np.array(self.machines.started_s > self.machines.stopped_s)

    def check(self, now_s: float, one) -> int:
        """Number of stages that changed; their times must have been kept."""
        running = self._now()
        changed = running != self.running
        for k, s in np.argwhere(changed).tolist():
            least_s = one.min_on_s if self.running[k, s] else one.min_off_s
            assert now_s - self.changed_s[k, s] >= least_s - 1e-6
            if running[k, s]:
                assert now_s - self.started_s[k, s] >= one.lockout_s - 1e-6
                self.started_s[k, s] = now_s
            self.changed_s[k, s] = now_s
        self.running = running
        return int(changed.sum())


@pytest.mark.parametrize("maker", ["modbus_hvac", "dnp3_industrial"])
@given(
    orders=st.lists(st.floats(-1.0, 0.0), min_size=5, max_size=25),
    on_s=st.floats(0.0, 300.0), off_s=st.floats(0.0, 300.0), lockout_s=st.floats(0.0, 600.0),
)  # fmt: skip
@settings(max_examples=12)
def test_no_order_breaks_the_times_of_a_machine(maker, orders, on_s, off_s, lockout_s):
    from test_hil_plant_industrial import industrial

    changes = {"min_on_s": on_s, "min_off_s": off_s, "lockout_s": lockout_s, "comfort_k": 50.0,
               "ramp_mw_per_s": 0.02, "lag_true_s": 10.0}  # fmt: skip
    drive = made(**changes) if maker == "modbus_hvac" else industrial(**changes)
    watch, one = Watch(drive), unit(maker, **changes)
    site = drive.kind.machines.sites[0]
    for p_mw in orders:
        drive.body["mean_mw"] = p_mw
        for _ in range(600):
            drive.step()
            watch.check(drive.now_s, one)
            # what runs can give what is drawn, and the unit says what it can reach
            load_mw, running = -drive.body["p_mw"][0], watch.running.sum()
            least_mw = site["least_mw"] + running * site["stage_mw"]
            assert least_mw - 2e-3 <= load_mw <= least_mw + site["span_mw"] + 2e-3
            assert drive.body["low_mw"][0] <= drive.body["high_mw"][0]
            assert drive.body["low_mw"][0] - 2e-3 <= -load_mw <= drive.body["high_mw"][0] + 2e-3


def test_stages_start_and_stop_as_the_load_passes():
    drive = made(ramp_mw_per_s=0.02, lag_true_s=10.0, comfort_k=50.0)
    watch, one = Watch(drive), unit("modbus_hvac")
    assert watch.running.sum() == 1
    changes = 0
    drive.body["mean_mw"] = -0.92
    for _ in range(1200):
        drive.step()
        changes += watch.check(drive.now_s, one)
    assert (changes, watch.running.sum()) == (1, 2)
    assert drive.body["p_mw"][0] == pytest.approx(-0.92, abs=1e-3)
    assert drive.body["high_mw"][0] == pytest.approx(-0.248)  # the new stage must go on
    drive.run(180.0, -0.92)
    assert drive.body["high_mw"][0] == pytest.approx(-0.08)
    drive.run(90.0, -0.08)
    watch.running = watch._now()
    assert watch.running.sum() == 0
    assert drive.body["p_mw"][0] == pytest.approx(-0.08, abs=1e-2)
    assert drive.body["low_mw"][0] == pytest.approx(-0.584)  # both stages must rest
    drive.run(180.0, -0.08)
    assert drive.body["low_mw"][0] == pytest.approx(-0.92)
