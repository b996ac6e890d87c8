"""pymodbus' TCP client with the guards that it lacks; `docs/decisions/0001` has the figures.

pymodbus gives transport, transaction numbers and the encoding of requests. Replaced is what stands
between a request and its answer, because pymodbus 3.16

- sends a write again on each retry (four copies in 12 s, by default);
- takes a reply with another function code, count, address or odd octet count, or transaction 0;
- leaves a request waiting when the connection breaks, and raises into the event loop on junk;
- waits with `asyncio.wait_for`, which in Python 3.11 loses a cancellation that comes together with
  the answer: a daemon could not be stopped.
"""

import asyncio
import ssl
import struct
from collections.abc import Callable
from typing import Any, cast

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerBase
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    WriteMultipleRegistersResponse,
)
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType

from vppd.links.supervise import words

HEADER = struct.Struct(">HHH")  # transaction, protocol, octets that follow
READ_HOLDING = 3
WRITE_MULTIPLE = 16
OCTETS_MIN = 3  # unit, function, one octet of data
OCTETS_MAX = 254  # Modbus Messaging on TCP/IP V1.0b, 4.1: 260 with the header
STRAYS_MAX = 8  # late answers may come; a flood is not an answer to anything


class BadReplyError(ModbusException):
    """A frame came for this request that is no answer to it."""


class SilentError(ModbusException):
    """No answer in time."""


class LostError(ModbusException):
    """The connection broke before the answer came."""


class GuardedTransactions(TransactionManager):
    """Requests that are sent once, and end with their own answer or with a reason.

    How many are in flight is the caller's business; answers find them by transaction number.
    """

    def __init__(
        self, params: CommParams, framer: FramerBase, on_lost: Callable[[str], None]
    ) -> None:
        super().__init__(params, framer, 0, False, None, None, None)
        self.strays = 0  # frames since the last request that belonged to none
        self._on_lost = on_lost
        self._waiting: dict[int, tuple[ModbusPDU, asyncio.Future[ModbusPDU]]] = {}
        self._buffer = b""

    async def connect(self) -> bool:
        """Connect once. Raises OSError with the reason, which pymodbus only logs."""
        self.is_closing = False
        timeout_s = self.comm_params.timeout_connect
        try:
            async with asyncio.timeout(timeout_s):
                await self.call_create()  # connection_made() sets the transport
        except TimeoutError:
            raise TimeoutError(f"no connection within {timeout_s:g} s") from None
        if not self.is_active():
            raise ConnectionResetError("closed by the peer at once")
        return True

    async def execute(self, no_response_expected: bool, request: ModbusPDU) -> ModbusPDU:
        """Send a request and wait for its answer. Raises BadReply-, Silent- or LostError."""
        if no_response_expected:
            raise ValueError("every request is answered")
        if not self.is_active():
            raise LostError("not connected")
        request.transaction_id = transaction = self.getNextTID()
        answer: asyncio.Future[ModbusPDU] = self.loop.create_future()
        self._waiting[transaction] = request, answer
        self.strays = 0
        expiry = self.loop.call_later(self.comm_params.timeout_connect, self._expire, transaction)
        try:
            self.pdu_send(request)
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled():
                answer.exception()  # nobody else will look at it
            raise
        finally:
            expiry.cancel()
            self._waiting.pop(transaction, None)

    def data_received(self, data: bytes) -> None:
        """Cut the stream into frames. What is not Modbus ends the connection."""
        buffer, start = self._buffer + data, 0
        while self.transport and len(buffer) - start >= HEADER.size:
            transaction, protocol, octets = HEADER.unpack_from(buffer, start)
            if protocol != 0 or not OCTETS_MIN <= octets <= OCTETS_MAX:
                self.drop(f"sends no Modbus: protocol {protocol}, length {octets}")
                return
            end = start + HEADER.size + octets
            if end > len(buffer):
                break
            self._frame(transaction, buffer[start + HEADER.size : end])
            start = end
        self._buffer = buffer[start:] if self.transport else b""

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Fail the request that waits: pymodbus would let it run into its time-out."""
        self._lost("closed by the peer" if exc is None else words(exc))

    def drop(self, reason: str) -> None:
        """Break the connection off at once. Nothing that still waits is sent."""
        transport = cast("asyncio.Transport | None", self.transport)
        if transport is None:
            return
        transport.abort()  # before close(), which would first send what it holds
        self.close()
        self._lost(reason)

    def _frame(self, transaction: int, body: bytes) -> None:
        if transaction not in self._waiting:
            self.strays += 1
            if self.strays > STRAYS_MAX:
                self.drop("sends what nobody asked for")
            return
        request, answer = self._waiting.pop(transaction)
        if answer.done():  # cancelled in this very moment
            return
        fault = reply_fault(request, body)
        if fault:
            answer.set_exception(BadReplyError(fault))
        else:
            answer.set_result(decode_reply(request, body))

    def _expire(self, transaction: int) -> None:
        waiting = self._waiting.pop(transaction, None)
        if waiting is None or waiting[1].done():
            return
        timeout_s, why = self.comm_params.timeout_connect, ""
        if self._buffer and not self._waiting:
            why = "half an answer, then silence"  # the next one would be taken for its rest
        waiting[1].set_exception(SilentError(why or f"no answer within {timeout_s:g} s"))
        if why:
            self.drop(why)

    def _lost(self, reason: str) -> None:
        self._buffer = b""
        for _request, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(LostError(reason))
        self._waiting.clear()
        self._on_lost(reason)


def reply_fault(request: ModbusPDU, body: bytes) -> str:
    """Say why a frame (from the unit id on) is no answer to a request; empty if it is one."""
    unit_id, function, asked = body[0], body[1], request.function_code
    if unit_id != request.dev_id:
        return f"answer of unit {unit_id} to a request to unit {request.dev_id}"
    if function == asked | 0x80:
        return "" if len(body) == 3 else f"exception of {len(body)} octets"
    if function != asked:
        return f"function code 0x{function:02x} in answer to 0x{asked:02x}"
    if function == READ_HOLDING:
        octets, wanted = body[2], 2 * request.count
        if octets != wanted or len(body) != 3 + wanted:
            return f"{octets} octets announced, {len(body) - 3} sent, {wanted} asked for"
        return ""
    if len(body) != 6:
        return f"{len(body)} octets in answer to a write"
    address, count = struct.unpack_from(">HH", body, 2)
    if (address, count) != (request.address, request.count):
        return f"{count} registers at {address} acknowledged, {request.count} at {request.address}"
    return ""


def decode_reply(request: ModbusPDU, body: bytes) -> ModbusPDU:
    """Build pymodbus' record of a frame that `reply_fault` found good."""
    same: Any = {"dev_id": request.dev_id, "transaction_id": request.transaction_id}
    if body[1] & 0x80:
        return ExceptionResponse(body[1], body[2], request.dev_id, request.transaction_id)
    if body[1] == WRITE_MULTIPLE:
        return WriteMultipleRegistersResponse(address=request.address, count=request.count, **same)
    registers = list(struct.unpack_from(f">{request.count}H", body, 3))
    return ReadHoldingRegistersResponse(registers=registers, **same)


class GuardedClient(AsyncModbusTcpClient):
    """A client for one connection. `on_lost(reason)` is called once, when that has broken."""

    ctx: GuardedTransactions

    def __init__(
        self,
        host: str,
        port: int,
        timeout_s: float,
        on_lost: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(host, port=port, timeout=timeout_s, retries=0, reconnect_delay=0)
        if tls is not None:  # as pymodbus' own TLS client, which has another framer's timing
            self.comm_params.comm_type, self.comm_params.sslctx = CommType.TLS, tls
        self.ctx = GuardedTransactions(self.comm_params, self.ctx.framer, on_lost)
