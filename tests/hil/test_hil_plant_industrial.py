"""Industrial loads: batches that hold their load (machines: test_hil_plant_hvac.py)."""

import pytest
from plant_bench import DT_S, Drive, law
from small_bench import unit

from hil.plant import industrial as model
from hil.plant.industrial import NOTICE_S, Processes

grip = law(model.grip)


def industrial(**changes: object) -> Drive:
    return Drive(
        [unit("dnp3_industrial", **changes)],
        lambda units, index, body: Processes(units, index, body, 0.0),
    )


def test_a_continuous_process_keeps_its_whole_range():
    drive = industrial()
    drive.run(30.0, -0.6)
    assert drive.body["low_mw"][0] == pytest.approx(-0.96)
    assert drive.body["high_mw"][0] == pytest.approx(-0.24)
    assert drive.body["p_mw"][0] == pytest.approx(-0.6)


@pytest.mark.parametrize(
    ("at_s", "held"),
    [
        (0.0, 1.0),
        (200.0, 1.0),
        (230.0, 0.5),
        (260.0, 0.0),
        (500.0, 0.0),
        (940.0, 0.0),
        (970.0, 0.5),
    ],
)
def test_a_batch_takes_hold_and_lets_go_in_a_straight_line(at_s, held):
    assert grip(at_s, 200.0, 1000.0) == pytest.approx(held)


def test_a_batch_narrows_the_range_on_its_schedule():
    drive = industrial(
        batch_s=1000.0, batch_hold_s=200.0, batch_free_pu=0.25, batch_phase_s=400.0,
        ramp_mw_per_s=0.01, lag_true_s=20.0,
    )  # fmt: skip
    seen = {}
    for _ in range(10):
        drive.run(100.0, -0.9)
        seen[round(drive.now_s)] = (float(drive.body["low_mw"][0]), float(drive.body["p_mw"][0]))
    assert seen[500][0] == pytest.approx(-0.96)
    assert seen[500][1] == pytest.approx(-0.9, abs=1e-3)
    assert seen[700] == pytest.approx((-0.69, -0.69), abs=2e-3)  # .6 and a quarter of .36
    assert seen[900][0] == pytest.approx(-0.96)
    assert seen[900][1] < -0.8


def test_notice_is_long_enough_for_the_load_to_follow():
    drive = industrial(
        batch_s=1000.0, batch_hold_s=200.0, batch_free_pu=0.0, ramp_mw_per_s=0.01, lag_true_s=40.0,
    )  # fmt: skip
    drive.run(1000.0 - NOTICE_S, -0.96)
    worst_mw = 0.0
    for _ in range(round((NOTICE_S + 200.0) / DT_S)):
        drive.step()
        worst_mw = max(worst_mw, float(drive.body["low_mw"][0] - drive.body["p_mw"][0]))
    assert worst_mw < 0.2
    assert drive.body["p_mw"][0] == pytest.approx(-0.6, abs=5e-3)
