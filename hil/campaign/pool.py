"""Processes that live for many items. One that dies or hangs costs its item, and is replaced."""

import contextlib
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from pathlib import Path
from typing import Generic, TypeVar

from hil.campaign.row import DIED, TIMED_OUT
from hil.campaign.worker import serve
from hil.plumbing import CouldNotRunError

T = TypeVar("T")
R = TypeVar("R")
START_S = 300.0  # at most that long may the start take: it may have to compile the kernels
GONE_S = 5.0  # to the end of a process that has closed its pipe
STARTS = 3  # that often in a row may the start fail
LOG_LINES = 30


@dataclass(frozen=True, slots=True)
class Done(Generic[T, R]):
    """What came of one item: a value, or why there is none."""

    item: T
    value: R | None
    failed: str = ""  # DIED or TIMED_OUT
    text: str = ""
    spent_s: float = 0.0


class Pool(Generic[T, R]):
    """Does the same work on many items, each item in one process.

    Parameters
    ----------
    make : callable
        Called once in each process; gives what is called with each item. To be pickled.
    jobs : int
        Number of processes.
    timeout_s : float
        A process that needs longer for one item is killed.
    logs : Path
        Folder for what the processes print.
    start_s : float
        A process that is not ready after that is killed.
    """

    def __init__(
        self,
        make: Callable[[], Callable[[T], R]],
        jobs: int,
        timeout_s: float,
        logs: Path,
        *,
        start_s: float = START_S,
    ) -> None:
        self._make = make
        self._jobs = jobs
        self._timeout_s = timeout_s
        self._start_s = start_s
        self._logs = logs
        self._workers: list[_Worker[T]] = []
        self._started = 0
        self._failed_starts = 0

    def run(self, items: Iterable[T]) -> Generator[Done[T, R], None, None]:
        """Give what came of each item, as they get done. An item is taken when a process is free.

        Raises CouldNotRunError if no process can be started.
        """
        waiting = iter(items)
        self._logs.mkdir(parents=True, exist_ok=True)
        resource_tracker.ensure_running()  # its start would let Ctrl-C through, see `_Worker`
        try:
            self._workers = [self._start() for _ in range(self._jobs)]
            while self._workers:
                for worker in self._heard():
                    if (done := self._take(worker)) is not None:
                        yield done
                self._hand_out(waiting)
        finally:
            for worker in self._workers:
                worker.end()

    def _start(self) -> "_Worker[T]":
        self._started += 1
        log = self._logs / f"{self._started}.log"
        return _Worker(self._make, log, self._start_s)

    def _heard(self) -> "list[_Worker[T]]":
        """Wait until a process says something, dies, or is late."""
        now_s = time.monotonic()
        until_s = min(worker.deadline_s for worker in self._workers)
        timeout_s = None if math.isinf(until_s) else max(0.0, until_s - now_s)
        heard = connection.wait([worker.pipe for worker in self._workers], timeout_s)
        now_s = time.monotonic()
        return [w for w in self._workers if w.pipe in heard or w.deadline_s <= now_s]

    def _take(self, worker: "_Worker[T]") -> Done[T, R] | None:
        """Take what a process has to say; replace one that will say no more."""
        if not worker.pipe.poll():
            return self._replace(worker, TIMED_OUT)
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            return self._replace(worker, DIED)
        item, worker.item, worker.deadline_s = worker.item, None, math.inf
        if item is None:
            self._failed_starts = 0
            return None
        return Done(item, said, spent_s=time.monotonic() - worker.since_s)

    def _replace(self, worker: "_Worker[T]", how: str) -> Done[T, R] | None:
        spent_s = time.monotonic() - worker.since_s
        code = worker.end(GONE_S if how == DIED else 0.0)
        self._workers.remove(worker)
        text = f"after {spent_s:.1f} s" if how == TIMED_OUT else f"its process ended: {_exit(code)}"
        text = f"{text}\n{worker.last_lines()}".strip()
        if worker.item is None:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise CouldNotRunError(f"no process can be started: {text}")
        self._workers.append(self._start())
        return None if worker.item is None else Done(worker.item, None, how, text, spent_s)

    def _hand_out(self, waiting: Iterator[T]) -> None:
        """Give each free process its next item, or end it when there is none."""
        for worker in [w for w in self._workers if w.free]:
            item = next(waiting, None)
            if item is not None:
                worker.give(item, self._timeout_s)
            else:
                worker.end()
                self._workers.remove(worker)


class _Worker(Generic[T]):
    """One process, as its parent sees it."""

    def __init__(self, make: Callable[[], Callable[[T], R]], log: Path, start_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.item: T | None = None
        self.since_s = time.monotonic()
        self.deadline_s = self.since_s + start_s
        self._log = log
        self._process = context.Process(
            target=serve, args=(theirs, make, log, os.getpid()), daemon=True
        )
        with _no_interrupt():
            self._process.start()
        theirs.close()  # so that its end is told

    @property
    def free(self) -> bool:
        """Whether it is ready for an item."""
        return self.item is None and math.isinf(self.deadline_s)

    def give(self, item: T, timeout_s: float) -> None:
        """Send an item; should the process be gone, the pipe says so when it is read."""
        self.item = item
        self.since_s = time.monotonic()
        self.deadline_s = self.since_s + timeout_s
        with contextlib.suppress(OSError):
            self.pipe.send(item)

    def end(self, patience_s: float = 0.0) -> int | None:
        """Wait for it, and kill it if it is still there; its exit code, negative for a signal."""
        self._process.join(patience_s)
        self._process.kill()
        self._process.join()
        self.pipe.close()
        return self._process.exitcode

    def last_lines(self) -> str:
        """Return the end of what it printed."""
        with contextlib.suppress(OSError):
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        return ""


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Hold SIGINT back; a process that starts meanwhile never gets it (Ctrl-C meets the group)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _exit(code: int | None) -> str:
    """Exit code in words."""
    if code is None or code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
