"""What kinds of links, devices and signals there are: the ones built in, and third parties' ones.

A kind is a record of the configuration and the function that makes the running thing of it.
Third parties add theirs by entry points in the groups `vppd.links`, `vppd.devices` and
`vppd.signals`, each naming a `Kind`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from vppd.config.schema import DeviceConfig, LinkConfig, Registry, SignalConfig
from vppd.devices import battery, dnp3_load, modbus_load, mqtt_load, pv
from vppd.links import dnp3, modbus, mqtt
from vppd.ops.alarms.catalogue import CATALOGUE
from vppd.signals import dnp3_outstation, mqtt_agc, replay


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its record, and what makes it.

    `create` is called for a link as `create(config, rng=, clock=, base_dir=, shadow=)` (a shadow
    sends nothing that others act on, and takes nobody's place), for a device as
    `create(config, unit, link, clock, utc=, base_dir=)`, for a signal as
    `create(config, clock=, utc=, links=, base_dir=)`. `clock` and `utc` are the monotonic and the
    wall clock, s: no other ones are to be used, lest it be wrong in virtual time.
    """

    config: type[Any]
    create: Callable[..., Any]


def _dnp3_link(
    config: dnp3.Dnp3TcpConfig,
    *,
    rng: random.Random,
    clock: Callable[[], float],
    base_dir: Path,
    shadow: bool,  # noqa: ARG001 - its user writes nothing: reads are all that it sends
) -> dnp3.Dnp3Link:
    return dnp3.Dnp3Link(config, rng, clock=clock, base_dir=base_dir)


def _modbus_link(
    config: modbus.ModbusTcpConfig,
    *,
    rng: random.Random,
    clock: Callable[[], float],
    base_dir: Path,
    shadow: bool,  # noqa: ARG001 - its user writes nothing: reads are all that it sends
) -> modbus.ModbusTcpLink:
    return modbus.ModbusTcpLink(config, rng, clock=clock, base_dir=base_dir)


def _mqtt_link(
    config: mqtt.MqttConfig,
    *,
    rng: random.Random,
    clock: Callable[[], float],
    base_dir: Path,
    shadow: bool,
) -> mqtt.MqttLink:
    return mqtt.MqttLink(config, rng, clock=clock, base_dir=base_dir, shadow=shadow)


BUILT_IN = {
    "vppd.links": (
        Kind(modbus.ModbusTcpConfig, _modbus_link),
        Kind(dnp3.Dnp3TcpConfig, _dnp3_link),
        Kind(mqtt.MqttConfig, _mqtt_link),
    ),
    "vppd.devices": (
        Kind(battery.SunspecBatteryConfig, battery.create),
        Kind(pv.SunspecPvConfig, pv.create),
        Kind(modbus_load.ModbusLoadConfig, modbus_load.create),
        Kind(dnp3_load.Dnp3LoadConfig, dnp3_load.create),
        Kind(mqtt_load.MqttLoadConfig, mqtt_load.create),
    ),
    "vppd.signals": (
        Kind(dnp3_outstation.Dnp3OutstationConfig, dnp3_outstation.create),
        Kind(mqtt_agc.MqttSignalConfig, mqtt_agc.create),
        Kind(replay.ReplayConfig, replay.create),
    ),
}
NAME_OF = {"vppd.links": "TYPE", "vppd.devices": "DRIVER", "vppd.signals": "TYPE"}


@cache
def kinds(group: str) -> dict[str, Kind]:
    """Every kind of a group by the name that the file calls it. Raises ValueError: a name twice."""
    found: dict[str, Kind] = {}
    third_parties = [entry.load() for entry in entry_points(group=group)]
    for kind in (*BUILT_IN[group], *third_parties):
        name = getattr(kind.config, NAME_OF[group])
        if name in found:
            raise ValueError(f"{group}: {name!r} is given by two packages")
        found[name] = kind
    return found


def installed() -> Registry:
    """Return the records of everything that is installed, for the loader of the configuration."""
    links: dict[str, type[LinkConfig]] = _records("vppd.links")
    devices: dict[str, type[DeviceConfig]] = _records("vppd.devices")
    signals: dict[str, type[SignalConfig]] = _records("vppd.signals")
    alarms = {kind.name: kind.shelve_max_s > 0.0 for kind in CATALOGUE}
    return Registry(links=links, devices=devices, signals=signals, alarms=alarms)


def _records(group: str) -> dict[str, type[Any]]:
    return {name: kind.config for name, kind in kinds(group).items()}
