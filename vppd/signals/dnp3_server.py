"""One TCP connection of a DNP3 outstation: octets to py1815's session, limits of ours.

py1815 gives the protocol (`Session`: octets in, octets out), asyncio the socket. Its own server is
not used: any second connection displaces the master before anything is asked of it, and it admits
by certificate only. Here the address of a peer is checked before it can displace anyone.
"""

import asyncio
import logging
import math
import ssl
from typing import Protocol, cast

from py1815.server import PeerRefused, authorize
from py1815.session import Session

# An AGC operate takes 25 octets on the wire, an integrity poll 30. A peer that sends more than
# this within a second is broken, and is cut off before its octets are parsed.
OCTETS_PER_S_MAX = 16384

# What a peer does wrong is counted and logged once by the signal; the library would write a line
# a frame.
logging.getLogger("py1815").setLevel(logging.CRITICAL)


class Owner(Protocol):
    """What a connection needs of the outstation it belongs to."""

    session: Session
    received_s: float  # when the octets now being parsed came
    idle_timeout_s: float
    allowed_names: frozenset[str]

    def clock(self) -> float:
        """Monotonic, s."""

    def admits(self, host: str) -> bool:
        """Whether a peer may connect, by its IP address."""

    def opened(self, connection: "Connection", host: str) -> None:
        """Take an admitted connection for the master's."""

    def ended(self, connection: "Connection", reason: str) -> None:
        """Note the end of a connection."""

    def note(self, event: str, **fields: str) -> None:
        """Count what was refused."""


class Connection(asyncio.Protocol):
    """One TCP connection; the newest admitted one is the master's."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._admitted = False
        self._reason = ""
        self._window_s = -math.inf
        self._octets = 0
        self._heard_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the peer in, or break the connection before it can displace anyone."""
        self._transport = cast("asyncio.Transport", transport)
        host = (transport.get_extra_info("peername") or ("?",))[0]
        reason = self._refusal(host, transport.get_extra_info("ssl_object"))
        if reason:
            self._owner.note("peer_refused", peer=host, reason=reason)
            self._transport.abort()
            return
        self._admitted = True
        self._owner.opened(self, host)
        self._heard_s = self._owner.clock()
        self._watch()
        self.initiate()

    def _refusal(self, host: str, ssl_object: ssl.SSLObject | None) -> str:
        if not self._owner.admits(host):
            return "address not in allowed_peers"
        if ssl_object is not None:
            try:
                authorize(ssl_object, self._owner.allowed_names)
            except PeerRefused as error:
                return str(error)
        return ""

    def data_received(self, data: bytes) -> None:
        """Give octets to the session, and its answer to the master."""
        now_s = self._owner.clock()
        if not self._admitted or self._transport is None or self._transport.is_closing():
            return
        if now_s - self._window_s > 1.0:
            self._window_s, self._octets = now_s, 0
        self._octets += len(data)
        if self._octets > OCTETS_PER_S_MAX:
            self.end(f"more than {OCTETS_PER_S_MAX} octets within a second")
            return
        self._heard_s = self._owner.received_s = now_s
        reply = self._owner.session.receive(data)
        if reply:
            self._transport.write(reply)
        self.initiate()

    def initiate(self) -> None:
        """Send what is due unasked; come back when the session says something will be."""
        if self._transport is None or self._transport.is_closing():
            return
        session = self._owner.session
        out = session.initiate()
        if out:
            self._transport.write(out)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = session.initiate_after()
        if due_s is not None:
            # Zero here means it had nothing to send after all: look again, but not in a loop.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(due_s, 0.1), self.initiate)

    def pause_writing(self) -> None:
        """End the connection: a master that asks and does not read would fill our memory."""
        self.end("does not read what it asked for")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._timer, self._idle):
            if timer is not None:
                timer.cancel()
        self._transport = self._timer = self._idle = None
        reason = self._reason or (f"connection lost: {exc}" if exc else "closed by the master")
        self._owner.ended(self, reason)

    def end(self, reason: str) -> None:
        """Break the connection."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def _watch(self) -> None:
        silent_s = self._owner.clock() - self._heard_s
        left_s = self._owner.idle_timeout_s - silent_s
        if left_s <= 0.0:
            self.end(f"silent for {silent_s:.0f} s")
            return
        self._idle = asyncio.get_running_loop().call_later(left_s, self._watch)
