"""The connection of one device on a socket, as its faults pull and push it."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Protocol

from hil.wire.device import Device

RETRY_S = 1.0


class Endpoint(Protocol):
    """A device on a socket of its own, or at a broker."""

    device: Device

    async def open(self) -> None:
        """Let connections come, or connect. Raises OSError."""

    async def close(self, *, orderly: bool) -> None:
        """End them, and let no more come."""


class EndpointPlug:
    """Opens and closes an endpoint, in the order in which it is told to."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def pull(self) -> None:
        """Reset the connection, and refuse new ones."""
        self._start(self._endpoint.close(orderly=False))

    def push(self) -> None:
        """Let new ones come."""
        self._start(self._open())

    def reset(self) -> None:
        """Reset the connection; a new one may come at once."""
        self.pull()
        self.push()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._do(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, work: Coroutine[Any, Any, None]) -> None:
        async with self._turn:
            await work

    async def _open(self) -> None:
        """Open again, as often as it takes: a broker may be away, too."""
        while True:
            try:
                await self._endpoint.open()
            except OSError as error:
                sys.stderr.write(f"{self._endpoint.device.unit.id}: cannot reopen: {error}\n")
                await asyncio.sleep(RETRY_S)
            else:
                return
