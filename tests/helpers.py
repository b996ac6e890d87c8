"""Helpers shared by the tests."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
START_S = 60.0  # at most, of a process with Numba in it on a busy machine: only a hang takes longer


def run_async(main: Coroutine[object, object, T], timeout_s: float = 20.0) -> T:
    """Run a coroutine in a new event loop; fail after `timeout_s` instead of hanging."""

    async def bounded() -> T:
        async with asyncio.timeout(timeout_s):
            return await main

    return asyncio.run(bounded())


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Return when `condition()` is true; fail with TimeoutError after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)


class Beats:
    """Time by a pulse of the event loop: what a test may bound on a machine that is busy.

    While others have the processor the pulse stands still, so a busy machine makes this time
    shorter than that of a clock, never longer; a deadline that is really too long makes it long.
    """

    BEAT_S = 0.01

    def __init__(self) -> None:
        self._count = 0
        self._task = asyncio.create_task(self._beat())

    @property
    def s(self) -> float:
        """Time since it was made, s."""
        return self._count * self.BEAT_S

    def stop(self) -> float:
        """End it; the time it took, s."""
        self._task.cancel()
        return self.s

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.BEAT_S)
            self._count += 1


class Steps:
    """Processor time of the steps of an event loop, s: what one holds up all others by."""

    longest_s = 0.0


@contextmanager
def measured_steps() -> Iterator[Steps]:
    """Measure each step of asyncio's own event loop in this thread, by processor time."""
    steps, run = Steps(), asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        began_s = time.thread_time()
        run(handle)
        steps.longest_s = max(steps.longest_s, time.thread_time() - began_s)

    asyncio.Handle._run = measured  # type: ignore[method-assign]
    try:
        yield steps
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
