"""What wakes a task that serves a device: a bell that others ring, and an alarm that is set.

An `asyncio.Event` with a timer does the same at several times the cost; a fleet waits for two or
three of these per unit and second.
"""

import asyncio
import math
from collections.abc import Callable

TIMER_SLACK_S = 1e-3  # event loops count in ms, and wake a little early


class Bell:
    """Wakes the one task that waits. Rung while nobody waits, it lets the next wait pass."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake who waits, or the next who would."""
        if self._waiter is None:
            self._rung = True
        elif not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Return when it is rung, at once if it was since the last wait."""
        if self._rung:
            self._rung = False
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Alarm:
    """Wakes the one task that waits, at an instant that may be brought forward.

    While it is held it does not go off; what was due meanwhile goes off on release.

    Parameters
    ----------
    clock : callable
        Monotonic s.
    """

    __slots__ = ("_clock", "_due_s", "_held", "_timer", "_waiter")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due_s = math.inf
        self._held = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None

    def hold(self) -> None:
        """Do not go off until released."""
        self._held = True

    def release(self, due_s: float) -> None:
        """Be free to go off, and at that instant at the latest."""
        self._held = False
        if due_s < self._due_s:
            self._due_s = due_s
        if self._waiter is not None:
            self._arm()

    def bring_forward(self, due_s: float) -> None:
        """Go off at that instant at the latest."""
        if due_s < self._due_s:
            self._due_s = due_s
        if self._waiter is not None and not self._held:
            self._arm()

    async def wait(self, due_s: float) -> None:
        """Return when it has gone off, at that instant at the latest. It is not set then."""
        if due_s < self._due_s:
            self._due_s = due_s
        self._waiter = asyncio.get_running_loop().create_future()
        if not self._held:
            self._arm()
        try:
            await self._waiter
        finally:
            self._waiter = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _arm(self) -> None:
        """Go off if it is time, else have a timer for it."""
        clock = self._clock
        left_s = self._due_s - clock()
        if left_s <= TIMER_SLACK_S:
            self._go_off()
            return
        if self._timer is not None:
            self._timer.cancel()
        if left_s < math.inf:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._go_off)

    def _go_off(self) -> None:
        waiter = self._waiter
        if waiter is not None and not self._held and not waiter.done():
            self._due_s = math.inf
            waiter.set_result(None)
