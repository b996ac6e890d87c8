"""EV depot over MQTT 5 (maker D of docs/points.md), a client with a last will. Load positive."""

import asyncio
import json
import math
import random
import time
from collections.abc import Callable
from typing import Any

from gmqtt import Client, Message

from hil.fleet import Unit
from hil.recording import LinkChange
from hil.wire.device import Device, Fate
from hil.wire.line import Line

TELEMETRY_S = 1.0
KEEP_ALIVE_S = 10
ENCODE = json.JSONEncoder(check_circular=False).encode  # as `json.dumps`, of what is flat
WITH_WILL = 0x04  # reason code: end the connection and publish the last will


def prefix(unit: Unit) -> str:
    """Topic prefix of a unit."""
    return f"ev/{unit.id}"


def garbled(item: tuple[str, bytes], rng: random.Random) -> tuple[str, bytes]:
    """Spoil a message: its end is missing."""
    topic, payload = item
    return topic, payload[: rng.randrange(len(payload))]


def _load_kw(p_mw: float) -> float | None:
    """Load as the maker counts it, kW; None, JSON's null, for what is not there."""
    return None if math.isnan(p_mw) else round(0.0 - p_mw * 1000.0, 3)  # no -0.0


class Depot:
    """One depot and its connection to the broker."""

    def __init__(
        self,
        device: Device,
        rng: random.Random,
        latency_s: tuple[float, float],
        *,
        make_client: Callable[..., Any] = Client,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self.device = device
        self._make_client = make_client
        self._utc = utc
        self._prefix = prefix(device.unit)
        self._rng = rng
        self._latency_s = latency_s
        self._client: Any = None  # as gmqtt.Client
        self._inbound: Line[tuple[str, bytes]] | None = None
        self._outbound: Line[tuple[str, bytes]] | None = None

    async def open(self, port: int) -> None:
        """Connect, say what the depot is, and take orders. Raises OSError."""
        unit = self.device.unit
        loop = asyncio.get_running_loop()
        clock = self.device.clock
        rng, latency_s, link = self._rng, self._latency_s, self.device.link
        self._inbound = Line(loop, rng, latency_s, self._handle, clock, faults=link)
        self._outbound = Line(
            loop, rng, latency_s, self._publish, clock, faults=link, garble=garbled
        )
        will = Message(f"{self._prefix}/state", "offline", qos=1, retain=True)
        client = self._make_client(unit.id, clean_session=True, will_message=will)
        client.set_config({"reconnect_retries": -1, "reconnect_delay": 1})
        client.on_message = self._on_message
        client.on_connect = self._on_connect
        self._client = client
        await client.connect("127.0.0.1", port, keepalive=KEEP_ALIVE_S)

    async def close(self, *, orderly: bool) -> None:
        """Leave the broker; not `orderly`: it publishes the last will, as after a lost link."""
        client, self._client = self._client, None
        for line in (self._inbound, self._outbound):
            if line is not None:
                line.cut()
        if client is not None:
            if orderly and client.is_connected:
                client.publish(f"{self._prefix}/state", "offline", qos=1, retain=True)
            await client.disconnect(reason_code=0 if orderly else WITH_WILL)

    def report(self) -> None:
        """Send telemetry."""
        device = self.device
        reading = device.reading()
        watchdog_s, fallback_mw = device.watchdog()
        self._put(
            "telemetry",
            {
                "p_kw": _load_kw(reading.p_mw),
                "e_kwh": _load_kw(0.0 - device.energy_mwh()[1]),
                "min_kw": _load_kw(reading.high_mw),
                "max_kw": _load_kw(reading.low_mw),
                "remote": True,
                "mode": "follow" if device.following else "autonomous",
                "watchdog_s": watchdog_s,
                "fallback_kw": _load_kw(fallback_mw),
                "t": round(self._utc() + device.faults.clock_step_s, 3),
            },
        )

    def _on_connect(self, client: Client, *_: object) -> None:
        unit = self.device.unit
        watchdog_s, fallback_mw = self.device.watchdog()
        about = {
            "maker": "D",
            "rated_kw": unit.rated_mw * 1000.0,
            "watchdog_s": watchdog_s,
            "fallback_kw": _load_kw(fallback_mw),
        }
        client.subscribe(f"{self._prefix}/set", qos=0)
        client.subscribe(f"{self._prefix}/mode", qos=1)
        client.publish(f"{self._prefix}/config", json.dumps(about), qos=1, retain=True)
        client.publish(f"{self._prefix}/state", "online", qos=1, retain=True)
        self.device.linked(LinkChange.CONNECTED)

    def _on_message(
        self, _: Client, topic: str, payload: bytes, __: int, properties: dict[str, Any]
    ) -> int:
        if not properties.get("retain") and self._inbound is not None:
            self._inbound.put((topic.rpartition("/")[2], payload))
        return 0

    def _put(self, topic: str, message: dict[str, Any]) -> None:
        if self._outbound is not None and not self.device.dark:
            self._outbound.put((topic, ENCODE(message).encode()))

    def _publish(self, item: tuple[str, bytes]) -> None:
        topic, payload = item
        if self._client is not None and self._client.is_connected:
            self._client.publish(f"{self._prefix}/{topic}", payload.decode(), qos=0)

    def _handle(self, item: tuple[str, bytes]) -> None:
        """Carry out an order, at the depot; what nobody can read is dropped."""
        topic, payload = item
        if self._inbound is not None:
            self.device.link_s = self._inbound.took_s
        try:
            order = json.loads(payload.decode())
            sequence = int(order["seq"])
            p_mw = -float(order["p_kw"]) / 1000.0 if topic == "set" else None
        except (ValueError, KeyError, TypeError):
            return
        denied = self.device.admit(p_mw)
        if denied is Fate.LOST:
            return
        if denied is Fate.REFUSED:
            why = "fault"
        else:
            why = self._set(p_mw) if p_mw is not None else self._mode(order)
        self._put("ack", {"seq": sequence, "ok": not why, **({"why": why} if why else {})})

    def _set(self, p_mw: float) -> str:
        """Take a setpoint; the reason of a refusal, or nothing."""
        if not math.isfinite(p_mw) or self.device.setpoint(p_mw) is Fate.REFUSED:
            return "out of range"
        return ""

    def _mode(self, order: dict[str, Any]) -> str:
        """Take a mode order; the reason of a refusal, or nothing."""
        if order.get("mode") not in ("follow", "autonomous"):
            return "unknown mode"
        if "watchdog_s" in order:
            self.device.arm(watchdog_s=float(order["watchdog_s"]))
        if "fallback_kw" in order:
            self.device.arm(fallback_mw=-float(order["fallback_kw"]) / 1000.0)
        self.device.follow(on=order["mode"] == "follow")
        return ""
