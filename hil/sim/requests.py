"""Requests and answers over one connection in memory."""

import asyncio
from collections.abc import Callable
from typing import Any

from hil.sim.wires import Asked, Wires
from hil.wire.device import Device


class Requests:
    """One connection to one device: each request is carried out there, and answered or not.

    A deadline gets a timer only when it is known that no answer will keep it, and that is known at
    the latest where the answer is lost. Subclasses say how a request without one ends.

    Parameters
    ----------
    serve : callable
        Carries out a request, at the device; None: there is no answer.
    """

    def __init__(
        self, wires: Wires, device: Device, timeout_s: float, serve: Callable[[Any], Any]
    ) -> None:
        self.connected = False
        self._serve = serve
        self._loop = wires.loop
        self._device = device
        self._timeout_s = timeout_s
        self._there = wires.make(device, self._arrive)
        self._back = wires.make(device, self._answered, self._garbled)
        self._waiting: dict[Asked, None] = {}  # those of this connection, in their order

    def ask(self, request: Any) -> Asked:
        """Send a request; await what is returned. The connection must be there."""
        loop = self._loop
        asked: Asked = asyncio.Future(loop=loop)
        self._waiting[asked] = None
        now_s = loop.now_s
        deadline_s = now_s + self._timeout_s
        if self._there.put(now_s, asked, deadline_s, request) >= deadline_s:
            loop.call_at(deadline_s, self._expire, asked)
        return asked

    def end(self) -> list[Asked]:
        """End the connection: what is under way is lost. Returns those who still wait."""
        self.connected = False
        left = [asked for asked in self._waiting if not asked.done()]  # others were cancelled
        self._waiting.clear()
        return left

    def _give_up(self, asked: Asked) -> None:
        """End a request that was not answered in time."""
        raise NotImplementedError

    def _unreadable(self, asked: Asked, deadline_s: float) -> None:
        """Take an answer that nobody can read."""
        raise NotImplementedError

    def _arrive(self, asked: Asked, deadline_s: float, request: Any, put_s: float) -> None:
        """At the device, after the way there."""
        if not self.connected:
            return
        loop, serve = self._loop, self._serve
        now_s = loop.now_s
        self._device.link_s = now_s - put_s
        told = serve(request)
        if told is None or self._back.put(now_s, asked, deadline_s, told) >= deadline_s:
            loop.call_at(deadline_s, self._expire, asked)

    def _answered(self, asked: Asked, deadline_s: float, told: Any, _put_s: float) -> None:
        """Here again, after the way back."""
        if self._device.dark:
            self._loop.call_at(deadline_s, self._expire, asked)
        elif not asked.done():
            del self._waiting[asked]
            asked.set_result(told)

    def _garbled(self, asked: Asked, deadline_s: float, _told: Any, _put_s: float) -> None:
        """Here again, but nobody can read it."""
        self._unreadable(asked, deadline_s)

    def _expire(self, asked: Asked) -> None:
        if self._waits(asked):
            self._give_up(asked)

    def _waits(self, asked: Asked) -> bool:
        """True if somebody still waits for this, who will not any more."""
        self._waiting.pop(asked, None)
        return not asked.done()
