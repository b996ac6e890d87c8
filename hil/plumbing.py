"""Processes and ports of a run: started, watched, measured and ended by the rig."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

LOCALHOST = "127.0.0.1"
FIRST_PORT, LAST_PORT, PORT_STEP = 20000, 32000, 500  # below the ports the kernel gives away
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LOG_LINES = 12
TIED = Path(__file__).with_name("tied.py")


class CouldNotRunError(Exception):
    """The run cannot be made here: a port in use, a program missing. The text says which."""


def port_is_free(port: int) -> bool:
    """Say whether somebody could listen on a port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


RESERVED = 2  # offset of the port that a run holds, so that no other takes the same ports


def reserve_ports(base: int, count: int) -> socket.socket:
    """Take `count` ports from `base` on, until the socket is closed. Raises CouldNotRunError."""
    for port in range(base, base + count):
        if not port_is_free(port):
            raise CouldNotRunError(f"port {port} is in use")
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        holder.bind((LOCALHOST, base + RESERVED))
        holder.listen(1)
    except OSError as error:
        holder.close()
        raise CouldNotRunError(f"port {base + RESERVED} is in use") from error
    return holder


def reserve_free_ports(count: int) -> tuple[int, socket.socket]:
    """Take the first `count` free ports in a row. Raises CouldNotRunError."""
    for base in range(FIRST_PORT, LAST_PORT - count, PORT_STEP):
        with contextlib.suppress(CouldNotRunError):
            return base, reserve_ports(base, count)
    raise CouldNotRunError(f"no {count} free ports in a row from {FIRST_PORT} to {LAST_PORT}")


def cpu_s(pid: int) -> float:
    """CPU time of a process so far, s; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MB (1e6 octets); 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmRSS:")), "0")
    return int(kilobytes) * 1024 / 1e6


class Child:
    """A process in a group of its own. Its output goes to a file, or line by line to a listener."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        on_line: Callable[[str], None] | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> "Child":
        """Start a process; with `on_line` it takes orders, too. Raises CouldNotRunError.

        It does not outlive this process, even if that is killed (see `hil.tied`).
        """
        if shutil.which(argv[0]) is None:
            raise CouldNotRunError(f"{argv[0]}: No such file, or no program")
        tied = (sys.executable, "-I", "-S", str(TIED), str(os.getpid()))
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            with log.open("ab") as file:
                process = await asyncio.create_subprocess_exec(
                    *tied,
                    *argv,
                    stdin=pipe if on_line else nothing,
                    stdout=pipe if on_line else file,
                    stderr=file,
                    start_new_session=True,  # Ctrl-C is the rig's: it stops the others
                    env=env,
                    cwd=cwd,
                )
        except OSError as error:
            raise CouldNotRunError(f"{argv[0]}: {error.strerror or error}") from error
        child = cls(name, process, log)
        if on_line is not None:
            child._reader = asyncio.create_task(child._read(on_line))
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.returncode

    def order(self, line: str) -> None:
        """Write a line to its stdin."""
        if self.process.stdin is not None and self.returncode is None:
            self.process.stdin.write(line.encode() + b"\n")

    def last_lines(self, count: int = LOG_LINES) -> str:
        """Return the end of its log."""
        with contextlib.suppress(OSError):
            text = self.log.read_text(errors="replace")
            return "\n".join(text.splitlines()[-count:])
        return ""

    def signal(self, number: int) -> None:
        """Send a signal to its whole group."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def stop(self, timeout_s: float) -> None:
        """Ask it to end (SIGTERM), wait, and end it (SIGKILL) if it does not."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(timeout_s):
                await self.process.wait()
        except TimeoutError:
            await self.kill()
        await self._close()

    async def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self.signal(signal.SIGKILL)
        await self.process.wait()
        await self._close()

    async def _close(self) -> None:
        if self._reader is not None:
            await self._reader

    async def _read(self, on_line: Callable[[str], None]) -> None:
        stream = self.process.stdout
        while stream is not None and (line := await stream.readline()):
            on_line(line.decode(errors="replace").rstrip("\n"))


async def wait_for_port(port: int, child: Child, timeout_s: float) -> None:
    """Return when somebody listens on a port. Raises CouldNotRunError if `child` died, or late."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if child.returncode is not None:
                    raise CouldNotRunError(f"{child.name} ended: {child.last_lines(3)}")
                try:
                    _, writer = await asyncio.open_connection(LOCALHOST, port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return
    except TimeoutError as error:
        message = f"{child.name} does not listen on port {port} after {timeout_s:g} s"
        raise CouldNotRunError(message) from error
