"""Drivers of SunSpec devices over a real link, for the tests of the devices."""

from device_rigs import clock, make_unit, modbus_link
from helpers import run_async
from modbus_peers import RawPeer, Registers

from vppd.devices import battery, pv


def battery_driver(link, **keys):
    """The driver of a battery of 4 MW either way, unless told otherwise."""
    config_keys = {k: keys.pop(k) for k in tuple(keys) if k.startswith("nameplate")}
    config = battery.SunspecBatteryConfig(link="link", **config_keys)
    return battery.create(config, make_unit(config, "battery", **keys), link, clock)


def pv_driver(link, **keys):
    """The driver of a PV plant of 1.1 MW."""
    config = pv.SunspecPvConfig(link="link")
    limits = {"p_min_mw": 0.0, "p_max_mw": 1.1, "basepoint_mw": 0.55}
    return pv.create(config, make_unit(config, "pv", **(limits | keys)), link, clock)


def run_with(image, make, scenario, **keys):
    """Run `scenario(driver, device, peer)` against a device that has exactly these registers."""

    async def main():
        device = Registers(image)
        async with RawPeer(device) as peer, modbus_link(peer.port) as link:
            await scenario(make(link, **keys), device, peer)

    run_async(main())
