"""The status socket: whoever may open it gets one JSON document, and can say nothing.

The daemon never reads from it, so there is nothing to parse and nothing to attack. File
permissions (0660, in a folder of mode 0750) are the access control.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from vppd.ops.status import Status, StatusError, from_json, to_json

SOCKET_MODE = 0o660
CLIENTS_MAX = 8
CLIENT_TIME_S = 2.0  # a client that takes longer to read is cut off
DOCUMENT_MAX = 16 * 2**20
PATH_MAX = 107  # sockaddr_un, unix(7)


class StatusServer:
    """Serves the status on a unix socket.

    `source` gives it, None before the first tick. It is asked when a client connects, in the
    event loop, between two ticks: a status that nobody reads costs nothing.
    """

    def __init__(self, path: Path, source: Callable[[], Status | None]) -> None:
        self.path = path
        self._source = source
        self._listening: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Transport] = set()

    def bind(self, kept: Sequence[socket.socket] = ()) -> int:
        """Open the socket, without serving it yet; its descriptor. Raises OSError.

        `kept` are those that outlived a daemon before this one. One that still stands at this path
        is used: who has connected since the crash is answered. Else the file is replaced.
        """
        for candidate in kept:
            if self._listening is None and is_at(candidate, self.path):
                self._listening = candidate
            else:
                candidate.close()
        if self._listening is None:
            self._listening = listen_at(self.path)
        return self._listening.fileno()

    async def start(self) -> None:
        """Serve. Raises OSError."""
        self.bind()
        listening = self._listening
        if listening is None:  # for the type checker
            return
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(
                lambda: _Client(self._document, self._clients), sock=listening
            )
        except BaseException:
            listening.close()
            raise

    async def stop(self) -> None:
        """Close and remove the socket."""
        if self._listening is None:
            return
        listening, self._listening = self._listening, None
        self.path.unlink(missing_ok=True)
        if self._server is None:
            listening.close()
            return
        self._server.close()
        for client in tuple(self._clients):
            client.abort()
        await self._server.wait_closed()
        self._server = None

    def _document(self) -> bytes | None:
        status = self._source()
        return to_json(status).encode() + b"\n" if status is not None else None


class _Client(asyncio.Protocol):
    """One connection: write, close."""

    def __init__(
        self, document: Callable[[], bytes | None], clients: set[asyncio.Transport]
    ) -> None:
        self._document = document
        self._clients = clients
        self._cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the document and hang up. `close` ends reading at once, and writing when done."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self._clients) >= CLIENTS_MAX:
            self._transport.abort()
            return
        self._clients.add(self._transport)
        self._cut = asyncio.get_running_loop().call_later(CLIENT_TIME_S, self._transport.abort)
        document = self._document()
        if document is not None:
            self._transport.write(document)
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the client, whatever became of it."""
        del error
        self._clients.discard(self._transport)
        if self._cut is not None:
            self._cut.cancel()


def read_document(path: Path, timeout_s: float = 2.0) -> str:
    """Ask the daemon for its status, as the JSON document it sends. Raises StatusError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout_s)
        try:
            with short_name(path) as short:
                client.connect(short)
            data = read_all(client)
        except FileNotFoundError as error:
            raise StatusError(f"{path}: no such socket: does the daemon run?") from error
        except ConnectionRefusedError as error:
            if not path.is_socket():
                raise StatusError(f"{path}: not a socket") from error
            raise StatusError(f"{path}: nobody listens: the daemon has crashed") from error
        except TimeoutError as error:
            raise StatusError(
                f"{path}: no answer within {timeout_s:g} s: the daemon hangs"
            ) from error
        except OSError as error:
            raise StatusError(f"{path}: {error.strerror or error}") from error
    if not data:
        raise StatusError(f"{path}: the daemon has not finished its first tick")
    return data.decode("utf-8", "replace")


def read_status(path: Path, timeout_s: float = 2.0) -> Status:
    """Ask the daemon for its status. Raises StatusError."""
    return from_json(read_document(path, timeout_s))


def read_all(client: socket.socket) -> bytes:
    """Read all that is said. Raises OSError."""
    data = bytearray()
    while part := client.recv(65536):
        data += part
        if len(data) > DOCUMENT_MAX:
            raise OSError(f"answer of more than {DOCUMENT_MAX} bytes")
    return bytes(data)


def is_at(listening: socket.socket, path: Path) -> bool:
    """Whether a socket is the one that clients find at `path`."""
    if listening.family != socket.AF_UNIX or not path.is_socket():
        return False
    bound = Path(os.fsdecode(listening.getsockname()))
    # `listen_at` has bound it beside its place, a socket unit at it.
    at_it = bound.name == path.name or bound.name.startswith(f"{path.name}.")
    return at_it and bound.parent == path.parent


def listen_at(path: Path) -> socket.socket:
    """Bind beside the place and move it there: never half open, never missing, old one gone."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        with short_name(fresh) as short:
            listening.bind(short)
        fresh.chmod(SOCKET_MODE)
        listening.listen(CLIENTS_MAX)
        fresh.replace(path)
    except OSError:
        listening.close()
        fresh.unlink(missing_ok=True)
        raise
    return listening


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name for a path that is longer than the 107 bytes a unix socket's address may have."""
    if len(os.fsencode(path)) <= PATH_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
