"""Modbus peers for the tests: a raw socket that says what it is told to, and one with registers.

The frames are typed here by hand (Modbus Application Protocol V1.1b3, Messaging on TCP/IP V1.0b),
so that no library's opinion of them is in the way.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from pyModbusTCP.server import DataBank, ModbusServer

READ, WRITE = 3, 16


@dataclass
class Frame:
    """One request as it came over the wire."""

    transaction: int
    unit_id: int
    function: int
    data: bytes  # after the function code

    @property
    def address(self) -> int:
        return struct.unpack_from(">H", self.data)[0]

    @property
    def count(self) -> int:
        return struct.unpack_from(">H", self.data, 2)[0]

    @property
    def words(self) -> list[int]:
        """Registers of a write."""
        return list(struct.unpack_from(f">{self.count}H", self.data, 5))


def reply(frame: Frame, body: bytes, *, transaction: int | None = None, unit_id: int | None = None):
    """Bytes of an answer: `body` from the function code on."""
    return (
        struct.pack(
            ">HHHB",
            frame.transaction if transaction is None else transaction,
            0,
            len(body) + 1,
            frame.unit_id if unit_id is None else unit_id,
        )
        + body
    )


def registers_body(words: list[int], *, function: int = READ) -> bytes:
    """Body of a good answer to a read."""
    return bytes([function, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words)


class RawPeer:
    """A TCP server. `answer(frame)` gives the bytes to send back, or None for silence."""

    def __init__(self, answer: Callable[[Frame], bytes | None], *, port: int = 0) -> None:
        self.answer = answer
        self.frames: list[Frame] = []
        self.connections = 0
        self.port = port
        self.transports: list[asyncio.Transport] = []
        self.on_connect: Callable[[asyncio.Transport], None] = lambda _transport: None

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Serving(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the door and every connection."""
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break every connection."""
        for transport in self.transports:
            transport.abort()
        self.transports.clear()

    def send(self, data: bytes) -> None:
        """Send bytes nobody asked for, on every connection."""
        for transport in self.transports:
            transport.write(data)

    @property
    def writes(self) -> list[Frame]:
        return [frame for frame in self.frames if frame.function == WRITE]

    @property
    def reads(self) -> list[Frame]:
        return [frame for frame in self.frames if frame.function == READ]


class _Serving(asyncio.Protocol):
    def __init__(self, peer: RawPeer) -> None:
        self.peer, self.buffer = peer, b""

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.peer.connections += 1
        self.peer.transports.append(transport)
        self.peer.on_connect(transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= 8:
            transaction, _, octets, unit_id, function = struct.unpack_from(">HHHBB", self.buffer)
            if len(self.buffer) < 6 + octets:
                return
            frame = Frame(transaction, unit_id, function, self.buffer[8 : 6 + octets])
            self.buffer = self.buffer[6 + octets :]
            self.peer.frames.append(frame)
            answer = self.peer.answer(frame)
            if answer is not None:
                self.transport.write(answer)


@dataclass
class Registers:
    """What a device with holding registers answers. It has the addresses of `image`, no others."""

    image: dict[int, int]
    refuse_writes: int = 0  # exception code
    swallow_writes: int = 0  # that many writes are carried out, but not answered
    silent: bool = False
    fixed: set[int] = field(default_factory=set)  # writes to these are acknowledged, and ignored
    unit_ids: set[int] = field(default_factory=lambda: {1})

    def __call__(self, frame: Frame) -> bytes | None:
        if self.silent:
            return None
        if frame.unit_id not in self.unit_ids:
            return reply(frame, bytes([frame.function | 0x80, 0x0B]))
        span = range(frame.address, frame.address + frame.count)
        if not all(address in self.image for address in span):
            return reply(frame, bytes([frame.function | 0x80, 2]))
        if frame.function == READ:
            return reply(frame, registers_body([self.image[a] for a in span]))
        return self._write(frame, span)

    def _write(self, frame: Frame, span: range) -> bytes | None:
        if self.refuse_writes:
            return reply(frame, bytes([frame.function | 0x80, self.refuse_writes]))
        for address, word in zip(span, frame.words, strict=True):
            if address not in self.fixed:
                self.image[address] = word
        if self.swallow_writes:
            self.swallow_writes -= 1
            return None
        return reply(frame, bytes([WRITE]) + frame.data[:4])


class IndependentServer:
    """pyModbusTCP's server in its own threads: an implementation that shares nothing with ours."""

    def __init__(self, size: int = 0x10000) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.bank = DataBank(h_regs_size=size)
        self._server = ModbusServer("127.0.0.1", self.port, no_block=True, data_bank=self.bank)

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.stop()

    def load(self, address: int, words: list[int]) -> None:
        assert self.bank.set_holding_registers(address, words)

    def words(self, address: int, count: int) -> list[int]:
        return self.bank.get_holding_registers(address, count)
