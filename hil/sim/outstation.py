"""DNP3 outstations in memory: a `PointLink` of the daemon, at the level of points.

Deadlines, the count of unanswered requests that ends a connection, and back-off are those of
`vppd.links.dnp3`; octets and sequence numbers there are none.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from py1815.control import CommandStatus

from hil.recording import LinkChange
from hil.sim.wires import Wires
from hil.wire.device import Device
from hil.wire.dnp3 import ONLINE, LoadPoints
from vppd.links.base import Answer, LinkError
from vppd.links.dnp3 import Dnp3TcpConfig
from vppd.links.supervise import Backoff, LinkState, keep_connected

Outputs = dict[int, float]
Inputs = dict[int, tuple[float, int]]
Request = tuple[int, Outputs | None]  # number, outputs; None: a poll


class MemoryOutstation:
    """One simulated outstation behind its address, and its plug."""

    def __init__(self, device: Device, points: LoadPoints, wires: Wires) -> None:
        self.device = device
        self.points = points
        self.wires = wires
        self.refuses = False
        self._client: Callable[[str], None] | None = None  # ends the connection

    def pull(self) -> None:
        """Reset the connection, and refuse new ones."""
        self.refuses = True
        self.reset()

    def push(self) -> None:
        """Let new ones come."""
        self.refuses = False
        self.device.linked(LinkChange.LISTENING)

    def reset(self) -> None:
        """Reset the connection."""
        if self._client is not None:
            self._client("connection reset by peer")

    def hang_up(self) -> None:
        """End the connection: the daemon is gone."""
        self.reset()

    def join(self, lose: Callable[[str], None]) -> None:
        """Serve a connection. Raises ConnectionRefusedError."""
        if self.refuses:
            raise ConnectionRefusedError(111, "connection refused")
        self.reset()  # a new connection takes the place of the last one
        self._client = lose
        self.device.linked(LinkChange.CONNECTED)

    def leave(self) -> None:
        """Serve it no more."""
        self._client = None
        self.device.linked(LinkChange.LOST)

    def answer(self, outputs: Outputs | None) -> Inputs | list[CommandStatus] | None:
        """Carry out a request, at the device; None: there is no answer."""
        if outputs is None:
            return {index: (value, ONLINE) for index, value in self.points.measured().items()}
        statuses = self.points.command(outputs)
        return None if self.points.swallowed else statuses


class MemoryPointLink(LinkState):
    """PointLink to one outstation in memory."""

    def __init__(
        self, config: Dnp3TcpConfig, rng: random.Random, outstation: MemoryOutstation
    ) -> None:
        super().__init__()
        self._config = config
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s, rng)
        self._outstation = outstation
        self._turn = asyncio.Lock()
        self._number = 0
        self._silent = 0  # unanswered in a row
        self._answer: asyncio.Future[Any] | None = None
        self._lost: asyncio.Future[str] | None = None

    async def keep(self) -> None:
        """Connect and stay connected until cancelled. Never raises but CancelledError."""
        await keep_connected(self, self._session, self._backoff)

    async def operate(self, analog_outputs: Outputs, *, select: bool = False) -> Answer:
        """Write analog outputs. Raises LinkError if there is no connection."""
        del select  # one request in memory: nothing can come between the two
        async with self._turn:
            statuses = await self._ask(analog_outputs)
        if statuses is None:
            return Answer.UNKNOWN
        if any(status is not CommandStatus.SUCCESS for status in statuses):
            return Answer.REFUSED
        self._backoff.reset()
        return Answer.ACCEPTED

    async def read_analog_inputs(self) -> Inputs:
        """All analog inputs: index -> (value, DNP3 flags octet). Raises LinkError."""
        async with self._turn:
            inputs: Inputs | None = await self._ask(None)
        if inputs is None:
            raise LinkError(f"no answer within {self._config.timeout_s:g} s")
        self._backoff.reset()
        return inputs

    async def _session(self) -> str:
        """One connection, from its making to its loss. Returns why it was lost."""
        outstation = self._outstation
        outstation.join(self._lose)
        self._there, self._back = outstation.wires.pair(
            outstation.device, self._arrive, self._answered, _unread
        )
        self._lost = asyncio.get_running_loop().create_future()
        self._silent = 0
        self.set_up()
        try:
            return await self._lost
        finally:
            self._lose("stopped")

    def _lose(self, reason: str) -> None:
        lost, self._lost = self._lost, None
        if lost is None:
            return
        self._there.cut()
        self._back.cut()
        self._outstation.leave()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
        self.set_down(reason)
        if not lost.done():
            lost.set_result(reason)

    async def _ask(self, outputs: Outputs | None) -> Any:
        """One request, once. None: not answered. Raises LinkError without a connection."""
        if self._lost is None:
            raise LinkError(self.reason or "not connected")
        loop = asyncio.get_running_loop()
        self._number += 1
        self._answer = answer = loop.create_future()
        self._there.put((self._number, outputs))
        expiry = loop.call_later(self._config.timeout_s, _give_up, answer)
        try:
            told = await answer
        finally:
            expiry.cancel()
            self._answer = None
        if told is None:
            self._silent += 1
            if self._silent >= self._config.dead_after:
                self._lose(f"no answer to {self._silent} requests in a row")
        else:
            self._silent = 0
        return told

    def _arrive(self, request: Request) -> None:
        """At the device, after the way there."""
        number, outputs = request
        self._outstation.device.link_s = self._there.took_s
        told = self._outstation.answer(outputs)
        if told is not None:
            self._back.put((number, told))

    def _answered(self, item: tuple[int, Any]) -> None:
        """Here again, after the way back."""
        number, told = item
        late = number != self._number or self._outstation.device.dark
        if not late and self._answer is not None and not self._answer.done():
            self._answer.set_result(told)


def _give_up(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_result(None)


def _unread(_item: tuple[int, Any]) -> None:
    """Lose what the check sums of DNP3 would not let pass."""
