"""Who may send next on a connection that takes one request at a time."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from vppd.links.base import ExpiredError


class Turn:
    """One holder at a time. Writers go first; within a kind, first come, first served.

    Parameters
    ----------
    clock
        Monotonic s, the clock of all deadlines.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken = False
        self._writers: deque[asyncio.Future[None]] = deque()
        self._readers: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take the turn, to be given back, if it is free. Else one has to wait for it."""
        if self._taken:
            return False
        self._taken = True
        return True

    async def wait_to_write(self, before_s: float = math.inf, wait_max_s: float = math.inf) -> None:
        """Wait for the turn. Raises ExpiredError if it does not come in time, both ways counted."""
        left_s = min(before_s - self._clock(), wait_max_s)
        await self._wait(self._writers, left_s)
        try:
            self.hold_to(before_s)  # timers are late when the machine stands still
        except ExpiredError:
            self.give()
            raise

    async def wait_to_read(self) -> None:
        """Wait for the turn, however long it takes to come."""
        await self._wait(self._readers)

    def hold_to(self, before_s: float) -> None:
        """Raise ExpiredError if that instant has passed."""
        if self._clock() > before_s:
            raise ExpiredError("its deadline had passed when it could be sent")

    def give(self) -> None:
        """Give it to the next, if anybody waits."""
        if not self._writers and not self._readers:
            self._taken = False
            return
        for queue in (self._writers, self._readers):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._taken = False

    async def _wait(self, queue: deque[asyncio.Future[None]], left_s: float = math.inf) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        queue.append(turn)
        expiry = None
        if left_s < math.inf:
            expiry = loop.call_later(max(left_s, 0.0), _too_late, turn, left_s)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give()  # cancelled in the very moment it came
            else:
                with suppress(ValueError):
                    queue.remove(turn)
            raise
        finally:
            if expiry is not None:
                expiry.cancel()


def _too_late(turn: asyncio.Future[None], left_s: float) -> None:
    if not turn.done():
        turn.set_exception(ExpiredError(f"no turn on the connection within {left_s:g} s"))
