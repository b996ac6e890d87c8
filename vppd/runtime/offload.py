"""Where work that takes long is done: in a thread, or, under a virtual clock, at once."""

from collections.abc import Awaitable, Callable
from typing import Any

Offload = Callable[..., Awaitable[Any]]


async def here(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do the work at once: under a virtual clock there are no threads."""
    return work(*arguments)
