"""A link with latency: what goes in comes out later, in the same order, unless it has faults."""

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from hil.faults.link import LinkState

T = TypeVar("T", bytes, tuple[str, bytes])
SOUND = LinkState()  # of a link that never has a fault
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s, so that a close is a reset (RST)


def reset(transport: asyncio.Transport) -> None:
    """End a connection as a peer that is gone does: with a reset, not with an orderly end."""
    ends_at = transport.get_extra_info("socket")
    if ends_at is not None:
        ends_at.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    transport.abort()


class Line(Generic[T]):
    """One direction of one connection. One timer for each message.

    Whichever timer fires takes the oldest message, so that the order holds although timers are
    rounded to milliseconds.

    Parameters
    ----------
    faults : LinkState
        Faults of the link; asked for each message.
    garble : callable, optional
        How an answer is spoilt; a line with one is the way back to the master.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        rng: random.Random,
        latency_s: tuple[float, float],
        deliver: Callable[[T], object],
        clock: Callable[[], float],
        *,
        faults: LinkState = SOUND,
        garble: Callable[[T, random.Random], T] | None = None,
    ) -> None:
        self._loop = loop
        self._rng = rng
        self._low_s, high_s = latency_s
        self._span_s = high_s - self._low_s
        self._deliver: Callable[[T], object] = deliver
        self._clock = clock
        self._faults = faults
        self._garble: Callable[[T, random.Random], T] | None = garble
        self._due_s = 0.0
        self._queue: deque[tuple[float, T]] = deque()  # put in at, message
        self.took_s = 0.0  # time in the line of the message that is being delivered
        self._cut = False

    def put(self, message: T) -> None:
        """Send a message into the line."""
        delay_s = self._low_s + self._span_s * self._rng.random()
        if self._faults.active:
            self._put_faulty(message, delay_s)
        else:
            self._queue_up(message, delay_s)

    def cut(self) -> None:
        """Lose what is under way, and all that comes."""
        self._cut = True
        self._queue.clear()

    def _put_faulty(self, message: T, delay_s: float) -> None:
        passage = self._faults.passage(reply=self._garble is not None)
        if passage.lost:
            return
        if passage.corrupt and self._garble is not None:
            message = self._garble(message, self._faults.rng)
        for _ in range(2 if passage.twice else 1):
            for late_s, piece in _dripping(message, passage.drip_s):
                self._queue_up(piece, delay_s + passage.delay_s + late_s)

    def _queue_up(self, message: T, delay_s: float) -> None:
        now_s = self._clock()
        due_s = max(now_s + delay_s, self._due_s)
        self._due_s = due_s
        self._queue.append((now_s, message))
        self._loop.call_later(due_s - now_s, self._arrive)

    def _arrive(self) -> None:
        if not self._cut:
            put_s, message = self._queue.popleft()
            self.took_s = self._clock() - put_s
            self._deliver(message)


def _dripping(message: T, drip_s: float) -> Iterator[tuple[float, T]]:
    """Yield the pieces of a message, and how late each is, s: octets, or all with the last."""
    if drip_s <= 0.0:
        yield 0.0, message
    elif isinstance(message, bytes):
        for k in range(len(message)):
            yield k * drip_s, message[k : k + 1]
    else:
        yield drip_s * len(message[1]), message
