"""Modbus devices in memory: pymodbus' client, as `vppd.links.modbus` uses it, without frames."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse

from hil.recording import LinkChange
from hil.sim.wires import Wires
from hil.wire.device import Device, Fate
from hil.wire.modbus import UNIT_ID, Code, RefusalError, Registers
from vppd.links.modbus_wire import BadReplyError, LostError, SilentError

READ, WRITE = 3, 16


class Request(NamedTuple):
    """One request under way."""

    number: int
    unit_id: int
    address: int
    registers: int  # to read; 0: a write
    words: Sequence[int]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a good answer says."""

    registers: Sequence[int] = ()


Answered = Reply | ExceptionResponse


class Station:
    """One simulated device behind its address: whom it serves, and its plug."""

    def __init__(self, device: Device, registers: Registers, wires: Wires) -> None:
        self.device = device
        self.registers = registers
        self.wires = wires
        self.refuses = False
        self._clients: list[StationClient] = []

    def pull(self) -> None:
        """Reset every connection, and refuse new ones."""
        self.refuses = True
        self.reset()

    def push(self) -> None:
        """Let new ones come."""
        self.refuses = False
        self.device.linked(LinkChange.LISTENING)

    def reset(self) -> None:
        """Reset every connection."""
        for client in list(self._clients):
            client.lose("connection reset by peer")

    def hang_up(self) -> None:
        """End the connection: the daemon is gone."""
        self.reset()

    def join(self, client: "StationClient") -> None:
        """Serve one more connection. Raises ConnectionRefusedError."""
        if self.refuses:
            raise ConnectionRefusedError(111, "connection refused")
        self._clients.append(client)
        self.device.linked(LinkChange.CONNECTED)

    def leave(self, client: "StationClient") -> None:
        """Serve a connection no more."""
        if client in self._clients:
            self._clients.remove(client)
            self.device.linked(LinkChange.LOST)

    def answer(self, request: Request) -> Answered | None:
        """Carry out a request, at the device; None: there is no answer."""
        function = READ if request.registers else WRITE
        if request.unit_id != UNIT_ID:
            return ExceptionResponse(function, int(Code.PATH))
        try:
            if request.registers:
                return Reply(self.registers.read(request.address, request.registers))
            fate = self.registers.write(request.address, list(request.words))
        except RefusalError as refusal:
            return ExceptionResponse(function, int(refusal.code))
        if fate is Fate.LOST:
            return None
        return Reply() if fate is Fate.DONE else ExceptionResponse(function, int(Code.VALUE))


class StationClient:
    """Stands for `vppd.links.modbus_wire.GuardedClient`: one connection to one station."""

    def __init__(self, station: Station, timeout_s: float, on_lost: Callable[[str], None]) -> None:
        self.connected = False
        self.ctx = self  # pymodbus keeps `drop` there
        self._station = station
        self._timeout_s = timeout_s
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._there, self._back = station.wires.pair(
            station.device, self._arrive, self._answered, self._garbled
        )

    async def connect(self) -> bool:
        """Connect. Raises OSError."""
        self._station.join(self)
        self.connected = True
        return True

    async def read_holding_registers(self, address: int, *, count: int, device_id: int) -> Answered:
        """Read. Raises ModbusException."""
        return await self._ask(Request(self._number, device_id, address, count, ()))

    async def write_registers(
        self, address: int, values: Sequence[int], *, device_id: int
    ) -> Answered:
        """Write. Raises ModbusException."""
        return await self._ask(Request(self._number, device_id, address, 0, values))

    def drop(self, reason: str) -> None:
        """Break the connection off."""
        self.lose(reason)

    def lose(self, reason: str) -> None:
        """End the connection, for whatever reason."""
        if not self.connected:
            return
        self.connected = False
        self._station.leave(self)
        self._there.cut()
        self._back.cut()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(LostError(reason))
        self._waiting.clear()
        self._on_lost(reason)

    async def _ask(self, request: Request) -> Answered:
        if not self.connected:
            raise LostError("not connected")
        number = self._number
        self._number = number + 1
        answer: asyncio.Future[Answered] = self._loop.create_future()
        self._waiting[number] = answer
        self._there.put(request)
        expiry = self._loop.call_later(self._timeout_s, self._expire, number)
        try:
            return await answer
        finally:
            expiry.cancel()
            self._waiting.pop(number, None)

    def _expire(self, number: int) -> None:
        self._fail(number, SilentError(f"no answer within {self._timeout_s:g} s"))

    def _fail(self, number: int, error: ModbusException) -> None:
        answer = self._waiting.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def _arrive(self, request: Request) -> None:
        """At the device, after the way there."""
        self._station.device.link_s = self._there.took_s
        told = self._station.answer(request)
        if told is not None:
            self._back.put((request.number, told))

    def _answered(self, item: tuple[int, Answered]) -> None:
        """Here again, after the way back."""
        number, told = item
        if self._station.device.dark:
            return
        answer = self._waiting.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_result(told)

    def _garbled(self, item: tuple[int, Answered]) -> None:
        """Here again, but nobody can read it."""
        self._fail(item[0], BadReplyError("answer to another request"))
