"""Peers in processes of their own, spoken to by JSON lines."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"


# Below those that the kernel gives to whoever asks for any, and those of the bench (20000 on).
FIRST_PORT, PORTS, WORKERS = 10_000, 1_000, 10


def _ports() -> Iterator[int]:
    """Ports of this process of pytest-xdist alone, in turn; another run begins elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    begin = os.getpid() % PORTS
    for number in itertools.count(begin):
        yield FIRST_PORT + worker * PORTS + number % PORTS


_own_ports = _ports()


def free_port() -> int:
    """A port that is free now, and that nobody takes who does not ask for just this one."""
    for port in itertools.islice(_own_ports, PORTS):
        if _is_free(port):
            return port
    raise OSError(f"none of {PORTS} ports is free")


def free_ports(count: int) -> int:
    """First of so many free ports in a row, a multiple of their number."""
    found = 0
    for port in itertools.islice(_own_ports, 2 * PORTS):
        found = (found if port % count else 0) + _is_free(port)
        if found == count:
            return port + 1 - count
    raise OSError(f"no {count} ports in a row are free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


async def freeze(process: asyncio.subprocess.Process) -> None:
    """SIGSTOP, with its sockets open; return once every thread has stopped."""
    os.kill(process.pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{process.pid}/task")
    async with asyncio.timeout(5.0):
        while any(_state(task) != "T" for task in tasks.iterdir()):  # noqa: ASYNC240 - not a disk
            await asyncio.sleep(0.001)


def thaw(process: asyncio.subprocess.Process) -> None:
    """SIGCONT."""
    os.kill(process.pid, signal.SIGCONT)


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


class JsonPeer:
    """One script of `tests/peers`; what it prints is kept in `lines`."""

    def __init__(self, script: str, *arguments: object) -> None:
        self.lines: list[dict[str, Any]] = []
        self._command = [str(PEERS / script), *map(str, arguments)]
        self._news = asyncio.Event()

    async def __aenter__(self) -> "JsonPeer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start the process and wait until it says that it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read())
        await self.wait(event="ready")

    async def kill(self) -> None:
        """kill -9, and collect the process."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reader

    def say(self, **order: object) -> None:
        """Give an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    def found(self, **fields: object) -> list[dict[str, Any]]:
        """Lines with these fields."""
        return [line for line in self.lines if fields.items() <= line.items()]

    async def wait(
        self, count: int = 1, timeout_s: float = 10.0, **fields: object
    ) -> dict[str, Any]:
        """The `count`-th line with these fields, as soon as it is there."""
        async with asyncio.timeout(timeout_s):
            while len(self.found(**fields)) < count:
                self._news.clear()
                await self._news.wait()
        return self.found(**fields)[count - 1]

    async def ask(self, answer: str, **order: object) -> dict[str, Any]:
        """Give an order and wait for the next line with `event` = answer."""
        count = len(self.found(event=answer)) + 1
        self.say(**order)
        return await self.wait(count, event=answer)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))
            self._news.set()
