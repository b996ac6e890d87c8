"""One connection to an MQTT 5 broker, over gmqtt.

gmqtt packs, parses and writes; what it would do by itself is held back here. It reconnects with a
fixed delay (off), stores QoS 1 messages and sends them again (nothing is stored), raises
OverflowError beyond the broker's Receive Maximum (a gate), waits for ever for a CONNACK (deadline)
and for the flush of a frozen peer's socket (abort), and swallows what listeners raise (handed on).
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gmqtt
from gmqtt.mqtt.constants import MQTTv50
from gmqtt.mqtt.handler import MQTTConnectError

from vppd.links.base import LinkError
from vppd.links.tls import tls_words

MessageListener = Callable[[str, bytes, bool], None]

NEVER_RECONNECT = -2  # gmqtt: -1 is for ever, and 0 is once
PACKET_OCTETS_MAX = 65536  # what the broker may send us in one packet
QUEUE_MAX = 10000  # messages that may wait for an acknowledgement of those before them
WINDOW_MAX = 100  # messages under way at a time, at most
TOPICS_PER_SUBSCRIBE = 100
CLOSE_TIMEOUT_S = 1.0
TAKEN_OVER = 0x8E
CONNECTION_LOST = "connection lost"
REASONS = {
    0x8B: "the broker shuts down",
    0x8D: "keep-alive time-out at the broker",
    0x95: "packet too large for the broker",
}

# Its lines repeat, with tracebacks, what the link says once in its reason.
logging.getLogger("gmqtt").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the broker knows us."""

    client_id: str
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


class _Unstored:
    """gmqtt's store of unacknowledged messages: counts them, keeps none, so none is sent again."""

    is_empty = True

    def __init__(self, acknowledged: Callable[[], None]) -> None:
        self._acknowledged = acknowledged
        self._mids: set[int] = set()

    def push_message(self, mid: int, _raw: bytes) -> None:
        self._mids.add(mid)

    def remove_message_by_mid(self, mid: int) -> None:
        if mid in self._mids:
            self._mids.remove(mid)
            self._acknowledged()

    def clear(self) -> None:
        self._mids.clear()

    def get_all(self) -> list[tuple[int, bytes]]:
        return []

    async def wait_empty(self) -> None:
        """Return at once: there is nothing to wait for."""


class MqttWire:
    """One connection. `on_lost(reason)` is called once, when that has broken."""

    def __init__(
        self,
        credentials: Credentials,
        will: tuple[str, bytes] | None,
        on_message: MessageListener,
        on_lost: Callable[[str], None],
    ) -> None:
        self.fault: Exception | None = None  # what a listener raised: a bug, not a fault of ours
        self.denied: list[str] = []  # topics that the broker did not let us subscribe to
        self._client_id = credentials.client_id
        self._tls = credentials.tls
        self._on_message = on_message
        self._on_lost = on_lost
        self._open = False
        self._refused: asyncio.Future[None] | None = None
        self._reason = ""
        self._window = 1  # messages that may be under way
        self._under_way = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._subscribed: dict[int, Sequence[str]] = {}
        self._client = gmqtt.Client(
            credentials.client_id,
            clean_session=True,
            will_message=None if will is None else gmqtt.Message(*will, qos=1, retain=True),
            persistent_storage=_Unstored(self._acknowledged),
            maximum_packet_size=PACKET_OCTETS_MAX,
        )
        self._client.set_config({"reconnect_retries": NEVER_RECONNECT})
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._received
        self._client.on_subscribe = self._subscription_answered
        if credentials.username is not None:
            self._client.set_auth_credentials(credentials.username, credentials.password)

    async def open(self, host: str, port: int, *, keepalive_s: int, timeout_s: float) -> None:
        """Connect, and be accepted by the broker. Raises OSError, LinkError."""
        connecting = asyncio.ensure_future(
            self._client.connect(
                host, port, ssl=self._tls or False, keepalive=keepalive_s, version=MQTTv50
            )
        )
        self._refused = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait(
                {connecting, self._refused}, timeout=timeout_s, return_when="FIRST_COMPLETED"
            )
            if connecting.done():
                connecting.result()
            elif not self._reason:
                raise LinkError(f"no CONNACK of an MQTT 5 broker within {timeout_s:g} s")
        except MQTTConnectError as error:
            raise LinkError(f"broker refuses: {error}") from error
        except ssl.SSLError as error:
            raise LinkError(tls_words(error)) from error
        finally:
            self._refused.cancel()
            connecting.cancel()
            await asyncio.wait({connecting})
        if self._reason:
            raise LinkError(self._reason)
        self._open = True

    def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: int | None
    ) -> bool:
        """Send now (QoS 0), or when the messages before it are acknowledged. False: not taken."""
        if not self._open or (qos > 0 and len(self._waiting) >= QUEUE_MAX):
            return False
        properties = {} if expiry_s is None else {"message_expiry_interval": expiry_s}

        def send() -> None:
            self._client.publish(topic, payload, qos=qos, retain=retain, **properties)

        if qos == 0:
            send()
        else:
            self._take_turn(send)
        return True

    def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe with QoS 1, so that the publisher decides; retained messages come at once."""
        for first in range(0, len(topics), TOPICS_PER_SUBSCRIBE):
            part = topics[first : first + TOPICS_PER_SUBSCRIBE]

            def send(part: Sequence[str] = part) -> None:
                wanted = [gmqtt.Subscription(topic, qos=1) for topic in part]
                self._subscribed[self._client.subscribe(wanted)] = part

            self._take_turn(send)

    def drop(self, reason: str) -> None:
        """Break the connection at once, with the reason to tell."""
        self._reason = self._reason or reason
        # No public way: gmqtt's own close waits until a socket is flushed that nobody reads.
        connection = self._client._connection
        if connection is not None:
            connection._transport.abort()

    async def close(self) -> None:
        """Say good-bye if there is anyone left to hear it, and give everything back."""
        self._open = False
        self._waiting.clear()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.disconnect()
        self.drop("closed")

    # ------------------------------------------------------------ gate (QoS 1)

    def _take_turn(self, send: Callable[[], None]) -> None:
        self._waiting.append(send)
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and self._under_way < self._window:
            self._under_way += 1
            self._waiting.popleft()()

    def _acknowledged(self) -> None:
        self._under_way -= 1
        if self._open:
            self._send_waiting()

    # ------------------------------------------------------- callbacks of gmqtt

    def _connected(self, _client: Any, _flags: int, _code: int, properties: Any) -> None:
        receive_maximum = properties.get("receive_maximum", [65535])[0]
        # gmqtt has one id fewer than that, and takes ids for SUBSCRIBE from the same store.
        self._window = max(1, min(WINDOW_MAX, receive_maximum // 2))

    def _disconnected(self, _client: Any, packet: Any, _error: Any = None) -> None:
        code = packet[0] if isinstance(packet, bytes) and packet else 0
        words = CONNECTION_LOST if not code else f"broker disconnects, code {code:#04x}"
        if code == TAKEN_OVER:
            words = f"taken over by another client with the id {self._client_id!r}"
        self.drop(REASONS.get(code, words))
        if self._refused is not None and not self._refused.done():
            self._refused.set_result(None)
        if self._open:
            self._open = False
            self._on_lost(self._reason)

    def _received(
        self, _client: Any, topic: Any, payload: bytes, _qos: int, properties: Any
    ) -> int:
        if not isinstance(topic, str):  # not UTF-8
            return 0
        try:
            self._on_message(topic, payload, bool(properties["retain"]))
        except Exception as error:  # noqa: BLE001
            # gmqtt would log it and go on. A listener that raises is a bug: the owner of the
            # link is given it, and lets it end the daemon.
            self.fault = error
            self.drop("a listener failed")
        return 0

    def _subscription_answered(
        self, _client: Any, mid: int, codes: Sequence[int], _properties: Any
    ) -> None:
        topics = self._subscribed.pop(mid, ())
        self.denied += [topic for topic, code in zip(topics, codes, strict=False) if code >= 0x80]
        self._acknowledged()
