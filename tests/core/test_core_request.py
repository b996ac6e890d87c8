"""Request: regulation in force, capacity, droop."""

import pytest
from builders import NAN, image, params

from vppd.core.request import droop_mw, regulation_in_force_pu, regulation_mw
from vppd.core.types import Mode, Quality


@pytest.mark.parametrize(
    ("mode", "expected_pu"),
    [
        (Mode.REGULATING, 0.9),
        (Mode.HOLD, -0.5),
        (Mode.RETURN, -0.3),
        (Mode.BASEPOINT, 0.0),
        (Mode.LOCAL, 0.0),
        (Mode.SAFE, 0.0),
        (Mode.STARTING, 0.0),
    ],
)
def test_regulation_in_force(mode, expected_pu):
    assert regulation_in_force_pu(mode, 0.9, -0.5, 2.0, 0.1) == pytest.approx(expected_pu)


def test_return_ends_at_zero_from_both_sides():
    for last_pu in (0.05, -0.05):
        assert regulation_in_force_pu(Mode.RETURN, 0.9, last_pu, 1.0, 0.1) == 0.0


def test_up_and_down_capacity_may_differ():
    assert regulation_mw(0.5, 30.0, 10.0) == 15.0
    assert regulation_mw(-0.5, 30.0, 10.0) == -5.0


@pytest.mark.parametrize(
    ("freq_hz", "expected_mw"),
    [
        (50.0, 0.0),
        (50.036, 0.0),
        (49.964, 0.0),
        (48.714, 30.0 * 1.25 / 2.5),  # (1.286 - .036) Hz of 5 % x 50 Hz
        (51.286, -30.0 * 1.25 / 2.5),
        (50.536, -30.0 * 0.5 / 2.5),
        (49.464, 30.0 * 0.5 / 2.5),
        (0.5, 30.0),
        (40.0, 30.0),
        (60.0, -30.0),
    ],
)
def test_droop(freq_hz, expected_mw):
    p = params(droop_enabled=True)
    seen = image(freq_hz=freq_hz, freq_received_s=99.0, freq_quality=Quality.ONLINE)
    assert droop_mw(seen, p) == pytest.approx(expected_mw, abs=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"freq_received_s": 96.9},
        {"freq_received_s": NAN},
        {"freq_quality": Quality.COMM_LOST},
        {"freq_hz": NAN},
        {"freq_hz": 0.0},
        {"freq_hz": -50.0},
        {"freq_hz": float("inf")},
    ],
)
def test_a_frequency_that_is_not_known_gives_no_response(changes):
    good = {"freq_hz": 48.0, "freq_received_s": 99.0, "freq_quality": Quality.ONLINE}
    p = params(droop_enabled=True)
    assert droop_mw(image(**good), p) > 0.0
    assert droop_mw(image(**(good | changes)), p) == 0.0
