"""Links, devices and signals of a configuration, put together: live, and as a shadow."""

import random

import pytest

from vppd.config.load import parse_config
from vppd.links.mqtt import MqttLink
from vppd.runtime.plant import build_plant
from vppd.runtime.registry import installed

CONFIG = """\
site: {name: test, state_dir: state}
links:
  - {id: broker, type: mqtt, client_id: plant-7}
  - {id: bus, type: modbus_tcp}
  - {id: smelter, type: dnp3_tcp}
fleet:
  - id: depot-1
    kind: ev_hub
    device: {driver: mqtt_load, link: broker, prefix: ev/depot-1}
    p_min_mw: -0.4
    p_max_mw: 0.0
    ramp_up_mw_per_s: 0.1
    ramp_down_mw_per_s: 0.1
  - id: ev-1
    kind: ev_hub
    device: {driver: modbus_load, link: bus, table: ev_hub}
    p_min_mw: -0.4
    p_max_mw: 0.0
    ramp_up_mw_per_s: 0.1
    ramp_down_mw_per_s: 0.1
  - id: smelter-1
    kind: industrial
    device: {driver: dnp3_load, link: smelter}
    p_min_mw: -4.0
    p_max_mw: 0.0
    ramp_up_mw_per_s: 0.1
    ramp_down_mw_per_s: 0.1
signals:
  - {id: aggregator, type: mqtt, link: broker}
plan: {regulation_capacity_up_mw: 0.0, regulation_capacity_down_mw: 1.0}
"""


@pytest.mark.parametrize("shadow", [False, True])
def test_every_link_is_told_whether_it_is_a_shadow_s(shadow, tmp_path):
    config = parse_config(CONFIG, "f", installed())
    plants = [
        build_plant(
            config,
            tmp_path,
            clock=lambda: 0.0,
            utc=lambda: 0.0,
            rng=random.Random(1),
            shadow=shadow,
        )
        for _ in range(2)
    ]
    links = [plant.links["broker"] for plant in plants]
    assert all(isinstance(link, MqttLink) for link in links)
    ids = [link.client_id for link in links]
    if shadow:
        assert ids[0] != ids[1]  # two shadows do not throw each other out either
        assert all(name.startswith("plant-7-shadow-") for name in ids)
    else:
        assert ids == ["plant-7", "plant-7"]
