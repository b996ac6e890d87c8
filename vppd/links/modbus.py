"""Modbus TCP: registers of the units behind one connection.

One transaction is in flight at a time (gateways, and many devices, lose the second of two), and
writes take their turn before reads. Where the device takes it (`pipelining`), a write does not
wait for a read. A request is sent once or not at all.
"""

import asyncio
import logging
import math
import random
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from vppd.config import messages
from vppd.config.fields import about, number, text
from vppd.config.schema import LinkConfig
from vppd.links.base import Answer, LinkError, RefusedError
from vppd.links.modbus_wire import GuardedClient
from vppd.links.supervise import Backoff, LinkState, keep_connected
from vppd.links.tls import client_context, tls_words
from vppd.links.turn import Turn

# Exceptions after which the write may still be carried out: the device is at it, or the gateway
# passed it on and heard nothing.
ACCEPTED = Answer.ACCEPTED
NOT_A_REFUSAL = (ExcCodes.ACKNOWLEDGE, ExcCodes.GATEWAY_NO_RESPONSE)

# pymodbus logs each failed request as an error, with a dump of frames. Users of a link log changes.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class ModbusTcpConfig(LinkConfig):
    """A Modbus TCP device or gateway."""

    TYPE = "modbus_tcp"

    host: str = field(default="127.0.0.1", metadata=text("address of the device or gateway"))
    port: int = field(default=502, metadata=number("", "TCP port", minimum=1.0, maximum=65535.0))
    timeout_s: float = field(
        default=0.5,
        metadata=number("s", "deadline of each answer and of a connect", above=0.0, maximum=10.0),
    )
    backoff_min_s: float = field(
        default=0.1,
        metadata=number("s", "first wait before connecting again", above=0.0, maximum=60.0),
    )
    backoff_max_s: float = field(
        default=2.0,
        metadata=number("s", "longest wait before connecting again", above=0.0, maximum=300.0),
    )
    dead_after: int = field(
        default=3,
        metadata=number(
            "", "unanswered requests in a row that end a connection", minimum=1.0, maximum=100.0
        ),
    )
    pipelining: bool = field(
        default=False,
        metadata=about("the device takes a write while it is still answering a read"),
    )
    write_wait_max_s: float = field(
        default=1.0,
        metadata=number(
            "s",
            "a write that does not get its turn on a shared connection by then is not sent",
            above=0.0,
            maximum=60.0,
        ),
    )

    ca_file: str | None = field(
        default=None,
        metadata=text("certificates of who signs the device's; turns Modbus/TCP Security on"),
    )
    cert_file: str | None = field(default=None, metadata=text("our certificate, PEM"))
    key_file: str | None = field(default=None, metadata=text("our key, PEM"))

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        found = []
        if self.backoff_min_s > self.backoff_max_s:
            message = f"must be at least backoff_min_s = {self.backoff_min_s:g} s"
            found.append(("backoff_max_s", message))
        if self.ca_file is None and (self.cert_file or self.key_file):
            found.append(("ca_file", messages.TLS_HALF.format(given="cert_file")))
        return found


class ModbusTcpLink(LinkState):
    """RegisterLink to one device or gateway.

    `client` makes what stands for one connection (the bench has one in memory).
    """

    def __init__(
        self,
        config: ModbusTcpConfig,
        rng: random.Random | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        base_dir: Path = Path(),
        client: Callable[..., Any] = GuardedClient,
    ) -> None:
        super().__init__()
        self._make_client = client
        self.unanswered = 0  # requests without a good answer, since the start
        self._config = config
        self._tls: dict[str, ssl.SSLContext] = {}
        if config.ca_file is not None:
            files = (config.ca_file, config.cert_file, config.key_file)
            self._tls = {"tls": client_context(base_dir, *files)}
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s, rng or random.Random())
        self._read_turn = Turn(clock)
        self._write_turn = Turn(clock) if config.pipelining else self._read_turn
        self._client: Any = None  # as GuardedClient
        self._silent = 0  # unanswered requests in a row
        self._proven = False  # a good answer came, since the last one that did not

    async def keep(self) -> None:
        """Connect and stay connected until cancelled. Never raises but CancelledError."""
        await keep_connected(self, self._session, self._backoff)

    async def read_registers(self, unit_id: int, address: int, count: int) -> list[int]:
        """Read holding registers. Raises RefusedError, or LinkError (no answer, malformed)."""
        turn = self._read_turn
        if not turn.take():
            await turn.wait_to_read()
        try:
            client = self._client
            if client is None or not client.connected:
                raise LinkError(self.reason or "not connected")
            reply = await client.read_holding_registers(address, count=count, device_id=unit_id)
        except ModbusException as error:
            raise self._failed(error) from error
        finally:
            turn.give()
        if not self._proven:
            self._prove()
        if isinstance(reply, ExceptionResponse):
            raise RefusedError(f"read of {count} registers at {address}: {_name(reply)}")
        registers: list[int] = reply.registers  # of this answer alone
        return registers

    async def write_registers(
        self, unit_id: int, address: int, words: Sequence[int], before_s: float = math.inf
    ) -> Answer:
        """Write holding registers in one transaction (function 16). Never re-sent.

        Raises LinkError when nothing was sent: no connection; ExpiredError: no turn in time.
        """
        turn = self._write_turn
        if not turn.take():
            await turn.wait_to_write(before_s, self._config.write_wait_max_s)
        try:
            client = self._client
            if client is None or not client.connected:
                raise LinkError(self.reason or "not connected")
            reply = await client.write_registers(address, [*words], device_id=unit_id)
        except ModbusException as error:
            self._failed(error)
            return Answer.UNKNOWN
        finally:
            turn.give()
        if not self._proven:
            self._prove()
        if not isinstance(reply, ExceptionResponse):
            return ACCEPTED
        return Answer.UNKNOWN if reply.exception_code in NOT_A_REFUSAL else Answer.REFUSED

    async def _session(self) -> str:
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_lost(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)
                self.set_down(reason)  # at once, not when this task gets to run

        client = self._make_client(
            self._config.host, self._config.port, self._config.timeout_s, on_lost, **self._tls
        )
        try:
            await _connect(client)
            self._client, self._silent, self._proven = client, 0, False
            self.set_up()
            return await lost
        finally:
            self._client = None
            client.ctx.drop("stopped")

    def _prove(self) -> None:
        """Take a good answer for the proof that the peer lives."""
        self._silent = 0
        self._proven = True
        self._backoff.reset()

    def _failed(self, error: ModbusException) -> LinkError:
        """Count a request without a good answer; after a few in a row the connection is dead.

        A half-open TCP connection never says so, and neither does a frozen peer.
        """
        self.unanswered += 1
        self._silent += 1
        self._proven = False
        if self._silent >= self._config.dead_after and self._client is not None:
            self._client.ctx.drop(f"{self._silent} requests in a row without a good answer")
        return LinkError(error.string)


async def _connect(client: Any) -> None:
    """Connect; a certificate that is not good enough is told in words, not as its errno."""
    try:
        await client.connect()
    except ssl.SSLError as error:
        raise LinkError(tls_words(error)) from error


def _name(reply: ModbusPDU) -> str:
    code = reply.exception_code
    if code in list(ExcCodes):
        return f"exception {code}, {ExcCodes(code).name.replace('_', ' ').lower()}"
    return f"exception {code}"
