"""How every link stays connected: one state for its users, one loop for its owner.

Back-off is exponential with full jitter, so that a hundred links whose peers died together do not
come back in step. It is forgotten at the first good answer, never at a mere connection: a peer
that accepts and closes at once would otherwise be connected to thousands of times a second.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable

from vppd.links.base import LinkError


class Backoff:
    """Waits between attempts: uniform in 0 to min(maximum, minimum · 2^attempts)."""

    def __init__(self, minimum_s: float, maximum_s: float, rng: random.Random) -> None:
        if not 0.0 < minimum_s <= maximum_s:
            raise ValueError(f"back-off from {minimum_s} to {maximum_s} s")
        self._minimum_s = minimum_s
        self._maximum_s = maximum_s
        self._rng = rng
        self._ceiling_s = minimum_s

    @property
    def ceiling_s(self) -> float:
        """Longest wait that the next attempt may get, s."""
        return self._ceiling_s

    def next_s(self) -> float:
        """Wait before the next attempt, s; the one after it may be twice as long."""
        wait_s = self._rng.uniform(0.0, self._ceiling_s)
        self._ceiling_s = min(self._maximum_s, 2.0 * self._ceiling_s)
        return wait_s

    def reset(self) -> None:
        """Begin anew. Call it when the peer gave a good answer, not when it merely accepted."""
        self._ceiling_s = self._minimum_s


class LinkState:
    """What the users of a link see of its life. The owner calls `set_up` and `set_down`."""

    def __init__(self) -> None:
        # to read
        self.connected = False  # the transport is up; that says nothing about the peer's health
        self.epoch = 0  # number of connections made so far
        self.reason = "not connected yet"  # why it is not connected, in words; empty while it is
        self._up: bool | None = None  # None: never tried
        self._is_up = asyncio.Event()
        self._listeners: list[Callable[[bool], None]] = []

    async def wait_connected(self) -> None:
        """Return once the link is connected (at once if it is)."""
        await self._is_up.wait()

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(connected)` in the event loop at each change, and at a first failure."""
        self._listeners.append(listener)

    def set_up(self) -> None:
        """Tell the users that a connection was made."""
        self.epoch += 1
        self.reason = ""
        self._is_up.set()
        self._change(up=True)

    def set_down(self, reason: str) -> None:
        """Tell the users that there is none, and why. May be repeated with a newer reason."""
        self.reason = reason
        self._is_up.clear()
        self._change(up=False)

    def stop(self) -> None:
        """End on purpose. That is no news to anybody: at a stop, no unit is lost."""
        self._up = self.connected = False
        self.reason = "stopped"
        self._is_up.clear()

    def _change(self, *, up: bool) -> None:
        if up is self._up:
            return
        self._up = self.connected = up
        for listener in self._listeners:
            listener(up)


async def keep_connected(
    state: LinkState, session: Callable[[], Awaitable[str]], backoff: Backoff
) -> None:
    """Run sessions one after the other until cancelled.

    `session` connects, calls `state.set_up()`, and returns the reason in words once the connection
    is lost. It raises OSError or LinkError when it cannot connect, and cleans up after itself.
    """
    try:
        while True:
            try:
                reason = await session()
            except (OSError, LinkError) as error:
                reason = words(error)
            state.set_down(reason)
            await asyncio.sleep(backoff.next_s())
    except asyncio.CancelledError:
        state.stop()
        raise
    except BaseException:  # a bug: the supervisor says which, the users that the link is gone
        state.set_down("its task failed")
        raise


def words(error: BaseException) -> str:
    """Say what went wrong, for people; the same words under asyncio and uvloop."""
    if isinstance(error, OSError):
        if error.errno is not None and error.errno > 0:
            return os.strerror(error.errno).lower()
        if error.strerror:
            return error.strerror.lower()
    return str(error) or type(error).__name__
