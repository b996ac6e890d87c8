"""The bench's own droop: its corners, and that it says what the daemon's core says."""

import dataclasses

import numpy as np
import pytest
from builders import image, params
from hypothesis import given
from hypothesis import strategies as st

from hil.measure.droop import asked_mw
from hil.scenario import PlantDroopConfig
from vppd.core.request import droop_mw
from vppd.core.types import Quality

FCR = PlantDroopConfig(droop_pu=0.004, power_mw=10.0, deadband_hz=0.0)


@pytest.mark.parametrize(
    ("freq_hz", "expected_mw"),
    [(50.0, 0.0), (49.9, 5.0), (49.8, 10.0), (48.0, 10.0), (50.05, -2.5), (51.0, -10.0)],
)
def test_fcr_of_continental_europe(freq_hz, expected_mw):
    assert asked_mw(freq_hz, FCR, 50.0) == pytest.approx(expected_mw)


def test_the_dead_band_shifts_both_arms():
    wide = dataclasses.replace(FCR, deadband_hz=0.036)
    assert asked_mw(np.array([50.0, 50.036, 49.964, 49.864, 50.236]), wide, 50.0) == pytest.approx(
        [0.0, 0.0, 0.0, 5.0, -10.0]
    )


def test_no_frequency_asks_for_nothing():
    assert asked_mw(np.array([np.nan, 49.0]), FCR, 50.0).tolist() == [0.0, 10.0]


@given(
    freq_hz=st.floats(40.0, 70.0),
    droop_pu=st.floats(1e-4, 0.2),
    deadband_hz=st.floats(0.0, 1.0),
    nominal_hz=st.sampled_from([50.0, 60.0]),
)
def test_daemon_and_bench_ask_for_the_same(freq_hz, droop_pu, deadband_hz, nominal_hz):
    """Two formulas, typed apart."""
    theirs = params(
        1, droop_enabled=True, droop_pu=droop_pu, droop_power_mw=30.0,
        droop_deadband_hz=deadband_hz, freq_nominal_hz=nominal_hz,
    )  # fmt: skip
    seen = dataclasses.replace(
        image(1), freq_hz=freq_hz, freq_received_s=image(1).now_s, freq_quality=Quality.ONLINE
    )
    ours = PlantDroopConfig(droop_pu, 30.0, deadband_hz)
    assert asked_mw(freq_hz, ours, nominal_hz) == pytest.approx(droop_mw(seen, theirs), abs=1e-9)
