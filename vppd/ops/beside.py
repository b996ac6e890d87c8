"""Processes beside the daemon: what they are given, and how they give way to it."""

import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from typing import Any, Final

# What the service manager tells the daemon alone.
NOT_HANDED_ON: Final = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "FDSTORE")


async def start(module: str, *arguments: str, **options: Any) -> Process:
    """Run a module in a process of its own; `options` as of `create_subprocess_exec`."""
    return await create_subprocess_exec(
        sys.executable, "-P", "-m", module, *arguments, stdin=DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith(NOT_HANDED_ON)},
        **options,
    )  # fmt: skip


def give_way(niceness: int) -> None:
    """Take a lower priority, where that is permitted: the unit's sandbox permits no change."""
    with contextlib.suppress(OSError):
        os.nice(niceness)
