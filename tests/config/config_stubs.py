"""A registry of drivers that exist only here, and a configuration that uses them.

They have the names and the main keys of the real ones, so that the files in `testdata/config`
read like real files; nothing of the real drivers is imported.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import ClassVar

from vppd.config.fields import about, number, text
from vppd.config.schema import DeviceConfig, LinkConfig, Registry, SignalConfig, UnitConfig


@dataclass(frozen=True, slots=True)
class ModbusLink(LinkConfig):
    """A link with two required keys."""

    TYPE: ClassVar[str] = "modbus_tcp"

    host: str = field(metadata=text("address of the peer"))
    port: int = field(metadata=number("", "TCP port", minimum=1.0, maximum=65535.0))
    timeout_s: float = field(default=0.5, metadata=number("s", "deadline", above=0.0, below=60.0))


@dataclass(frozen=True, slots=True)
class MqttLink(LinkConfig):
    """A link with defaults only."""

    TYPE: ClassVar[str] = "mqtt"

    host: str = field(default="127.0.0.1", metadata=text("address of the broker"))
    gains: tuple[float, ...] = field(
        default=(1.0,), metadata=number("pu", "a list of numbers", minimum=-2.0, maximum=2.0)
    )


@dataclass(frozen=True, slots=True)
class BatteryDevice(DeviceConfig):
    """A device with an address."""

    DRIVER: ClassVar[str] = "sunspec_battery"
    LINK_TYPES: ClassVar[tuple[str, ...]] = ("modbus_tcp",)

    unit_id: int = field(metadata=number("", "Modbus address", minimum=0.0, maximum=247.0))
    inverted: bool = field(default=False, metadata=about("a flag"))
    note: str = field(default="", metadata=text("a text that may be empty"))

    def address_key(self) -> Hashable:
        return self.unit_id


@dataclass(frozen=True, slots=True)
class LoadDevice(DeviceConfig):
    """A device that says nothing about its address."""

    DRIVER: ClassVar[str] = "mqtt_load"
    LINK_TYPES: ClassVar[tuple[str, ...]] = ("mqtt", "modbus_tcp")

    prefix: str = field(default="site", metadata=text("beginning of its topics"))

    def unit_checks(self, unit: UnitConfig) -> list[tuple[str, str]]:
        whole = unit.watchdog_s == int(unit.watchdog_s)
        return [] if whole else [("watchdog_s", f"must be whole for {self.prefix}")]


@dataclass(frozen=True, slots=True)
class OutstationSignal(SignalConfig):
    """A signal with sockets of its own."""

    TYPE: ClassVar[str] = "dnp3_outstation"

    port: int = field(metadata=number("", "TCP port", minimum=1.0, maximum=65535.0))
    allowed_peers: tuple[str, ...] = field(default=(), metadata=text("who may speak"))
    unit: str = field(default="pu", metadata=text("unit of the value", "pu", "mw"))

    def listens_on(self) -> tuple[str, int] | None:
        return "0.0.0.0", self.port  # noqa: S104 - nothing is bound


@dataclass(frozen=True, slots=True)
class MqttSignal(SignalConfig):
    """A signal over a link."""

    TYPE: ClassVar[str] = "mqtt"
    LINK_TYPES: ClassVar[tuple[str, ...]] = ("mqtt",)

    link: str = field(metadata=text("id of its link"))
    agc_topic: str | None = field(default=None, metadata=text("where AGC comes"))
    frequency_topic: str | None = field(default=None, metadata=text("where the frequency comes"))

    def brings(self) -> tuple[str, ...]:
        given = (("agc", self.agc_topic), ("frequency", self.frequency_topic))
        return tuple(name for name, topic in given if topic is not None)


REGISTRY = Registry(
    links={"modbus_tcp": ModbusLink, "mqtt": MqttLink},
    devices={"sunspec_battery": BatteryDevice, "mqtt_load": LoadDevice},
    signals={"dnp3_outstation": OutstationSignal, "mqtt": MqttSignal},
    alarms={"agc_lost": True, "tick_late": True, "plant_safe": False},
)

GOOD = """\
templates:
  battery: &battery
    kind: battery
    p_min_mw: -5.0
    p_max_mw: 5.0
    ramp_up_mw_per_s: 5.0
    ramp_down_mw_per_s: 5.0
    energy_mwh: 10.0
site:
  name: test
  state_dir: state
links:
  - {id: plant, type: modbus_tcp, host: 127.0.0.1, port: 502}
  - {id: broker, type: mqtt}
fleet:
  - <<: *battery
    id: b1
    device: {driver: sunspec_battery, link: plant, unit_id: 1}
  - <<: *battery
    id: b2
    device: {driver: sunspec_battery, link: plant, unit_id: 2}
    p_max_mw: 4.0
  - id: h1
    kind: hvac
    device: {driver: mqtt_load, link: broker}
    p_min_mw: -2.0
    p_max_mw: 0.0
    ramp_up_mw_per_s: 0.1
    ramp_down_mw_per_s: 0.2
    basepoint_mw: -1.0
    fallback_mw: -0.5
    stop_mw: -1.5
signals:
  - {id: tso, type: dnp3_outstation, port: 20000}
plan:
  regulation_capacity_up_mw: 10.0
  regulation_capacity_down_mw: 11.0
"""
