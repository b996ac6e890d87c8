"""The daemon's journal in virtual time, on a disk that may be slow.

On the real clock a thread of its own writes what waits, in one go; here a task does, which takes as
long as the disk does. While the disk is quick, each record is written at once.
"""

import asyncio
from typing import Any

from hil.sim.host import Host
from vppd.journal.writer import JournalWriter


class SimulatedJournal(JournalWriter):
    """Journal writer without a thread. `host`: the machine with the disk."""

    def __init__(self, host: Host, *args: Any, **options: Any) -> None:
        self._host = host
        self._pump: asyncio.Task[None] | None = None
        super().__init__(*args, inline=True, open_segment=host.open_segment, **options)

    def _submit(self, item: Any) -> None:
        if self._host.slow_s <= 0.0 and self._pump is None:
            super()._submit(item)
            return
        self._queue.append((self._clock(), item))
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        """Write what waits in one go, again and again, as the thread does."""
        while self._queue:
            group = list(self._queue)
            await asyncio.sleep(self._host.slow_s)  # until then they wait: `close` may come
            for _ in group:
                self._queue.popleft()
            self._write(group)
        self._pump = None

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what waits, however slow the disk, and close."""
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        group = list(self._queue)
        self._queue.clear()
        if group:
            self._write(group)
        return super().close(timeout_s)
