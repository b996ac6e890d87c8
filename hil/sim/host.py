"""The machine that the daemon runs on, in virtual time: its wall clock, its disk, its speed."""

import errno
import os
from pathlib import Path

from hil.sim.loop import VirtualLoop
from vppd.journal.segment import SegmentFile


class Host:
    """One machine. `utc_s`: its wall clock at instant 0 of the loop, s.

    `stall_s`: each tick takes that much longer; `slow_s`: each group of records on the disk.
    """

    def __init__(self, loop: VirtualLoop, utc_s: float) -> None:
        self.stall_s = 0.0
        self.disk_full = False
        self.slow_s = 0.0
        self.clock_step_s = 0.0
        self._loop = loop
        self._utc_s = utc_s

    def utc(self) -> float:
        """Wall clock, s."""
        return self._utc_s + self._loop.time() + self.clock_step_s

    def after_tick(self) -> None:
        """Take the time that a tick takes here."""
        if self.stall_s:
            self._loop.stall(self.stall_s)

    def open_segment(self, path: Path, header: bytes, *, sync: bool) -> SegmentFile:
        """Open a segment of the journal on this machine's disk."""
        self.refuse_if_full(path)
        return Disk(self, path, header, sync=sync)

    def refuse_if_full(self, path: Path) -> None:
        """Raise OSError if nothing more fits."""
        if self.disk_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


class Disk(SegmentFile):
    """A segment on a disk that may be full."""

    def __init__(self, host: Host, path: Path, header: bytes, *, sync: bool) -> None:
        self._host = host
        super().__init__(path, header, sync=sync)

    def append(self, data: bytes) -> None:
        """Write all of `data`, or none of it. Raises OSError."""
        self._host.refuse_if_full(self.path)
        super().append(data)
