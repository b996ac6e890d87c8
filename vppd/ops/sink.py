"""Where log lines go: a bounded queue and a thread of its own, so that no reader stops a tick.

Standard error may be a pipe whose reader is slow or stopped; a write to it then blocks. The event
loop only queues. What does not fit is dropped and counted, and the count is the next line.
"""

import os
import select
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

BATCH = 256


class LineSink:
    """Writes lines to a descriptor, in order, off the event loop.

    Parameters
    ----------
    fd : int
        Where to write; it stays open.
    tell_dropped : callable
        Gives the line that tells of so many dropped lines.
    limit : int
        Lines that may wait.
    threaded : bool
        False: write at once, in the caller's thread (virtual time, tests).
    """

    def __init__(
        self,
        fd: int,
        tell_dropped: Callable[[int], str],
        *,
        limit: int = 10_000,
        threaded: bool = True,
    ) -> None:
        self.dropped = 0
        self._fd = fd
        self._tell_dropped = tell_dropped
        self._limit = limit
        self._told = 0
        self._broken = False
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        if threaded:
            # A daemon thread: a reader that has stopped for good must not hold up the exit.
            self._thread = threading.Thread(target=self._run, name="vppd-log", daemon=True)
            self._thread.start()

    def put(self, line: str) -> None:
        """Queue a line. Never blocks when threaded."""
        if self._thread is None:
            self._write(line + "\n")
        elif self._queue.qsize() >= self._limit:
            self.dropped += 1
        else:
            self._queue.put(line)

    def close(self, timeout_s: float = 1.0) -> bool:
        """Write what waits; False if that was not possible in `timeout_s`."""
        if self._thread is None:
            return True
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            lines, ended = self._take()
            dropped = self.dropped - self._told
            if dropped:
                self._told += dropped
                lines.append(self._tell_dropped(dropped))
            self._write("".join(line + "\n" for line in lines))
            if ended:
                return

    def _take(self) -> tuple[list[str], bool]:
        """Wait for a line, and take what waits behind it."""
        lines: list[str] = []
        line = self._queue.get()
        while line is not None and len(lines) < BATCH:
            lines.append(line)
            try:
                line = self._queue.get_nowait()
            except Empty:
                return lines, False
        if line is not None:
            lines.append(line)
        return lines, line is None

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        while data and not self._broken:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # somebody who shares the terminal made it non-blocking
                select.select([], [self._fd], [])
            except OSError:  # the reader has gone for good: the plant runs on without a log
                self._broken = True
