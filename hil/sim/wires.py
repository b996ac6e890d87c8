"""Links of the bench in memory: latency, order and faults of each message, both ways."""

import random
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from hil.faults import stream
from hil.faults.link import LinkState
from hil.fleet import Fleet
from hil.sim.loop import VirtualLoop
from hil.wire.device import Device

There = TypeVar("There")
Back = TypeVar("Back")
T = TypeVar("T")


class Wire(Generic[T]):
    """One direction of one connection: what goes in comes out later, in the same order.

    `deliver` gets what arrives, `garbled` what arrives and cannot be read.
    """

    __slots__ = (
        "_cut", "_deliver", "_due_s", "_garbled", "_link", "_loop", "_low_s", "_queue", "_reply",
        "_rng", "_span_s", "took_s",
    )  # fmt: skip

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        latency_s: tuple[float, float],
        link: LinkState,
        deliver: Callable[[T], object],
        garbled: Callable[[T], object] | None = None,
    ) -> None:
        self.took_s = 0.0  # time in the line of what is being delivered
        self._loop = loop
        self._rng = rng.random
        self._low_s, high_s = latency_s
        self._span_s = high_s - self._low_s
        self._link = link
        self._deliver = deliver
        self._garbled = garbled
        self._reply = garbled is not None
        self._due_s = 0.0
        self._queue: deque[tuple[float, T, bool]] = deque()
        self._cut = False

    def put(self, message: T) -> None:
        """Send a message."""
        now_s = self._loop.time()
        due_s = now_s + self._low_s + self._span_s * self._rng()
        if self._link.active:
            self._put_faulty(message, now_s, due_s)
        else:
            self._put(message, now_s, due_s, readable=True)

    def cut(self) -> None:
        """Lose what is under way, and all that comes."""
        self._cut = True
        self._queue.clear()

    def _put(self, message: T, now_s: float, due_s: float, *, readable: bool) -> None:
        if due_s < self._due_s:
            due_s = self._due_s
        self._due_s = due_s
        self._queue.append((now_s, message, readable))
        self._loop.call_at(due_s, self._arrive)

    def _put_faulty(self, message: T, now_s: float, due_s: float) -> None:
        """Send a message through a link that has faults."""
        passage = self._link.passage(reply=self._reply)
        if passage.lost:
            return
        due_s += passage.delay_s + passage.drip_s * DRIPS
        for _ in range(2 if passage.twice else 1):
            self._put(message, now_s, due_s, readable=not passage.corrupt)

    def _arrive(self) -> None:
        if self._cut:
            return
        put_s, message, readable = self._queue.popleft()
        self.took_s = self._loop.time() - put_s
        if readable:
            self._deliver(message)
        elif self._garbled is not None:
            self._garbled(message)


DRIPS = 30  # octets of a short answer: its last one comes that many drips late


class Wires:
    """Makes the wires of all units of a run."""

    def __init__(self, loop: VirtualLoop, fleet: Fleet) -> None:
        self.loop = loop
        self.latency_s = fleet.latency_s
        self._rngs = [stream(fleet.seed, unit.index, "latency") for unit in fleet.units]

    def rng(self, device: Device) -> random.Random:
        """Random numbers of a unit's latencies."""
        return self._rngs[device.unit.index]

    def pair(
        self,
        device: Device,
        arrive: Callable[[There], object],
        answered: Callable[[Back], object],
        garbled: Callable[[Back], object],
    ) -> tuple[Wire[There], Wire[Back]]:
        """Give the way to a device, and the way back, of one connection."""
        rng = self.rng(device)
        return (
            Wire(self.loop, rng, self.latency_s, device.link, arrive),
            Wire(self.loop, rng, self.latency_s, device.link, answered, garbled),
        )
