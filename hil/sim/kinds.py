"""The daemon's links in memory: made in place of the real ones, from the same configuration."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hil.sim.broker import Broker, BrokerWire
from hil.sim.outstation import MemoryOutstation, MemoryPointLink
from hil.sim.station import Station, StationClient
from hil.sim.wire import Plug
from vppd.links.dnp3 import Dnp3TcpConfig
from vppd.links.modbus import ModbusTcpConfig, ModbusTcpLink
from vppd.links.mqtt import MqttConfig, MqttLink
from vppd.runtime.registry import Kind


def memory_links(plugs: Mapping[int, Plug], broker: Broker) -> dict[str, Kind]:
    """Kinds of links that lead to the simulated units; `plugs` by port."""

    def modbus(
        config: ModbusTcpConfig, *, rng: random.Random, clock: Callable[[], float], **_: Any
    ) -> ModbusTcpLink:
        station = plugs[config.port]
        assert isinstance(station, Station)  # noqa: S101  (the bench wrote the configuration)

        def client(
            _host: str, _port: int, timeout_s: float, on_lost: Callable[[str], None]
        ) -> StationClient:
            return StationClient(station, timeout_s, on_lost)

        return ModbusTcpLink(config, rng, clock=clock, client=client)

    def dnp3(
        config: Dnp3TcpConfig, *, rng: random.Random, clock: Callable[[], float], **_: Any
    ) -> MemoryPointLink:
        outstation = plugs[config.port]
        assert isinstance(outstation, MemoryOutstation)  # noqa: S101  (as above)
        return MemoryPointLink(config, rng, outstation, clock)

    def mqtt(
        config: MqttConfig,
        *,
        rng: random.Random,
        clock: Callable[[], float],
        base_dir: Path,
        shadow: bool,
    ) -> MqttLink:
        def wire(_credentials: object, *args: Any) -> BrokerWire:
            return BrokerWire(broker, *args)

        return MqttLink(config, rng, clock=clock, base_dir=base_dir, shadow=shadow, wire=wire)

    return {
        ModbusTcpConfig.TYPE: Kind(ModbusTcpConfig, modbus),
        Dnp3TcpConfig.TYPE: Kind(Dnp3TcpConfig, dnp3),
        MqttConfig.TYPE: Kind(MqttConfig, mqtt),
    }
