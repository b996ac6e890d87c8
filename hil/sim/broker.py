"""An MQTT broker in memory, with both its clients: the daemon's wire, and the depots' client.

Topics without wildcards, retained messages, last wills; QoS and expiry have no meaning where
nothing is ever under way for longer than a callback. The latency is the depots' (`hil.wire.mqtt`).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

Listener = Callable[[str, bytes, bool], None]  # topic, payload, retained


class Broker:
    """Who listens to what, and what is retained."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._listeners: dict[str, list[Listener]] = {}
        self._retained: dict[str, bytes] = {}
        self._wires: list[BrokerWire] = []

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Give a message to everybody who listens."""
        if retain:
            self._retained[topic] = payload
        for listener in self._listeners.get(topic, ()):
            self._loop.call_soon(listener, topic, payload, False)

    def subscribe(self, topic: str, listener: Listener) -> None:
        """Listen to a topic; what is retained comes first."""
        self._listeners.setdefault(topic, []).append(listener)
        if topic in self._retained:
            self._loop.call_soon(listener, topic, self._retained[topic], True)

    def join(self, wire: "BrokerWire") -> None:
        """Know a connection of the daemon."""
        self._wires.append(wire)

    def break_off(self) -> None:
        """End the daemon's connections as the kernel does for a process that was killed."""
        for wire in self._wires:
            wire.die()
        self._wires.clear()

    def leave(self, listener: Listener) -> None:
        """Listen no more, to anything."""
        for listeners in self._listeners.values():
            if listener in listeners:
                listeners.remove(listener)


class BrokerWire:
    """Stands for `vppd.links.mqtt_wire.MqttWire`: the daemon's connection to the broker."""

    def __init__(
        self,
        broker: Broker,
        will: tuple[str, bytes] | None,
        on_message: Listener,
        on_lost: Callable[[str], None],
    ) -> None:
        self.fault: Exception | None = None  # what a listener raised
        self.denied: list[str] = []
        self._broker = broker
        self._will = will
        self._on_message = on_message
        self._on_lost = on_lost
        self._open = False

    async def open(self, host: str, port: int, *, keepalive_s: int, timeout_s: float) -> None:
        """Connect."""
        del host, port, keepalive_s, timeout_s
        self._open = True
        self._broker.join(self)

    def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: int | None
    ) -> bool:
        """Send. False: not taken."""
        del qos, expiry_s
        if self._open:
            self._broker.publish(topic, payload, retain=retain)
        return self._open

    def subscribe(self, topics: Sequence[str]) -> None:
        """Listen to topics."""
        for topic in topics:
            self._broker.subscribe(topic, self._received)

    def drop(self, reason: str) -> None:
        """Break the connection; the broker publishes the will."""
        if self._open:
            self.die()
            self._on_lost(reason)

    def die(self) -> None:
        """Be gone without a word; the broker publishes the will."""
        if not self._open:
            return
        self._open = False
        self._broker.leave(self._received)
        if self._will is not None:
            self._broker.publish(*self._will, retain=True)

    async def close(self) -> None:
        """Say good-bye."""
        self._open = False
        self._broker.leave(self._received)

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        if not self._open:
            return
        try:
            self._on_message(topic, payload, retained)
        except Exception as error:  # noqa: BLE001  (a bug, for the owner of the link to raise)
            self.fault = error
            self.drop("a listener failed")


class DepotClient:
    """Stands for `gmqtt.Client`, as a depot of the bench uses it."""

    def __init__(
        self, broker: Broker, client_id: str, *, will_message: Any = None, **_: Any
    ) -> None:
        self.is_connected = False
        self.on_connect: Callable[..., Any] = _nothing
        self.on_message: Callable[..., Any] = _nothing
        self._broker = broker
        self._id = client_id
        self._will = will_message

    def set_config(self, config: dict[str, Any]) -> None:
        """Take settings, which say how to connect again: here nobody has to."""

    async def connect(self, host: str, port: int, *, keepalive: int) -> None:
        """Connect."""
        del host, port, keepalive
        self.is_connected = True
        self.on_connect(self)

    def subscribe(self, topic: str, *, qos: int) -> None:
        """Listen to a topic."""
        del qos
        self._broker.subscribe(topic, self._received)

    def publish(self, topic: str, payload: str, *, qos: int, retain: bool = False) -> None:
        """Send."""
        del qos
        self._broker.publish(topic, payload.encode(), retain=retain)

    async def disconnect(self, *, reason_code: int) -> None:
        """Leave; with a reason, the broker publishes the will."""
        self.is_connected = False
        self._broker.leave(self._received)
        if reason_code and self._will is not None:
            self._broker.publish(self._will.topic.decode(), self._will.payload, retain=True)

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        if self.is_connected:
            self.on_message(self, topic, payload, 0, {"retain": retained})


def _nothing(*_: Any) -> None:
    """Hear nothing."""
