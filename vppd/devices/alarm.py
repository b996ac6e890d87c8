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
        if self._waiter is None or self._waiter.done():
            self._rung = True
        else:
            self._waiter.set_result(None)

    def wait(self) -> asyncio.Future[None]:
        """Return what is done when it is rung; it is done already if it was, since the last."""
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        if self._rung:
            self._rung = False
            waiter.set_result(None)
        return waiter


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
        if self._waiter is not None and not self._waiter.done():
            self._arm(self._waiter)

    def bring_forward(self, due_s: float) -> None:
        """Go off at that instant at the latest, unless it is held."""
        if self._held:
            self._due_s = min(self._due_s, due_s)
        else:
            self.release(due_s)

    def wait(self, due_s: float) -> asyncio.Future[None]:
        """Return what is done when it goes off, at that instant at the latest.

        From then on it is not set.
        """
        if due_s < self._due_s:
            self._due_s = due_s
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        if not self._held:
            self._arm(waiter)
        return waiter

    def _arm(self, waiter: asyncio.Future[None]) -> None:
        """Go off if it is time, else have a timer for it."""
        if self._timer is not None:
            self._timer.cancel()
        clock = self._clock
        left_s = self._due_s - clock()
        if left_s <= TIMER_SLACK_S:
            self._go_off()
        elif left_s < math.inf:
            self._timer = waiter.get_loop().call_later(left_s, self._go_off)

    def _go_off(self) -> None:
        self._timer = None
        if self._waiter is not None and not self._held and not self._waiter.done():
            self._due_s = math.inf
            self._waiter.set_result(None)
