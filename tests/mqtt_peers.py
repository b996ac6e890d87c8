"""Peers of the MQTT link: an aiomqtt client, and a link that is kept up while a test runs."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiomqtt

from vppd.links.mqtt import MqttConfig, MqttLink

NO_DELAY = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


@contextlib.asynccontextmanager
async def linked(port: int, *, shadow: bool = False, **keys: object) -> AsyncIterator[MqttLink]:
    """Create the link with short times, keep it, end it with the block."""
    short = {"heartbeat_s": 0.1, "echo_timeout_s": 0.5, "backoff_min_s": 0.02, "backoff_max_s": 0.2}
    link = MqttLink(
        MqttConfig(id="m", port=port, **{**short, **keys}), random.Random(1), shadow=shadow
    )
    task = asyncio.create_task(link.keep())
    try:
        yield link
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@dataclass
class Seen:
    """What a peer received, in order."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    expiry_s: int | None


class MqttPeer:
    """A client on aiomqtt (paho underneath: another stack), MQTT 5."""

    def __init__(self, port: int, *topics: str, **options: object) -> None:
        self.seen: list[Seen] = []
        self._topics = topics
        self._client = aiomqtt.Client(
            "127.0.0.1",
            port,
            protocol=aiomqtt.ProtocolVersion.V5,
            socket_options=NO_DELAY,
            **options,
        )

    async def __aenter__(self) -> "MqttPeer":
        await self._client.__aenter__()
        for topic in self._topics:
            await self._client.subscribe(topic, qos=1)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
            await self._task
        with contextlib.suppress(aiomqtt.MqttError):  # the broker may be gone
            await self._client.__aexit__(None, None, None)

    async def publish(self, topic: str, payload: bytes | str, **keys: object) -> None:
        await self._client.publish(topic, payload, **keys)

    def on(self, topic: str) -> list[bytes]:
        """Payloads received on a topic."""
        return [each.payload for each in self.seen if each.topic == topic]

    async def _read(self) -> None:
        async for message in self._client.messages:
            expiry = getattr(message.properties, "MessageExpiryInterval", None)
            self.seen.append(
                Seen(
                    str(message.topic), bytes(message.payload), message.retain, message.qos, expiry
                )
            )

    def die(self) -> None:
        """Break the connection without a word: the broker publishes the will."""
        self._client._client.socket().shutdown(socket.SHUT_RDWR)
