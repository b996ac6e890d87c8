"""A driver over a real link to a real socket, for the tests of the devices."""

import asyncio
import random
import time
from contextlib import asynccontextmanager

from vppd.config.schema import DeviceConfig, UnitConfig
from vppd.links.modbus import ModbusTcpConfig, ModbusTcpLink


def make_unit(device: DeviceConfig, kind: str, **keys) -> UnitConfig:
    """A unit of 4 MW either way, unless told otherwise."""
    limits = {"p_min_mw": -4.0, "p_max_mw": 4.0, "ramp_up_mw_per_s": 9.0, "ramp_down_mw_per_s": 9.0}
    if kind == "battery":
        limits["energy_mwh"] = 8.0
    return UnitConfig(id="u1", kind=kind, device=device, **(limits | keys))


@asynccontextmanager
async def modbus_link(port: int, **keys):
    """A link that is connected."""
    keys = {"timeout_s": 0.5, "backoff_min_s": 0.01, "backoff_max_s": 0.05} | keys
    link = ModbusTcpLink(ModbusTcpConfig(id="link", port=port, **keys), random.Random(1))
    keeper = asyncio.create_task(link.keep())
    await link.wait_connected()
    try:
        yield link
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])


clock = time.monotonic
