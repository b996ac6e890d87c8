"""One tick source in a process of its own: `… benchmarks.jitter_process WHO PERIOD_S TICKS`.

`ours`: clock, timer, loop and real-time settings of the daemon. `default`: asyncio as it comes,
with absolute deadlines. Each tick allocates for about a millisecond on a heap of 300,000
containers, as a plant of some thousand units has. Prints one JSON object: lateness of each tick,
µs, and what the kernel granted.
"""

import asyncio
import json
import math
import sys
import time
from collections.abc import AsyncIterator

import uvloop

from vppd.runtime.clock import TickClock
from vppd.runtime.realtime import SlackCollector, apply_realtime

CONTAINERS = 300_000
WORK_S = 0.001
WARM_UP = 5  # ticks that are not counted


def work() -> None:
    """Allocate for a millisecond."""
    end_s = time.perf_counter() + WORK_S
    while time.perf_counter() < end_s:
        _ = [{"a": i, "b": (i, i)} for i in range(50)]


async def ours(period_s: float) -> AsyncIterator[float]:
    """Lateness of each tick of the daemon's clock, s; the collector runs in the slack, as there."""
    clock, slack = TickClock(period_s, time.monotonic), SlackCollector(time.monotonic)
    async for when in clock:
        yield when.late_s
        slack.collect(clock.slack_s())


async def default(period_s: float) -> AsyncIterator[float]:
    """Lateness of `asyncio.sleep` to absolute deadlines, s; points that have passed are skipped."""
    began_s = time.monotonic()
    while True:
        passed = math.floor((time.monotonic() - began_s) / period_s)
        due_s = began_s + (passed + 1) * period_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        yield time.monotonic() - due_s


async def measure(ticks: AsyncIterator[float], count: int) -> list[float]:
    """Lateness of `count` ticks, µs, each followed by work."""
    late_us: list[float] = []
    async for late_s in ticks:
        late_us.append(1e6 * late_s)
        work()
        if len(late_us) == count + WARM_UP:
            break
    return late_us[WARM_UP:]


def main() -> None:
    """Measure and print."""
    who, period_s, count = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    heap = [{"i": i} for i in range(CONTAINERS)]
    if who == "ours":
        granted = apply_realtime(40, lock_memory=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            late_us = runner.run(measure(ours(period_s), count))
        told = f"{granted.scheduler}; memory {granted.memory}"
    else:
        late_us = asyncio.run(measure(default(period_s), count))
        told = "as it comes"
    del heap
    print(json.dumps({"late_us": late_us, "told": told}))


if __name__ == "__main__":
    main()
