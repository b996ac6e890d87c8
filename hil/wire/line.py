"""A link with latency: what goes in comes out later, in the same order."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """One direction of one connection. One timer for each message.

    Whichever timer fires takes the oldest message, so that the order holds although timers are
    rounded to milliseconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        rng: random.Random,
        latency_s: tuple[float, float],
        deliver: Callable[[T], object],
        clock: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._rng = rng
        self._low_s, high_s = latency_s
        self._span_s = high_s - self._low_s
        self._deliver = deliver
        self._clock = clock
        self._due_s = 0.0
        self._queue: deque[tuple[float, T]] = deque()  # put in at, message
        self.took_s = 0.0  # time in the line of the message that is being delivered
        self._cut = False

    def put(self, message: T) -> None:
        """Send a message into the line."""
        now_s = self._clock()
        due_s = max(now_s + self._low_s + self._span_s * self._rng.random(), self._due_s)
        self._due_s = due_s
        self._queue.append((now_s, message))
        self._loop.call_later(due_s - now_s, self._arrive)

    def cut(self) -> None:
        """Lose what is under way, and all that comes."""
        self._cut = True
        self._queue.clear()

    def _arrive(self) -> None:
        if not self._cut:
            put_s, message = self._queue.popleft()
            self.took_s = self._clock() - put_s
            self._deliver(message)
