"""Helpers shared by the tests."""

import asyncio
from collections.abc import Callable, Coroutine
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
