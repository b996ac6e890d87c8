"""How long a fleet takes to load."""

import time

import pytest
from config_stubs import GOOD, REGISTRY

from vppd.config.load import parse_config
from vppd.config.params import build_params

UNIT = """\
  - id: x{i}
    kind: pv
    device: {{driver: mqtt_load, link: broker, prefix: site/x{i}}}
    p_min_mw: 0.0
    p_max_mw: 1.5
    ramp_up_mw_per_s: 0.15
    ramp_down_mw_per_s: 0.15
    basepoint_mw: 1.0
    cost: 2.0
    telemetry_age_max_s: 5.0
    watchdog_s: 10.0
    fallback_mw: 1.0
"""


def loaded():
    units = "".join(UNIT.format(i=i) for i in range(207))
    text = GOOD.replace("signals:\n", units + "signals:\n")
    start_s = time.process_time()
    params = build_params(parse_config(text, "f", REGISTRY))
    return params, time.process_time() - start_s


def test_210_units_load():
    params, _ = loaded()
    assert len(params.ids) == 210


@pytest.mark.accept
def test_210_units_load_within_a_second_of_processor_time():
    assert loaded()[1] < 1.0
