"""TCP in memory: listeners by port, and transports in pairs. Octets arrive at the next callback.

Latency and loss are not here: the peers of the bench bring theirs (`hil.wire.line`).
"""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Any, cast

Factory = Callable[[], asyncio.BaseProtocol]
HOST = "127.0.0.1"


class Listener:
    """What `create_server` gives."""

    def __init__(self, net: "Net", port: int) -> None:
        self._net = net
        self._port = port
        self.sockets: tuple[Any, ...] = ()

    def close(self) -> None:
        """Listen no more; connections stay."""
        self._net.listeners.pop(self._port, None)

    async def wait_closed(self) -> None:
        """Return at once."""


class Net:
    """All listeners of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.listeners: dict[int, Factory] = {}
        self._loop = loop

    def listen(self, factory: Factory, port: int) -> Listener:
        """Take a port. Raises OSError if it is taken."""
        if port in self.listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self.listeners[port] = factory
        return Listener(self, port)

    def connect(self, factory: Factory, port: int) -> tuple["Pipe", asyncio.BaseProtocol]:
        """Connect to a port. Raises ConnectionRefusedError."""
        accept = self.listeners.get(port)
        if accept is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        near, far = Pipe(self._loop), Pipe(self._loop)
        near.join(far, factory())
        far.join(near, accept())
        for end in (far, near):
            end.protocol.connection_made(end)
        return near, near.protocol


class Pipe(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._peer: Pipe | None = None
        self._closing = False
        self.protocol: asyncio.Protocol

    def join(self, peer: "Pipe", protocol: asyncio.BaseProtocol) -> None:
        """Set the other end, and who reads at this one."""
        self._peer = peer
        self.protocol = cast("asyncio.Protocol", protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Addresses; nothing else is known."""
        return (HOST, 0) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None:
        """Send octets."""
        if not self._closing and self._peer is not None:
            self._loop.call_soon(self._peer.deliver, bytes(data))

    def deliver(self, data: bytes) -> None:
        """Give octets to who reads here."""
        if not self._closing:
            self.protocol.data_received(data)

    def is_closing(self) -> bool:
        """True from the first close on."""
        return self._closing

    def close(self) -> None:
        """End the connection behind what was written."""
        self._end(None)

    def abort(self) -> None:
        """End the connection at once."""
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self.protocol.connection_lost, error)
        if self._peer is not None:
            self._loop.call_soon(self._peer._end, error)
