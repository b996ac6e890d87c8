"""The configuration as arrays."""

import dataclasses

import numpy as np
import pytest
from config_stubs import GOOD, REGISTRY

from vppd.config.load import parse_config
from vppd.config.params import basepoints_mw, build_params, steps_per_mw
from vppd.core.types import Params, Policy

CONFIG = parse_config(
    GOOD + "policy: {allocation: pro_rata}\nguards: {hold_s: 12.0}\n", "f", REGISTRY
)


def test_arrays_are_in_the_order_of_the_fleet():
    params = build_params(CONFIG)
    assert params.ids == ("b1", "b2", "h1")
    assert params.kinds == ("battery", "battery", "hvac")
    assert params.p_max_mw.tolist() == [5.0, 4.0, 0.0]
    assert params.p_min_mw.tolist() == [-5.0, -5.0, -2.0]
    assert params.ramp_up_mw_per_s.tolist() == [5.0, 5.0, 0.1]
    assert params.ramp_down_mw_per_s.tolist() == [5.0, 5.0, 0.2]
    assert (params.policy, params.hold_s) == (Policy.PRO_RATA, 12.0)


def test_defaults_that_depend_on_the_unit():
    params = build_params(CONFIG)
    assert basepoints_mw(CONFIG).tolist() == [0.0, 0.0, -1.0]
    assert params.fallback_mw.tolist() == [0.0, 0.0, -0.5]
    assert params.safe_mw.tolist() == [0.0, 0.0, -1.5]
    plain = dataclasses.replace(CONFIG.fleet[2], fallback_mw=None, stop_mw=None)
    params = build_params(dataclasses.replace(CONFIG, fleet=(plain,)))
    assert (params.fallback_mw.tolist(), params.safe_mw.tolist()) == ([-1.0], [-1.0])


def test_a_unit_without_a_store_has_no_energy_not_zero():
    energy_mwh = build_params(CONFIG).energy_mwh
    assert energy_mwh[:2].tolist() == [10.0, 10.0]
    assert np.isnan(energy_mwh[2])


def test_droop_is_off_or_as_configured():
    params = build_params(CONFIG)
    assert (params.droop_enabled, params.droop_power_mw) == (False, 0.0)
    config = parse_config(
        GOOD.replace(
            "  - {id: tso, type: dnp3_outstation, port: 20000}\n",
            "  - {id: tso, type: mqtt, link: broker, agc_topic: a, frequency_topic: f}\n",
        )
        + "droop: {droop_pu: 0.04, power_mw: 5.0, deadband_hz: 0.02, freq_nominal_hz: 60.0}\n",
        "f",
        REGISTRY,
    )
    params = build_params(config)
    assert params.droop_enabled
    assert (params.droop_pu, params.droop_power_mw) == (0.04, 5.0)
    assert (params.droop_deadband_hz, params.freq_nominal_hz) == (0.02, 60.0)


def test_every_array_is_float64_read_only_and_of_one_length():
    params = build_params(CONFIG)
    arrays = [basepoints_mw(CONFIG)]
    arrays += [
        a
        for f in dataclasses.fields(Params)
        if hasattr(a := getattr(params, f.name), "flags") and "group" not in f.name
    ]
    assert len(arrays) == 28
    for array in arrays:
        assert (array.dtype, array.shape) == (np.float64, (3,))
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


@pytest.mark.parametrize(
    ("range_mw", "resolution_mw", "steps"),
    [
        (8.366, 0.0, 1e4), (2.0, 0.0, 1e4), (1.999, 0.0, 1e4), (0.328, 0.0, 1e4), (0.007, 0.0, 1e6),
        (300.0, 0.0, 1e4), (0.0, 0.0, 1e9),
        (8.366, 0.1, 1e4), (8.366, 0.025, 1e4), (8.366, 0.00025, 1e5), (8.366, 1.0 / 3.0, 0.0),
    ],
)  # fmt: skip
def test_the_grid_of_a_unit_is_a_power_of_ten_fine_enough_for_it(range_mw, resolution_mw, steps):
    assert steps_per_mw(range_mw, resolution_mw) == steps
