"""The console with many units: what a frame costs the daemon, what viewers cost, first paint.

`python -m benchmarks.console [UNITS]`. The api process is the real one; this script is its daemon,
with a frame a second of a simulated plant. Chromium is asked for the first paint where it is there.
"""

import asyncio
import contextlib
import json
import math
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from playwright.async_api import Page, async_playwright
from websockets.asyncio.client import connect

from benchmarks.tick import Plant, fleet
from vppd.core.tick import tick
from vppd.core.types import Policy
from vppd.ops.api import past
from vppd.ops.api.frame import Beside, encode
from vppd.ops.api.hello import Hello, Settings
from vppd.ops.api.wire import Kind, message
from vppd.runtime.console_pack import pack_hello

SECONDS = 20
CHROMIUM = Path("/usr/bin/chromium")
HAS_CHROMIUM = CHROMIUM.exists()
HZ = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


class Source:
    """Frames of a plant under way, one a second."""

    def __init__(self, n: int) -> None:
        self.plant = Plant(fleet(n, Policy.RESPONSE_AWARE, groups=True))
        self.spent_s: list[float] = []

    def frame(self, k: int) -> bytes:
        plant = self.plant
        image = plant._image(k)
        plant.state, decision = tick(plant.state, image, plant.params)
        plant._follow(decision)
        beside = Beside(time.time(), float(image.p_meas_mw.sum()), 100.0, 0.1, 0, 1)
        began_s = time.thread_time()
        data = encode(image, plant.state, decision, beside, units=True)
        self.spent_s.append(time.thread_time() - began_s)
        return data


async def feed(writer: asyncio.StreamWriter, source: Source, seconds: int, first: int) -> None:
    for k in range(seconds):
        writer.write(message(Kind.FRAME, source.frame(first + k)))
        await asyncio.sleep(1.0)


async def look(port: int, got: list[int], place: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/api/live", max_size=None) as viewer:
        await viewer.send("units")
        async for said in viewer:
            got[place] += isinstance(said, bytes)


async def main(n: int) -> None:
    source = Source(n)
    params = source.plant.params
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    settings = Settings("127.0.0.1", port, None, None, None, "viewer", (), 60.0)
    hello = Hello("bench", "0", params, ("link",) * n, settings, None)
    ours, theirs = socket.socketpair()
    fds = (theirs.fileno(), listening.fileno(), past.fresh())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vppd.runtime.console_worker", *map(str, fds), pass_fds=fds
    )
    theirs.close()
    _, writer = await asyncio.open_connection(sock=ours)
    writer.write(message(Kind.HELLO, pack_hello(hello)))
    writer.write(
        message(Kind.STATUS, json.dumps({"status": {}, "orders": [], "plans": []}).encode())
    )
    await feed(writer, source, 5, 0)
    rows, at = [], 5
    for viewers in (0, 1, 20):
        got = [0] * viewers
        tasks = [asyncio.create_task(look(port, got, place)) for place in range(viewers)]
        await feed(writer, source, 2, at)
        before, counted = cpu_s(process.pid), sum(got)
        await feed(writer, source, SECONDS, at + 2)
        used = 100.0 * (cpu_s(process.pid) - before) / SECONDS
        frames = (sum(got) - counted) / viewers if viewers else math.nan
        rows.append({"viewers": viewers, "api_cpu_pct": round(used, 2), "frames_each": frames})
        at += SECONDS + 2
        for task in tasks:
            task.cancel()
    paint = await first_paint(port, writer, source, at)
    spent_us = 1e6 * float(np.median(source.spent_s))
    print(json.dumps({"units": n, "encode_us": round(spent_us, 1), "rows": rows} | paint, indent=1))
    writer.close()
    await process.wait()


async def first_paint(
    port: int, writer: asyncio.StreamWriter, source: Source, at: int
) -> dict[str, object]:
    if not HAS_CHROMIUM:
        return {"first_paint_s": None, "note": "no Chromium"}
    feeding = asyncio.create_task(feed(writer, source, 600, at))
    async with fleet_page(port) as (tab, took):
        frames = await tab.evaluate(SCROLL)
    feeding.cancel()
    return {**took, "scroll_ms_a_frame": frames}


@contextlib.asynccontextmanager
async def fleet_page(port: int) -> AsyncIterator[tuple[Page, dict[str, float | None]]]:
    """Open the fleet's page in Chromium, cold; the tab, and how long paint and rows took, s."""
    async with async_playwright() as started:
        browser = await started.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"]
        )
        tab = await browser.new_page(viewport={"width": 1920, "height": 1080})
        began_s = time.monotonic()
        await tab.goto(f"http://127.0.0.1:{port}/#fleet")
        while not await tab.evaluate("!!window.vppd?.store.units && vppd.fleet.pool.length > 0"):
            await asyncio.sleep(0.02)
        rows_s = time.monotonic() - began_s
        paint_ms = await tab.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
        )
        paint_s = None if paint_ms is None else round(paint_ms / 1000.0, 3)
        yield tab, {"first_paint_s": paint_s, "rows_on_screen_s": round(rows_s, 3)}
        await browser.close()


# Scrolls through all rows and takes what each frame's own work costs: the display's rate is not
# that of a browser without a display.
SCROLL = """async () => {
  const box = document.getElementById('rows'), spent = [];
  for (let k = 0; k < 240; k++) {
    box.scrollTop += 400;
    const began = performance.now();
    vppd.fleet.paint(); box.offsetHeight;
    spent.push(performance.now() - began);
    await new Promise(requestAnimationFrame);
  }
  spent.sort((a, b) => a - b);
  return { p50: +spent[120].toFixed(2), p99: +spent[237].toFixed(2) };
}"""


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
