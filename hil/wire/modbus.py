"""Modbus TCP server of one device: MBAP framing, functions 3, 6 and 16, its link's latency.

Source: Modbus Messaging on TCP/IP Implementation Guide V1.0b (2006), Modbus Application Protocol
V1.1b3 (2012). Requests may be pipelined; they are answered in their order.
"""

import asyncio
import random
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol, cast

from hil.recording import LinkChange
from hil.wire.device import Device, Fate
from hil.wire.line import Line, reset

READ, WRITE_ONE, WRITE = 3, 6, 16
MOST_READ, MOST_WRITTEN = 125, 123
MBAP = struct.Struct(">HHHB")
UNIT_ID = 1


class Code(IntEnum):
    """Exception codes."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    PATH = 0x0A  # gateway path unavailable: no such unit behind this address


class RefusalError(Exception):
    """A request that the device answers with an exception code."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class Registers(Protocol):
    """Holding registers of a device."""

    def read(self, address: int, count: int) -> list[int]:
        """Words from an address on. Raises RefusalError."""

    def write(self, address: int, words: list[int]) -> Fate:
        """Write words, all or none of them. Raises RefusalError."""


def garbled(frame: bytes, rng: random.Random) -> bytes:
    """Spoil an answer: its transaction, its function, its count, or its end; never a value."""
    how = rng.randrange(4)
    if how == 3 and len(frame) > MBAP.size + 2:
        tid, protocol, length, unit_id = MBAP.unpack_from(frame)
        return MBAP.pack(tid, protocol, length - 2, unit_id) + frame[MBAP.size : -2]
    spoilt = bytearray(frame)
    spoilt[(1, MBAP.size, MBAP.size + 1)[how % 3]] ^= 0x2A
    return bytes(spoilt)


class ModbusConnection(asyncio.Protocol):
    """One connection to one device."""

    def __init__(
        self,
        device: Device,
        registers: Registers,
        rng: random.Random,
        latency_s: tuple[float, float],
        on_end: Callable[["ModbusConnection"], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        clock, link = device.clock, device.link
        self._device = device
        self._registers = registers
        self._inbound = Line(loop, rng, latency_s, self._handle, clock, faults=link)
        self._outbound = Line(loop, rng, latency_s, self._send, clock, faults=link, garble=garbled)
        self._on_end = on_end
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._device.linked(LinkChange.CONNECTED)

    def connection_lost(self, exc: Exception | None) -> None:
        """Lose what was under way."""
        del exc
        self._transport = None
        self._device.linked(LinkChange.LOST)
        self._inbound.cut()
        self._outbound.cut()
        self._on_end(self)

    def abort(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            reset(self._transport)

    def data_received(self, data: bytes) -> None:
        """Cut the stream into requests."""
        buffer = self._buffer + data if self._buffer else data
        while len(buffer) >= MBAP.size:
            _, protocol, length, _ = MBAP.unpack_from(buffer)
            if protocol != 0 or not 2 <= length <= 254:
                self.abort()  # out of step: nothing after this can be trusted
                return
            if len(buffer) < 6 + length:
                break
            self._inbound.put(buffer[: 6 + length])
            buffer = buffer[6 + length :]
        self._buffer = buffer

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._device.dark:
            self._transport.write(data)

    def _handle(self, request: bytes) -> None:
        """Carry out one request, at the device."""
        self._device.link_s = self._inbound.took_s
        tid, _, _, unit_id = MBAP.unpack_from(request)
        pdu = request[MBAP.size :]
        try:
            answer = self._answer(unit_id, pdu)
        except RefusalError as refusal:
            answer = bytes((pdu[0] | 0x80, refusal.code))
        if answer is not None:
            self._outbound.put(MBAP.pack(tid, 0, len(answer) + 1, unit_id) + answer)

    def _answer(self, unit_id: int, pdu: bytes) -> bytes | None:
        """Answer to a request; None: there is none. Raises RefusalError."""
        if unit_id != UNIT_ID:
            raise RefusalError(Code.PATH)
        function = pdu[0]
        if function == READ and len(pdu) == 5:
            address, count = struct.unpack_from(">HH", pdu, 1)
            if not 1 <= count <= MOST_READ:
                raise RefusalError(Code.VALUE)
            words = self._registers.read(address, count)
            return struct.pack(f">BB{count}H", READ, 2 * count, *words)
        if function == WRITE_ONE and len(pdu) == 5:
            address, word = struct.unpack_from(">HH", pdu, 1)
            return self._written(address, [word], pdu)
        if function == WRITE and len(pdu) >= 6:
            address, count, size = struct.unpack_from(">HHB", pdu, 1)
            if not 1 <= count <= MOST_WRITTEN or size != 2 * count or len(pdu) != 6 + size:
                raise RefusalError(Code.VALUE)
            words = list(struct.unpack_from(f">{count}H", pdu, 6))
            return self._written(address, words, pdu[:5])
        raise RefusalError(Code.VALUE if function in (READ, WRITE_ONE, WRITE) else Code.FUNCTION)

    def _written(self, address: int, words: list[int], echo: bytes) -> bytes | None:
        fate = self._registers.write(address, words)
        if fate is Fate.REFUSED:
            raise RefusalError(Code.VALUE)
        return None if fate is Fate.LOST else echo
