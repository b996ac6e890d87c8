"""DNP3 outstations in memory: a `PointLink` of the daemon, at the level of points.

Deadlines, the count of unanswered requests that ends a connection, and back-off are those of
`vppd.links.dnp3`; octets and sequence numbers there are none.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from typing import Any

from py1815.control import CommandStatus

from hil.recording import LinkChange
from hil.sim.requests import Requests
from hil.sim.wires import Asked, Wires
from hil.wire.device import Device
from hil.wire.dnp3 import LoadPoints
from vppd.links.base import Answer, LinkError
from vppd.links.dnp3 import Dnp3TcpConfig
from vppd.links.supervise import Backoff, LinkState, keep_connected
from vppd.links.turn import Turn

Outputs = dict[int, float]
Inputs = dict[int, tuple[float, int]]
Request = Outputs | None | tuple[()]  # None: a poll of the inputs; (): of the counters


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

    def answer(self, outputs: Request) -> Inputs | list[CommandStatus] | None:
        """Carry out a request, at the device; None: there is no answer."""
        if outputs is None:
            return self.points.flagged()
        if isinstance(outputs, tuple):
            return self.points.counted()
        statuses = self.points.command(outputs)
        return None if self.points.swallowed else statuses


class OutstationClient(Requests):
    """One connection to one outstation."""

    def __init__(self, outstation: MemoryOutstation, timeout_s: float) -> None:
        super().__init__(outstation.wires, outstation.device, timeout_s, outstation.answer)

    def _give_up(self, asked: Asked) -> None:
        asked.set_result(None)

    def _unreadable(self, asked: Asked, deadline_s: float) -> None:
        """Hear nothing: the check sums of DNP3 let it not pass."""
        self._loop.call_at(deadline_s, self._expire, asked)


class MemoryPointLink(LinkState):
    """PointLink to one outstation in memory."""

    def __init__(
        self,
        config: Dnp3TcpConfig,
        rng: random.Random,
        outstation: MemoryOutstation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._config = config
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s, rng)
        self._outstation = outstation
        self._turn = Turn(clock)
        self._silent = 0  # unanswered in a row
        self._client: OutstationClient | None = None
        self._lost: asyncio.Future[str] | None = None

    async def keep(self) -> None:
        """Connect and stay connected until cancelled. Never raises but CancelledError."""
        await keep_connected(self, self._session, self._backoff)

    async def operate(
        self, analog_outputs: Outputs, *, select: bool = False, before_s: float = math.inf
    ) -> Answer:
        """Write analog outputs. Raises LinkError if there is no connection, or no turn in time."""
        del select  # one request in memory: nothing can come between the two
        if not self._turn.take():
            await self._turn.wait_to_write(before_s)
        statuses = await self._ask(analog_outputs)
        if statuses is None:
            return Answer.UNKNOWN
        if statuses.count(CommandStatus.SUCCESS) < len(statuses):
            return Answer.REFUSED
        self._backoff.reset()
        return Answer.ACCEPTED

    async def read_analog_inputs(self) -> Inputs:
        """All analog inputs: index -> (value, DNP3 flags octet). Raises LinkError."""
        return await self._read(None)

    async def read_counters(self) -> Inputs:
        """All counters: index -> (value, DNP3 flags octet). Raises LinkError."""
        return await self._read(())

    async def _read(self, request: Request) -> Inputs:
        if not self._turn.take():
            await self._turn.wait_to_read()
        inputs: Inputs | None = await self._ask(request)
        if inputs is None:
            raise LinkError(f"no answer within {self._config.timeout_s:g} s")
        self._backoff.reset()
        return inputs

    async def _session(self) -> str:
        """One connection, from its making to its loss. Returns why it was lost."""
        client = OutstationClient(self._outstation, self._config.timeout_s)
        self._outstation.join(self._lose)
        client.connected = True
        self._client = client
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._lost = lost
        self._silent = 0
        self.set_up()
        try:
            return await lost
        finally:
            self._end()  # on purpose: no news to anybody

    def _lose(self, reason: str) -> None:
        if not self._end():
            return
        self.set_down(reason)
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    def _end(self) -> bool:
        """End the connection. False if there is none."""
        client, self._client = self._client, None
        if client is None:
            return False
        self._outstation.leave()
        for asked in client.end():
            asked.set_result(None)
        return True

    async def _ask(self, request: Request) -> Any:
        """One request, once, with the turn. None: not answered. Raises LinkError if not up."""
        try:
            if self._client is None:
                raise LinkError(self.reason or "not connected")
            told = await self._client.ask(request)
            self._silent = 0 if told is not None else self._silent + 1
            if self._silent >= self._config.dead_after:
                self._lose(f"no answer to {self._silent} requests in a row")
            return told
        finally:
            self._turn.give()
