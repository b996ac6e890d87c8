"""The TSO's DNP3 master (IEEE 1815-2012): sends AGC, reads the plant. One request at a time.

py1815's `MasterAssociation` is the protocol, octets in and octets out; the socket is ours, so that
octets are late on their way as on any link.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from py1815.application import FunctionCode, IINBit
from py1815.decode import PointType
from py1815.master import requests
from py1815.master.association import Exchange, MasterAssociation
from py1815.master.controls import Mode, Plan, commands

from hil.wire.line import Line

NAN = float("nan")
FLOAT32 = 3
AGC_SETPOINT, FREQUENCY = 0, 1  # AO
P_MEAS, MODE, AGC_IN_FORCE, UNITS_ONLINE = 0, 5, 7, 8  # AI
CAPACITY_UP, CAPACITY_DOWN = 3, 4
PROMISE_UP, PROMISE_DOWN, FIRM_UP, FIRM_DOWN = 11, 15, 19, 23  # for 15 min
HEADROOM = (CAPACITY_UP, CAPACITY_DOWN, PROMISE_UP, PROMISE_DOWN, FIRM_UP, FIRM_DOWN)
ONLINE = 0x01  # flag
NOT_TOLD = (NAN, 0)
AGC_PER_PU = 10000.0
OUTSTATION_ADDRESS, MASTER_ADDRESS = 1024, 1
CONNECT_RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the plant told: values with their DNP3 flags."""

    p_kw: float
    p_flags: int
    agc_pu: float
    agc_flags: int
    mode: int
    units_online: int
    # regulation capacity that is there, and headroom around the plan for 15 min; NaN: not told
    capacity_up_kw: float = NAN
    capacity_down_kw: float = NAN
    promise_up_kw: float = NAN
    promise_down_kw: float = NAN
    firm_up_kw: float = NAN
    firm_down_kw: float = NAN


class TsoLink(asyncio.Protocol):
    """Connection to the plant; connects again by itself until closed."""

    def __init__(
        self,
        port: int,
        rng: random.Random,
        latency_s: tuple[float, float],
        clock: Callable[[], float],
        *,
        timeout_s: float = 1.0,
    ) -> None:
        self.socket_s = float("nan")  # when the last request left for the socket
        self._port = port
        self._rng = rng
        self._latency_s = latency_s
        self._clock = clock
        self._timeout_s = timeout_s
        self._association = MasterAssociation(
            outstation_address=OUTSTATION_ADDRESS, master_address=MASTER_ADDRESS
        )
        self._transport: asyncio.Transport | None = None
        self._inbound: Line[bytes] | None = None
        self._outbound: Line[bytes] | None = None
        self._answer: asyncio.Future[Exchange | None] | None = None
        self._turn = asyncio.Lock()
        self._restarted = False
        self._asked = b""  # request under way

    @property
    def connected(self) -> bool:
        """True while the transport is up."""
        return self._transport is not None

    async def keep(self) -> None:
        """Connect, and connect again after each loss, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self.connected:
                with contextlib.suppress(OSError):  # not there yet, or gone: the next try tells
                    await loop.create_connection(lambda: self, "127.0.0.1", self._port)
            await asyncio.sleep(CONNECT_RETRY_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with an empty line each way."""
        loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", transport)
        self._inbound = Line(loop, self._rng, self._latency_s, self._received, self._clock)
        self._outbound = Line(loop, self._rng, self._latency_s, self._send, self._clock)
        self._association.connection_reset()
        self._association.take()

    def connection_lost(self, exc: Exception | None) -> None:
        """Lose what was under way."""
        del exc
        self._transport = None
        for line in (self._inbound, self._outbound):
            if line is not None:
                line.cut()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def close(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Octets of the plant, at this end of the line."""
        if self._inbound is not None:
            self._inbound.put(data)

    def _received(self, data: bytes) -> None:
        reply = self._association.receive(data)
        if reply and self._outbound is not None:
            self._outbound.put(reply)
        self._association.take_unsolicited()
        if not self._association.busy:
            exchange = self._association.take()
            if exchange is not None and self._answer is not None and not self._answer.done():
                self._answer.set_result(exchange)

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            if data is self._asked:  # confirmations leave, too
                self.socket_s = self._clock()
            self._transport.write(data)

    async def _ask(self, function: FunctionCode, body: bytes) -> Exchange | None:
        """One request; None: not answered."""
        if self._outbound is None or not self.connected:
            return None
        self.socket_s = float("nan")
        self._answer = asyncio.get_running_loop().create_future()
        self._asked = self._association.request(function, body)
        self._outbound.put(self._asked)
        try:
            async with asyncio.timeout(self._timeout_s):
                exchange = await self._answer
        except TimeoutError:
            return None
        finally:
            self._answer = None
            self._association.abandon()
            self._association.take()
        if exchange is not None and exchange.iin is not None:
            self._restarted = exchange.iin.is_set(IINBit.DEVICE_RESTART)
        return exchange

    async def send_agc(self, pu: float, *, select: bool = False) -> str:
        """Operate AO 0. Returns accepted, refused, unknown, or down."""
        return await self._operate(AGC_SETPOINT, pu, select=select)

    async def send_frequency(self, freq_hz: float, *, select: bool = False) -> str:
        """Operate AO 1. Returns accepted, refused, unknown, or down."""
        return await self._operate(FREQUENCY, freq_hz, select=select)

    async def _operate(self, index: int, value: float, *, select: bool) -> str:
        async with self._turn:
            if not self.connected:
                return "down"
            wanted = commands(analog_outputs={index: value}, variation=FLOAT32)
            plan = Plan(wanted, Mode.SELECT if select else Mode.DIRECT)
            done: list[Exchange] = []
            while (request := plan.next(done)) is not None:
                exchange = await self._ask(*request)
                if exchange is None:
                    return "unknown"
                done.append(exchange)
            return "accepted" if plan.result(done).accepted else "refused"

    async def poll(self) -> Inputs | None:
        """Read events and static inputs of the plant; None: it did not answer."""
        async with self._turn:
            if self._restarted:
                await self._ask(FunctionCode.WRITE, requests.clear_restart())
            exchange = await self._ask(FunctionCode.READ, requests.class_scan(1, 2, 3, 0))
        if exchange is None:
            return None
        points = {
            each.index: (float(each.value), each.flags or 0)
            for each in exchange.objects
            if each.point is PointType.ANALOG_INPUT and not each.event and each.value is not None
        }
        try:
            p_kw, p_flags = points[P_MEAS]
            agc, agc_flags = points[AGC_IN_FORCE]
            mode, online = int(points[MODE][0]), int(points[UNITS_ONLINE][0])
        except KeyError:
            return None
        told = (points.get(index, NOT_TOLD) for index in HEADROOM)
        good = (value if flags == ONLINE else NAN for value, flags in told)
        return Inputs(p_kw, p_flags, agc / AGC_PER_PU, agc_flags, mode, online, *good)
