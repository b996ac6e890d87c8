"""One TCP connection of a DNP3 master: octets of py1815's association, deadlines of ours.

py1815 gives the protocol (`MasterAssociation`: no socket, no timer), asyncio the transport. Its own
asyncio master is not used: it keeps a trace of every frame, waits with one timer task a request
and lets a peer that never ends its response extend the deadline fragment by fragment.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from py1815.application import FunctionCode
from py1815.master.association import Exchange, MasterAssociation

# A response to a poll takes 40 octets here, a full fragment of 2,048 takes 2,404 on the wire. A
# peer that sends more between two requests is broken or hostile: its parsing would cost 36 ms a
# fragment, which all other links would wait for (Robus: endless responses, huge object counts).
OCTETS_MAX = 4096

# What a peer does is counted and logged once by the link; the library would write a line a frame.
logging.getLogger("py1815").setLevel(logging.CRITICAL)


class Dnp3Wire(asyncio.Protocol):
    """Transport of one association, until it is lost."""

    def __init__(self, association: MasterAssociation, lost: Callable[[str], None]) -> None:
        self._association = association
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Exchange | None] | None = None
        self._octets = 0
        self._reason = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: half a frame of the last connection means nothing to this one."""
        self._transport = cast("asyncio.Transport", transport)
        self._association.connection_reset()
        self._association.take()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the link why, once; whoever waits for an answer gets none."""
        self._transport = None
        self._end_exchange()
        self._lost(self._reason or (f"connection lost: {exc}" if exc else "closed by the peer"))

    def drop(self, reason: str) -> None:
        """Break the connection at once, with the reason to tell."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Feed the association; confirm what asks for it; hand over a finished exchange."""
        self._octets += len(data)
        if self._octets > OCTETS_MAX:
            self.drop(f"more than {OCTETS_MAX} octets without a request")
            return
        reply = self._association.receive(data)
        if reply and self._transport is not None:
            self._transport.write(reply)
        self._association.take_unsolicited()  # not asked for, not used, but confirmed
        if not self._association.busy:
            exchange = self._association.take()
            if exchange is not None and self._answer is not None and not self._answer.done():
                self._answer.set_result(exchange)

    async def exchange(
        self, function: FunctionCode, body: bytes, timeout_s: float
    ) -> Exchange | None:
        """Send one request, once. None: no whole answer within `timeout_s`, or cut off.

        The deadline is absolute: fragments that trickle in do not move it.
        """
        if self._transport is None:
            return None
        loop = asyncio.get_running_loop()
        self._octets = 0
        self._answer = loop.create_future()
        timer = loop.call_later(timeout_s, self._end_exchange)
        try:
            self._transport.write(self._association.request(function, body))
            return await self._answer
        finally:
            timer.cancel()
            self._answer = None
            # Unanswered or cancelled: forget it, so that a late answer is dropped by its sequence
            # number and the next request may go out.
            self._association.abandon()
            self._association.take()

    def _end_exchange(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
