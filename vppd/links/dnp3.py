"""DNP3 (IEEE 1815-2012) master over TCP: the points of one outstation.

Nothing is ever sent twice: an unanswered command is UNKNOWN and the next tick's value follows it.
A request made while there is no connection raises LinkError: it never left this machine, which is
neither "refused" nor "may have arrived".
"""

import asyncio
import math
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from py1815.application import FunctionCode, IIN2Bit, IINBit, all_objects_header
from py1815.control import CommandStatus
from py1815.decode import PointType
from py1815.master import controls, requests
from py1815.master.association import Exchange, MasterAssociation

from vppd.config.fields import number, text
from vppd.config.schema import LinkConfig
from vppd.links.base import Answer, LinkError, RefusedError
from vppd.links.dnp3_wire import Dnp3Wire
from vppd.links.supervise import Backoff, LinkState, keep_connected
from vppd.links.tls import client_context, tls_words
from vppd.links.turn import Turn
from vppd.points.dnp3_table import ONLINE

# Variation of group 41. Left to itself py1815 sends 50.0 as int16, which a point with a scale
# reads as another value than the float 50.0.
FLOAT32 = 3

# What a poll asks of group 30. Not class 0: it may hold groups that py1815 cannot read, and its
# analog inputs come as integers from many outstations.
COUNTERS = all_objects_header(20, 0)
POLLS = {"float": all_objects_header(30, 5), "default": all_objects_header(30, 0)}

IIN2_REFUSED = {
    IIN2Bit.FUNC_NOT_SUPPORTED: "function not supported",
    IIN2Bit.OBJECT_UNKNOWN: "object unknown",
    IIN2Bit.PARAM_ERROR: "parameter error",
}


@dataclass(frozen=True, slots=True)
class Dnp3TcpConfig(LinkConfig):
    """A DNP3 outstation on TCP."""

    TYPE = "dnp3_tcp"

    host: str = field(default="127.0.0.1", metadata=text("address of the outstation"))
    port: int = field(default=20000, metadata=number("", "TCP port", minimum=1.0, maximum=65535.0))
    outstation_address: int = field(
        default=1024, metadata=number("", "its link address", minimum=0.0, maximum=65519.0)
    )
    master_address: int = field(
        default=1, metadata=number("", "our link address", minimum=0.0, maximum=65519.0)
    )
    timeout_s: float = field(
        default=0.5, metadata=number("s", "deadline of each answer", above=0.0, maximum=10.0)
    )
    connect_timeout_s: float = field(
        default=2.0, metadata=number("s", "deadline of each connect", above=0.0, maximum=30.0)
    )
    backoff_min_s: float = field(
        default=0.1, metadata=number("s", "first wait before connecting again", above=0.0)
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
    poll: str = field(
        default="float",
        metadata=text(
            "analog inputs as 32-bit floats, or as the outstation sends them by itself",
            "float",
            "default",
        ),
    )
    ca_file: str | None = field(
        default=None, metadata=text("certificates of who signs the outstation's; turns TLS on")
    )
    cert_file: str | None = field(default=None, metadata=text("our certificate, PEM"))
    key_file: str | None = field(default=None, metadata=text("our key, PEM"))

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        found = []
        if self.outstation_address == self.master_address:
            found.append(("master_address", "must differ from outstation_address"))
        if self.backoff_min_s > self.backoff_max_s:
            found.append(("backoff_max_s", f"must be at least {self.backoff_min_s:g} s"))
        if self.ca_file is None and (self.cert_file or self.key_file):
            found.append(("ca_file", "missing; cert_file and key_file are for TLS"))
        return found


class Dnp3Link(LinkState):
    """PointLink to one outstation."""

    def __init__(
        self,
        config: Dnp3TcpConfig,
        rng: random.Random | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        base_dir: Path = Path(),
    ) -> None:
        super().__init__()
        self.unanswered = 0  # requests without a whole answer, since the start
        self._config = config
        # One association for all connections: an outstation takes a request with the sequence
        # number and octets of the last one for a repeat, and does not act on it.
        self._association = MasterAssociation(
            outstation_address=config.outstation_address, master_address=config.master_address
        )
        self._tls = None
        if config.ca_file is not None:
            self._tls = client_context(base_dir, config.ca_file, config.cert_file, config.key_file)
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s, rng or random.Random())
        self._turn = Turn(clock)
        self._wire: Dnp3Wire | None = None
        self._silent = 0  # unanswered in a row
        self._restarted = False  # the outstation says so
        self._clear_tried = False

    async def keep(self) -> None:
        """Connect and stay connected until cancelled. Never raises but CancelledError."""
        await keep_connected(self, self._session, self._backoff)

    async def operate(
        self,
        analog_outputs: dict[int, float],
        *,
        select: bool = False,
        before_s: float = math.inf,
    ) -> Answer:
        """Write analog outputs as 32-bit floats in one request. Never re-sent.

        UNKNOWN: no whole answer in time, or one that is not about this request. With `select` an
        unanswered select is UNKNOWN too, though then nothing was operated. Raises LinkError if
        there is no connection, ExpiredError if it could not leave before `before_s`, ValueError
        for a value that no float can carry.
        """
        commands = controls.commands(analog_outputs=analog_outputs, variation=FLOAT32)
        body = controls.encode(commands)
        if not self._turn.take():
            await self._turn.wait_to_write(before_s)
        try:
            await self._clear_restart()
            if select:
                self._turn.hold_to(before_s)
                answer = self._judge(commands, await self._ask(FunctionCode.SELECT, body))
                if answer is not Answer.ACCEPTED:
                    return answer
            self._turn.hold_to(before_s)
            function = FunctionCode.OPERATE if select else FunctionCode.DIRECT_OPERATE
            return self._judge(commands, await self._ask(function, body))
        finally:
            self._turn.give()

    async def read_analog_inputs(self) -> dict[int, tuple[float, int]]:
        """All analog inputs: index -> (value, DNP3 flags octet). Raises LinkError, RefusedError."""
        values = await self._read(POLLS[self._config.poll], PointType.ANALOG_INPUT)
        if not values:
            raise self._broken("malformed answer: no analog inputs in it")
        self._backoff.reset()
        return values

    async def read_counters(self) -> dict[int, tuple[float, int]]:
        """All counters: index -> (value, DNP3 flags octet). Raises LinkError, RefusedError.

        None at all: the outstation has no counters, and does not mind being asked.
        """
        return await self._read(COUNTERS, PointType.COUNTER)

    async def _read(self, poll: bytes, kind: PointType) -> dict[int, tuple[float, int]]:
        """Values of one kind in the answer to a poll."""
        if not self._turn.take():
            await self._turn.wait_to_read()
        try:
            exchange = await self._ask(FunctionCode.READ, poll)
        finally:
            self._turn.give()
        if exchange is None:
            raise LinkError(f"no answer within {self._config.timeout_s:g} s")
        refusal = _refusal(exchange)
        if refusal:
            raise RefusedError(f"poll refused: {refusal}")
        if exchange.undecoded:
            raise self._broken(f"malformed answer: {exchange.undecoded[0].problem}")
        return {
            each.index: (float(each.value), ONLINE if each.flags is None else each.flags)
            for each in exchange.objects
            if each.point is kind
            and not each.event
            and each.index is not None
            and each.value is not None
        }

    async def _session(self) -> str:
        """One connection, from its making to its loss. Returns why it was lost."""
        config = self._config
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()

        def on_lost(reason: str) -> None:
            self._wire = None
            self.set_down(reason)  # at once, not when this task gets to run
            if not lost.done():
                lost.set_result(reason)

        wire = Dnp3Wire(self._association, on_lost)
        try:
            async with asyncio.timeout(config.connect_timeout_s):
                await loop.create_connection(lambda: wire, config.host, config.port, ssl=self._tls)
        except TimeoutError as error:
            raise LinkError(f"no connection within {config.connect_timeout_s:g} s") from error
        except ssl.SSLError as error:
            raise LinkError(tls_words(error)) from error
        if lost.done():  # accepted and closed in one go
            return lost.result()
        self._wire = wire
        self._silent = 0
        self._restarted = self._clear_tried = False
        self.set_up()
        try:
            return await lost
        finally:
            wire.drop("stopped")

    async def _ask(self, function: FunctionCode, body: bytes) -> Exchange | None:
        """One request, once. None: not answered. Raises LinkError without a connection."""
        wire = self._wire
        if wire is None:
            raise LinkError(self.reason or "not connected")
        exchange = await wire.exchange(function, body, self._config.timeout_s)
        if exchange is None or exchange.iin is None:
            self.unanswered += 1
            self._silent += 1
            if self._silent >= self._config.dead_after:
                # Connected says nothing: the kernel of a frozen peer keeps the connection up.
                wire.drop(f"no answer to {self._silent} requests in a row")
            return None
        self._silent = 0
        self._note_restart(restarted=exchange.iin.is_set(IINBit.DEVICE_RESTART))
        return exchange

    def _note_restart(self, *, restarted: bool) -> None:
        """See a restart behind a connection that lives on (a gateway, say): a new epoch.

        What was asserted is lost then, as after a new connection.
        """
        if restarted and not self._restarted and self._clear_tried:
            self._clear_tried = False
            self.set_up()
        self._restarted = restarted

    async def _clear_restart(self) -> None:
        """Clear the restart indication, once, so that the next restart can be seen.

        It is a write, so it goes out with the first command and never while only reading.
        """
        if self._restarted and not self._clear_tried:
            self._clear_tried = True
            await self._ask(FunctionCode.WRITE, requests.clear_restart())

    def _judge(self, commands: tuple[controls.Command, ...], exchange: Exchange | None) -> Answer:
        """Three values of a command, from the status of each point and not from the reply."""
        if exchange is None:
            return Answer.UNKNOWN
        statuses = controls.read_statuses(commands, exchange)
        if all(status.accepted for status in statuses):
            self._backoff.reset()
            return Answer.ACCEPTED
        if _refusal(exchange) or any(
            status.status not in (None, CommandStatus.SUCCESS) for status in statuses
        ):
            return Answer.REFUSED
        return Answer.UNKNOWN  # no status, or the echo of another value

    def _broken(self, reason: str) -> LinkError:
        """Break a connection whose peer sends what nobody can read; the error to raise."""
        if self._wire is not None:
            self._wire.drop(reason)
        return LinkError(reason)


def _refusal(exchange: Exchange) -> str:
    """Say which indication refuses the whole request; empty if none does."""
    iin = exchange.iin
    return ", ".join(name for bit, name in IIN2_REFUSED.items() if iin and iin.is_set(bit))
