"""Links of the bench in memory: latency, order and faults of each message, both ways."""

import asyncio
import math
import random
from collections.abc import Callable
from typing import Any

from hil.faults import stream
from hil.faults.link import LinkState
from hil.fleet import Fleet
from hil.sim.loop import VirtualLoop
from hil.wire.device import Device

Asked = asyncio.Future[Any]  # who waits for the answer to a request
Arrival = Callable[[Asked, float, Any, float], object]  # and until when, s; message; put in at, s
DRIPS = 30  # octets of a short answer: its last one comes that many drips late


class Wire:
    """One direction of one connection: what goes in comes out later, in the same order.

    Who gets `deliver` and `garbled` (what arrives and cannot be read) knows by himself when the
    connection has ended: what is under way then still arrives.
    """

    __slots__ = (
        "_deliver", "_due_s", "_garbled", "_link", "_low_s", "_number", "_push", "_random",
        "_span_s",
    )  # fmt: skip

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        latency_s: tuple[float, float],
        link: LinkState,
        deliver: Arrival,
        garbled: Arrival | None = None,
    ) -> None:
        self._push, self._number = loop.push, loop.number
        self._random = rng.random
        self._low_s, high_s = latency_s
        self._span_s = high_s - self._low_s
        self._link = link
        self._deliver = deliver
        self._garbled = garbled
        self._due_s = 0.0

    def put(self, now_s: float, asked: Asked, deadline_s: float, message: Any) -> float:
        """Send a message. Returns when it arrives, s; inf: never."""
        draw, push, number = self._random, self._push, self._number
        due_s = now_s + self._low_s + self._span_s * draw()
        if self._link.active:
            return self._put_faulty(due_s, (asked, deadline_s, message, now_s))
        if due_s < self._due_s:
            due_s = self._due_s  # never before the one ahead of it
        self._due_s = due_s
        push([due_s, number(), self._deliver, (asked, deadline_s, message, now_s)])
        return due_s

    def _put_faulty(self, due_s: float, args: tuple[Any, ...]) -> float:
        """Send a message through a link that has faults."""
        passage = self._link.passage(reply=self._garbled is not None)
        if passage.lost:
            return math.inf
        deliver = self._deliver
        if passage.corrupt and self._garbled is not None:
            deliver = self._garbled
        due_s += passage.delay_s + passage.drip_s * DRIPS
        self._due_s = due_s = max(due_s, self._due_s)
        for _ in range(2 if passage.twice else 1):
            self._push([due_s, self._number(), deliver, args])
        return due_s


class Wires:
    """Makes the wires of all units of a run."""

    def __init__(self, loop: VirtualLoop, fleet: Fleet) -> None:
        self.loop = loop
        self.latency_s = fleet.latency_s
        self._rngs = [stream(fleet.seed, unit.index, "latency") for unit in fleet.units]

    def rng(self, device: Device) -> random.Random:
        """Random numbers of a unit's latencies."""
        return self._rngs[device.unit.index]

    def make(self, device: Device, deliver: Arrival, garbled: Arrival | None = None) -> Wire:
        """Make one direction of a connection; with `garbled` it is the way back."""
        return Wire(self.loop, self.rng(device), self.latency_s, device.link, deliver, garbled)
