"""A DNP3 link that is kept up while a test runs."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from vppd.links.dnp3 import Dnp3Link, Dnp3TcpConfig


@contextlib.asynccontextmanager
async def linked(port: int, **keys: object) -> AsyncIterator[Dnp3Link]:
    """Create the link with short times, keep it, end it with the block."""
    config = Dnp3TcpConfig(
        id="d", port=port, **{"timeout_s": 0.2, "backoff_min_s": 0.02, "backoff_max_s": 0.2, **keys}
    )
    link = Dnp3Link(config, random.Random(1))
    task = asyncio.create_task(link.keep())
    try:
        yield link
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
