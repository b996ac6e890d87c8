"""Modbus devices in memory: pymodbus' client, as `vppd.links.modbus` uses it, without frames."""

from collections.abc import Callable

from pymodbus.pdu import ExceptionResponse

from hil.recording import LinkChange
from hil.sim.requests import Requests
from hil.sim.wires import Asked, Wires
from hil.wire.device import Device, Fate
from hil.wire.modbus import UNIT_ID, Code, RefusalError, Registers
from vppd.links.modbus_wire import BadReplyError, LostError, SilentError

READ, WRITE = 3, 16
DONE, LOST = Fate.DONE, Fate.LOST
NOT_CONNECTED = "not connected"


class Reply:
    """What a good answer says; without a constructor, which would take as long as the answer."""

    __slots__ = ("registers",)
    registers: list[int]


WRITTEN = Reply()
WRITTEN.registers = []
NO_WORDS: list[int] = []  # of a read
Answered = Reply | ExceptionResponse
Request = tuple[int, int, int, list[int]]  # unit id, address, registers to read, words to write


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
        unit_id, address, count, words = request
        if unit_id != UNIT_ID:
            return ExceptionResponse(READ if count else WRITE, int(Code.PATH))
        try:
            if count:
                reply = Reply()
                reply.registers = self.registers.read(address, count)
                return reply
            fate = self.registers.write(address, words)
        except RefusalError as refusal:
            return ExceptionResponse(READ if count else WRITE, int(refusal.code))
        if fate is LOST:
            return None
        return WRITTEN if fate is DONE else ExceptionResponse(WRITE, int(Code.VALUE))


class StationClient(Requests):
    """Stands for `vppd.links.modbus_wire.GuardedClient`: one connection to one station."""

    def __init__(self, station: Station, timeout_s: float, on_lost: Callable[[str], None]) -> None:
        super().__init__(station.wires, station.device, timeout_s, station.answer)
        self.ctx = self  # pymodbus keeps `drop` there
        self._station = station
        self._on_lost = on_lost

    async def connect(self) -> bool:
        """Connect. Raises OSError."""
        self._station.join(self)
        self.connected = True
        return True

    def read_holding_registers(self, address: int, *, count: int, device_id: int) -> Asked:
        """Read. Raises ModbusException, at once or when awaited."""
        if not self.connected:
            raise LostError(NOT_CONNECTED)
        return self.ask((device_id, address, count, NO_WORDS))

    def write_registers(self, address: int, values: list[int], *, device_id: int) -> Asked:
        """Write. Raises ModbusException, at once or when awaited."""
        if not self.connected:
            raise LostError(NOT_CONNECTED)
        return self.ask((device_id, address, 0, values))

    def drop(self, reason: str) -> None:
        """Break the connection off."""
        self.lose(reason)

    def lose(self, reason: str) -> None:
        """End the connection, for whatever reason."""
        if not self.connected:
            return
        self._station.leave(self)
        for asked in self.end():
            asked.set_exception(LostError(reason))
        self._on_lost(reason)

    def _give_up(self, asked: Asked) -> None:
        asked.set_exception(SilentError(f"no answer within {self._timeout_s:g} s"))

    def _unreadable(self, asked: Asked, _deadline_s: float) -> None:
        if self._waits(asked):
            asked.set_exception(BadReplyError("answer to another request"))
