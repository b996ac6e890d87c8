"""`GET /metrics`, on a listener of its own: bounded in everything, and never in a tick's way.

A scrape is answered between two ticks: at once if the next is far enough away, else right after it.
The text of one tick is made once, however many ask.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

CLIENTS_MAX: Final = 16
REQUEST_MAX: Final = 8192  # octets
CLIENT_TIME_S: Final = 10.0  # above two ticks of the longest period
NEEDED_S: Final = 0.02  # until the next tick: a scrape of 10,000 units takes less

Source = Callable[[str], tuple[bytes, str] | None]


class MetricsServer:
    """Serves the metrics.

    Parameters
    ----------
    source : callable
        Gives text and content type for an Accept header; None before the first tick.
    slack_s : callable
        Time until the next tick, s.
    """

    def __init__(
        self,
        host: str,
        port: int,
        source: Source,
        slack_s: Callable[[], float],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.refused = 0  # clients beyond CLIENTS_MAX, and requests that were none
        self._host = host
        self._port = port
        self._source = source
        self._slack_s = slack_s
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._clients: set[_Client] = set()

    @property
    def port(self) -> int:
        """Port that is listened on; the configured one before `start`."""
        if self._server is None or not self._server.sockets:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Open the socket. Raises OSError with the address in its text."""
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Client(self), self._host, self._port, ssl=self._tls
            )
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            place = f"metrics: {self._host}:{self._port} cannot be listened on: {why}"
            raise OSError(error.errno, place) from error

    async def stop(self) -> None:
        """Close the socket and every connection."""
        if self._server is None:
            return
        self._server.close()
        for client in tuple(self._clients):
            client.end()
        await self._server.wait_closed()
        self._server = None

    def after_tick(self) -> None:
        """Answer those who asked shortly before it."""
        for client in tuple(self._clients):
            if client.waits:
                client.answer(self._source)

    def opened(self, client: "_Client") -> bool:
        """Take a connection in; False: there are too many."""
        if len(self._clients) >= CLIENTS_MAX:
            self.refused += 1
            return False
        self._clients.add(client)
        return True

    def closed(self, client: "_Client") -> None:
        """Forget a connection."""
        self._clients.discard(client)

    def asked(self, client: "_Client") -> None:
        """Answer, now or after the next tick."""
        if self._slack_s() >= NEEDED_S:
            client.answer(self._source)


class _Client(asyncio.Protocol):
    """One connection: one request, one answer."""

    def __init__(self, server: MetricsServer) -> None:
        self.waits = False  # asked, and not answered yet
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._accept = ""
        self._head = False
        self._cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client ask, but not for ever."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.opened(self):
            self._transport.abort()
            return
        self._cut = asyncio.get_running_loop().call_later(CLIENT_TIME_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take in the request, up to its empty line."""
        if self._transport is None or self.waits or self._transport.is_closing():
            return
        self._received += data
        if b"\r\n\r\n" in self._received:
            self._read_request()
        elif len(self._received) > REQUEST_MAX:
            self._refuse("431 Request Header Fields Too Large", b"the request is too long\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        del exc
        self._server.closed(self)
        self._transport, self.waits = None, False
        if self._cut is not None:
            self._cut.cancel()

    def end(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()

    def answer(self, source: Source) -> None:
        """Send the metrics, and hang up."""
        self.waits = False
        found = source(self._accept)
        if found is None:
            self._reply("503 Service Unavailable", b"the first tick has not finished\n")
        else:
            self._reply("200 OK", *found)

    def _read_request(self) -> None:
        lines = self._received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            self._refuse("400 Bad Request", b"this speaks HTTP/1.1\n")
        elif target.partition("?")[0] != "/metrics":
            self._refuse("404 Not Found", b"there is /metrics, and nothing else\n")
        elif method not in ("GET", "HEAD"):
            self._refuse("405 Method Not Allowed", b"GET and HEAD are what it takes\n")
        else:
            self._head = method == "HEAD"
            self._accept = _header(lines[1:], "accept")
            self.waits = True
            self._server.asked(self)

    def _refuse(self, code: str, text: bytes) -> None:
        self._server.refused += 1
        self._reply(code, text)

    def _reply(self, code: str, body: bytes, content_type: str = "text/plain") -> None:
        if self._transport is None:
            return
        head = (
            f"HTTP/1.1 {code}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
            "Connection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + (b"" if self._head else body))
        self._transport.close()


def _header(lines: list[str], wanted: str) -> str:
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == wanted:
            return value.strip()
    return ""
