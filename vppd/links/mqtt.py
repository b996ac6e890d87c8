"""MQTT 5: topics of one broker.

A setpoint goes out with QoS 0 and an expiry, so that none arrives late; a mode with QoS 1. Nothing
is kept for a connection to come. A frozen broker, which TCP and keep-alive notice after half a
minute, is found by an echo: a message to ourselves every `heartbeat_s`.

A shadow publishes nothing whatever, not even its state or an echo, and comes with an id of its
own: a broker gives a session to whoever came last with its id, and would throw the live daemon out.
"""

import asyncio
import math
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from vppd.config.exposure import exposed
from vppd.config.fields import about, number, text
from vppd.config.schema import LinkConfig
from vppd.links.base import LinkError
from vppd.links.mqtt_wire import CONNECTION_LOST, Credentials, MessageListener, MqttWire
from vppd.links.supervise import Backoff, LinkState, keep_connected
from vppd.links.tls import client_context, locate_secret

ONLINE = b"online"
OFFLINE = b"offline"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MqttConfig(LinkConfig):
    """A broker that speaks MQTT 5."""

    TYPE = "mqtt"

    host: str = field(default="127.0.0.1", metadata=text("address of the broker"))
    port: int = field(default=1883, metadata=number("", "TCP port", minimum=1.0, maximum=65535.0))
    client_id: str = field(
        default="vppd",
        metadata=text(
            "our name at the broker, unlike any other's", pattern=r"[0-9A-Za-z_.-]{1,64}"
        ),
    )
    status_topic: str = field(
        default="vppd/state",
        metadata=text("where we say online or offline, retained", pattern=r"[^#+$][^#+]*"),
    )
    username: str | None = field(default=None, metadata=text("user name at the broker"))
    password_file: str | None = field(
        default=None, metadata=text("file, or systemd credential, with the password in it")
    )
    keepalive_s: int = field(
        default=5,
        metadata=number(
            "s",
            "the broker says offline for us 1.5 times that after we froze",
            minimum=1.0,
            maximum=600.0,
        ),
    )
    heartbeat_s: float = field(
        default=1.0,
        metadata=number("s", "how often the echo is asked for", above=0.0, maximum=60.0),
    )
    echo_timeout_s: float = field(
        default=2.0,
        metadata=number(
            "s", "a broker that owes an echo for longer is frozen", above=0.0, maximum=60.0
        ),
    )
    connect_timeout_s: float = field(
        default=2.0, metadata=number("s", "deadline of each connect", above=0.0, maximum=30.0)
    )
    backoff_min_s: float = field(
        default=0.1,
        metadata=number("s", "first wait before connecting again", above=0.0, maximum=60.0),
    )
    backoff_max_s: float = field(
        default=2.0,
        metadata=number("s", "longest wait before connecting again", above=0.0, maximum=300.0),
    )
    ca_file: str | None = field(
        default=None, metadata=text("certificates of who signs the broker's; turns TLS on")
    )
    cert_file: str | None = field(default=None, metadata=text("our certificate, PEM"))
    key_file: str | None = field(default=None, metadata=text("our key, PEM"))
    insecure: bool = field(
        default=False,
        metadata=about(
            "reach a broker on another machine without TLS: who is on the way reads and commands"
        ),
    )

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        found = []
        if self.backoff_min_s > self.backoff_max_s:
            message = f"must be at least backoff_min_s = {self.backoff_min_s:g} s"
            found.append(("backoff_max_s", message))
        if self.ca_file is None and (self.cert_file or self.key_file):
            found.append(("ca_file", "missing; cert_file and key_file are for TLS"))
        if self.password_file is not None and self.username is None:
            found.append(("username", "missing; password_file is for it"))
        tls = self.ca_file is not None
        return found + exposed(self.host, "MQTT", tls=tls, insecure=self.insecure)


class MqttLink(LinkState):
    """TopicLink to one broker.

    `wire` makes what stands for one connection (the bench has one in memory).
    """

    def __init__(
        self,
        config: MqttConfig,
        rng: random.Random | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        base_dir: Path = Path(),
        shadow: bool = False,
        wire: Callable[..., Any] = MqttWire,
    ) -> None:
        super().__init__()
        self._make_wire = wire
        self.ignored = 0  # messages on topics that nobody here listens to
        self.client_id = config.client_id
        if shadow:
            self.client_id += f"-shadow-{secrets.token_hex(4)}"
        self._config = config
        self._clock = clock
        self._shadow = shadow
        self._up_s = math.nan  # when the connection was made
        self._base_dir = base_dir
        self._tls = None
        if config.ca_file is not None:
            self._tls = client_context(base_dir, config.ca_file, config.cert_file, config.key_file)
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s, rng or random.Random())
        self._echo_topic = f"{config.status_topic}/echo/{self.client_id}"
        self._echo = asyncio.Event()
        self._beat = 0
        self._topics: dict[str, list[MessageListener]] = {}
        if not shadow:
            self._topics[self._echo_topic] = [self._echoed]
            self._topics[config.status_topic] = [self._status_said]
        self._wire: Any = None  # as MqttWire
        self._log = log.bind(link=config.id)

    async def keep(self) -> None:
        """Connect and stay connected until cancelled.

        Never raises but CancelledError, and what a listener raised: that is a bug.
        """
        await keep_connected(self, self._session, self._backoff)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        expiry_s: float | None = None,
        retain: bool = False,
        qos: int = 0,
    ) -> bool:
        """Hand a message to the transport; False if it is down (nothing is kept for later).

        MQTT counts the expiry in whole seconds: `expiry_s` is rounded up. A shadow publishes
        nothing: False.
        """
        if self._wire is None or self._shadow:
            return False
        whole_s = None if expiry_s is None else max(1, math.ceil(expiry_s))
        taken: bool = self._wire.publish(topic, payload, qos=qos, retain=retain, expiry_s=whole_s)
        return taken

    def subscribe(self, topic: str, listener: Callable[[str, bytes, bool], None]) -> None:
        """Call `listener(topic, payload, retained)` for each message; kept over reconnects.

        The topic is a name, without wildcards. Raises ValueError for one with.
        """
        if not topic or "#" in topic or "+" in topic:
            raise ValueError(f"{topic!r} is not the name of a topic")
        self._topics.setdefault(topic, []).append(listener)
        if self._wire is not None:  # a known one again: its retained message comes for each
            self._wire.subscribe([topic])

    # ------------------------------------------------------------- one connection

    async def _session(self) -> str:
        config = self._config
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_lost(reason: str) -> None:
            self._wire = None
            reason = self._suspicion(reason)
            self.set_down(reason)  # at once, not when this task gets to run
            if not lost.done():
                lost.set_result(reason)

        will = None if self._shadow else (config.status_topic, OFFLINE)
        wire = self._make_wire(self._credentials(), will, self._received, on_lost)
        try:
            await wire.open(
                config.host,
                config.port,
                keepalive_s=config.keepalive_s,
                timeout_s=config.connect_timeout_s,
            )
            wire.subscribe(list(self._topics))
            self._wire = wire
            self._up_s = self._clock()
            self._say_status(ONLINE)
            self.set_up()
            heart = asyncio.ensure_future(self._heartbeat(wire))
            try:
                return await lost
            finally:
                heart.cancel()
        finally:
            if self._wire is wire:  # we end it, nothing broke: good-bye is ours to say
                if not self._shadow:
                    wire.publish(config.status_topic, OFFLINE, qos=0, retain=True, expiry_s=None)
                self._wire = None
            await wire.close()
            if wire.fault is not None:
                raise RuntimeError("a listener of an MQTT topic failed") from wire.fault

    async def _heartbeat(self, wire: Any) -> None:
        """Ask for an echo again and again; break the connection when one is overdue.

        Two clients of one id throw each other out as often as they connect, and each has its echo
        before. So the back-off is forgotten only when a connection has held for longer than any
        wait of the other one. A shadow asks for no echo: keep-alive has to do for it.
        """
        config = self._config
        while True:
            if not self._shadow and not await self._echo_comes():
                denied = f" (denied to us: {', '.join(wire.denied)})" if wire.denied else ""
                wire.drop(f"broker sent no echo for {config.echo_timeout_s:g} s{denied}")
                return
            if self._has_held():
                self._backoff.reset()
            if wire.denied:
                self._log.error("subscription_denied", topics=", ".join(wire.denied))
                wire.denied.clear()
            await asyncio.sleep(config.heartbeat_s)

    async def _echo_comes(self) -> bool:
        self._beat += 1
        self._echo.clear()
        timeout_s = self._config.echo_timeout_s
        self.publish(self._echo_topic, str(self._beat).encode(), expiry_s=timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await self._echo.wait()
        except TimeoutError:
            return False
        return True

    def _has_held(self) -> bool:
        return self._clock() - self._up_s > self._config.backoff_max_s

    def _suspicion(self, reason: str) -> str:
        """Say who may have ended a connection that ends without a word soon after it was made."""
        if reason != CONNECTION_LOST or self._has_held():
            return reason
        held_s = self._clock() - self._up_s
        return (
            f"{reason} after {held_s:.1f} s: another client with the id {self.client_id!r}"
            " took it over, or the broker closed it"
        )

    def _credentials(self) -> Credentials:
        """Read the password anew for each connection: it may have been changed meanwhile."""
        config = self._config
        password = None
        if config.password_file is not None:
            try:
                path = locate_secret(config.password_file, self._base_dir)
                password = path.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise LinkError(f"password_file {config.password_file}: {error}") from error
        return Credentials(self.client_id, config.username, password, self._tls)

    # ------------------------------------------------------------------ messages

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        listeners = self._topics.get(topic)
        if listeners is None:
            self.ignored += 1
            return
        for listener in listeners:
            listener(topic, payload, retained)

    def _echoed(self, _topic: str, payload: bytes, retained: bool) -> None:
        if not retained and payload == str(self._beat).encode():
            self._echo.set()

    def _say_status(self, status: bytes) -> None:
        self.publish(self._config.status_topic, status, qos=1, retain=True)

    def _status_said(self, _topic: str, payload: bytes, retained: bool) -> None:
        """Contradict who calls us offline: the will of a connection of ours that died before.

        Not while it is retained: our own word for this connection is on its way then.
        """
        if payload == OFFLINE and not retained and self._wire is not None:
            self._say_status(ONLINE)
