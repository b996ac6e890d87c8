"""The control socket: one word in, one line of JSON out.

Whoever may open it may order: file permissions (0660, in a folder of mode 0750) are the access
control, and the kernel says who asks. What is no known order is answered with an error; a client
that says nothing is cut off.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from vppd.ops.status import StatusError
from vppd.ops.status_socket import listen_at, read_all, short_name

ORDER_MAX = 64
ORDER_TIME_S = 2.0
CLIENTS_MAX = 4
_PEER = struct.Struct("3i")  # struct ucred, unix(7): pid, uid, gid

Order = Callable[[str], Awaitable[dict[str, Any]]]


class ControlServer:
    """Takes orders. Each is a coroutine that is given who asks, and returns the answer."""

    def __init__(self, path: Path, orders: Mapping[str, Order]) -> None:
        self.path = path
        self._orders = orders
        self._server: asyncio.Server | None = None
        self._clients = 0

    async def start(self) -> None:
        """Open the socket. Raises OSError."""
        listening = listen_at(self.path)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=ORDER_MAX)

    async def stop(self) -> None:
        """Close and remove it. Orders that are being carried out are not waited for."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= CLIENTS_MAX:
                await self._answer(reader, writer)
        except (OSError, ValueError, TimeoutError):
            pass  # gone, too slow, or no text: it is its own affair
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(ORDER_TIME_S):
            word = (await reader.readline()).decode("ascii").strip()
        order = self._orders.get(word)
        if order is None:
            answer = {"error": f"no such order; known: {', '.join(self._orders)}"}
        else:
            answer = await order(peer(writer.get_extra_info("socket")))
        writer.write(json.dumps(answer).encode() + b"\n")
        async with asyncio.timeout(ORDER_TIME_S):
            await writer.drain()


def peer(client: Any) -> str:
    """Who is at the other end, as the kernel knows it."""
    pid, uid, _ = _PEER.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return f"uid {uid}, pid {pid}"


def give_order(path: Path, word: str, timeout_s: float) -> dict[str, Any]:
    """Give the daemon an order; its answer. Raises StatusError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout_s)
        try:
            with short_name(path) as short:
                client.connect(short)
            client.sendall(word.encode() + b"\n")
            data = read_all(client)
        except FileNotFoundError as error:
            raise StatusError(f"{path}: no such socket: does the daemon run?") from error
        except TimeoutError as error:
            raise StatusError(f"{path}: no answer within {timeout_s:g} s") from error
        except OSError as error:
            raise StatusError(f"{path}: {error.strerror or error}") from error
    with contextlib.suppress(ValueError):
        answer = json.loads(data)
        if isinstance(answer, dict):
            if "error" in answer:
                raise StatusError(f"{path}: {answer['error']}")
            return answer
    raise StatusError(f"{path}: the daemon gave no answer")
