"""Many depots on one MQTT connection: `python cheap_depots.py FLEET.json K`.

They stand for `hil.wire` where a fleet of simulated devices would leave no core for the daemon:
each is where it was told at once, acknowledges, and tells so every `TELEMETRY_S`. The driver, its
messages and the broker are the real ones.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from gmqtt import Client

from hil.fleet import Unit, read
from hil.priority import raise_priority

TELEMETRY_S = 10.0
SLICES = 100  # of the depots, one after the other


class Depots:
    """All of them."""

    def __init__(self, units: list[Unit]) -> None:
        self.units = {f"ev/{unit.id}": unit for unit in units}
        self.load_kw = {name: -1000.0 * unit.basepoint_mw for name, unit in self.units.items()}
        self.following: set[str] = set()
        self.client = Client("depots", clean_session=True, receive_maximum=65535)
        self.client.on_message = self._told

    async def open(self, port: int) -> None:
        """Connect, and say what each is. Raises OSError."""
        await self.client.connect("127.0.0.1", port, keepalive=60)
        self.client.subscribe("ev/+/set", qos=0)
        self.client.subscribe("ev/+/mode", qos=0)
        for k, (name, unit) in enumerate(self.units.items()):
            about = {
                "maker": "D", "rated_kw": 1000.0 * unit.rated_mw, "watchdog_s": unit.watchdog_s,
                "fallback_kw": -1000.0 * unit.fallback_mw,
            }  # fmt: skip
            self.client.publish(f"{name}/config", json.dumps(about), qos=0, retain=True)
            self.client.publish(f"{name}/state", "online", qos=0, retain=True)
            if k % 200 == 0:
                await asyncio.sleep(0.01)

    async def tell(self) -> None:
        """Send telemetry for ever, a slice of the depots at a time."""
        names = list(self.units)
        while True:
            for k in range(SLICES):
                for name in names[k::SLICES]:
                    self._report(name)
                await asyncio.sleep(TELEMETRY_S / SLICES)

    def _report(self, name: str) -> None:
        unit = self.units[name]
        load_kw = self.load_kw[name]
        message = {
            "p_kw": round(load_kw, 3), "min_kw": -1000.0 * unit.p_max_mw,
            "max_kw": -1000.0 * unit.p_min_mw, "remote": True,
            "mode": "follow" if name in self.following else "autonomous",
            "watchdog_s": unit.watchdog_s, "fallback_kw": -1000.0 * unit.fallback_mw,
            "t": round(time.time(), 3),
        }  # fmt: skip
        self.client.publish(f"{name}/telemetry", json.dumps(message), qos=0)

    def _told(self, _: Client, topic: str, payload: bytes, __: int, ___: dict[str, Any]) -> int:
        name, _, what = topic.rpartition("/")
        order = json.loads(payload)
        if what == "set":
            self.load_kw[name] = float(order["p_kw"])
        else:
            self.following.add(name)
        self.client.publish(f"{name}/ack", json.dumps({"seq": order["seq"], "ok": True}), qos=0)
        return 0

    async def say(self) -> None:
        """Tell the rig once a second how many follow."""
        while True:
            print(json.dumps({"following": len(self.following), "p_mw": 0.0}), flush=True)
            await asyncio.sleep(1.0)


async def main(path: Path, process: int) -> None:
    """Serve until told to end."""
    raise_priority()
    fleet = read(path)
    depots = Depots([unit for unit in fleet.units if unit.process == process])
    await depots.open(fleet.broker_port)
    print(json.dumps({"ready": True}), flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    tasks = [asyncio.create_task(depots.tell()), asyncio.create_task(depots.say())]
    await ended.wait()
    for task in tasks:
        task.cancel()
    await depots.client.disconnect()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
