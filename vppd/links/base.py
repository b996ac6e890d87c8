"""What devices need of a transport. The real links and the links in memory both give this.

A link is owned by one supervisor task (`runtime`) that runs `keep()`: connect, serve, and after
a loss connect again with exponential back-off and jitter. Users see `connected` and `epoch`;
a change of `epoch` means a new connection, after which mode and setpoint are asserted again.
Liveness is the age of the last good answer, never `connected`.
"""

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol


class LinkError(Exception):
    """The link could not do it; the text says why, for people. Nothing was retried."""


class RefusedError(LinkError):
    """The device answered, and said no to a read. The text has its words for it."""


class ExpiredError(LinkError):
    """A write that did not get its turn in time. It was not sent; whom it waited for is busy."""


class Answer(Enum):
    """How a write ended. `UNKNOWN`: no answer in time, it may or may not have arrived."""

    ACCEPTED = 1
    REFUSED = 2
    UNKNOWN = 3


class Link(Protocol):
    """Life of any link."""

    @property
    def connected(self) -> bool:
        """True while the transport is up. Says nothing about the peer's health."""

    @property
    def epoch(self) -> int:
        """Number of connections made so far."""

    @property
    def reason(self) -> str:
        """Why the link is not connected, in words; empty while it is."""

    async def keep(self) -> None:
        """Connect and stay connected until cancelled. Never raises but CancelledError."""

    async def wait_connected(self) -> None:
        """Return once the link is connected (at once if it is)."""

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(connected)` in the event loop at each change."""


class RegisterLink(Link, Protocol):
    """Modbus: 16-bit registers of a unit."""

    async def read_registers(self, unit_id: int, address: int, count: int) -> list[int]:
        """Read holding registers. Raises RefusedError, or LinkError (no answer, malformed)."""

    async def write_registers(
        self, unit_id: int, address: int, words: Sequence[int], before_s: float = math.inf
    ) -> Answer:
        """Write holding registers in one transaction (function 16). Never re-sent.

        Raises LinkError when nothing was sent, because there is no connection; ExpiredError when
        it could not leave before `before_s`, monotonic s.
        """


class PointLink(Link, Protocol):
    """DNP3: one outstation's points. Values are raw, as on the wire."""

    async def operate(
        self,
        analog_outputs: dict[int, float],
        *,
        select: bool = False,
        before_s: float = math.inf,
    ) -> Answer:
        """Write analog outputs (group 41), direct or select-before-operate. Never re-sent.

        Raises ExpiredError when it could not leave before `before_s`, monotonic s.
        """

    async def read_analog_inputs(self) -> dict[int, tuple[float, int]]:
        """All analog inputs: index -> (value, DNP3 flags octet). Raises LinkError."""

    async def read_counters(self) -> dict[int, tuple[float, int]]:
        """All counters (group 20): index -> (value, DNP3 flags octet).

        Raises RefusedError where the outstation has none and says so, else LinkError.
        """


class TopicLink(Link, Protocol):
    """MQTT: messages by topic."""

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        expiry_s: float | None = None,
        retain: bool = False,
        qos: int = 0,
    ) -> bool:
        """Hand a message to the transport; False if it is down (nothing is kept for later)."""

    def subscribe(self, topic: str, listener: Callable[[str, bytes, bool], None]) -> None:
        """Call `listener(topic, payload, retained)` for each message; kept over reconnects."""
