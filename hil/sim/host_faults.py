"""Faults of the machine and of the daemon's process, in virtual time."""

import asyncio
import math
from collections.abc import Awaitable, Callable

from hil.faults import Fault, stream
from hil.faults.agenda import Agenda
from hil.faults.fault import NOBODY
from hil.faults.host import HostFaults
from hil.recording import Writer
from hil.sim.daemon import SimulatedDaemon
from hil.sim.loop import VirtualLoop

TORN_MAX = 400  # octets of the journal that a kill may take along: less than a tick's record


class SimulatedRunner:
    """Does to machine and daemon what `hil.faults.host.HostFaults` asks for.

    Starts and ends of the daemon come one after the other, in the order in which they were asked.
    """

    def __init__(self, daemon: SimulatedDaemon, seed: int) -> None:
        self._daemon = daemon
        self._host = daemon.host
        self._rng = stream(seed, NOBODY, "torn journal")
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def overrun(self, extra_s: float) -> None:
        """Make each tick take that much longer."""
        self._host.stall_s = extra_s

    def fill_disk(self, *, full: bool) -> None:
        """Let the disk of the journal be full, or have room again."""
        self._host.disk_full = full

    def slow_disk(self, extra_s: float) -> None:
        """Make each group of records take that much longer to write."""
        self._host.slow_s = extra_s

    def shift_clock(self, offset_s: float) -> None:
        """Set the wall clock that far off."""
        self._host.clock_step_s = offset_s

    def press_memory(self, size_mb: float) -> None:
        """Refuse: there is one memory, the bench's own."""
        raise NotImplementedError(f"{size_mb:g} MB: not in virtual time")

    def kill_daemon(self) -> None:
        """End the daemon without warning, as kill -9 does."""
        self._start(lambda: self._daemon.kill(self._rng.randrange(TORN_MAX)))

    def stop_daemon(self) -> None:
        """End the daemon in order, as SIGTERM does."""
        self._start(self._daemon.stop)

    def start_daemon(self) -> None:
        """Start it again, on the same state folder and configuration."""
        self._start(self._daemon.start)

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        async def in_turn() -> None:
            async with self._turn:
                await work()

        task = asyncio.get_running_loop().create_task(in_turn())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def keep_faults(
    faults: tuple[Fault, ...],
    daemon: SimulatedDaemon,
    t0_s: float,
    loop: VirtualLoop,
    record: Writer,
    seed: int,
) -> None:
    """Begin and end the faults of machine and daemon, each at its instant."""
    targets = HostFaults(SimulatedRunner(daemon, seed))
    mine = [fault for fault in faults if fault.kind.startswith(("host_", "daemon_"))]
    agenda = Agenda(mine, t0_s, lambda _: targets, record.event)
    while (due_s := agenda.next_s()) < math.inf:
        await asyncio.sleep(max(due_s - loop.time(), 0.0))
        agenda.run_due(loop.time())
    await asyncio.Event().wait()
