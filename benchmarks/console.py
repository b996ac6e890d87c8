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
from collections.abc import AsyncIterator, Awaitable
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
        scroll = await scrolled(tab)
    feeding.cancel()
    return {**took, "scroll": scroll}


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


def threads_cpu_s() -> dict[str, float]:
    """Processor time of each kind of thread of the browsers that this process has started, s.

    By process and name of the thread: `renderer CrRendererMain` runs the page, `renderer
    Compositor` and its raster workers (`ThreadPoolForeg`) draw it, `gpu-process` puts it on the
    screen: in software, where there is no graphics card.
    """
    parent: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    spent: dict[str, float] = {}
    for pid in parent:
        if not _descends(pid, parent):
            continue
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            if "chromium" not in command:
                continue
            kind = command.partition("--type=")[2].partition("\0")[0].partition(" ")[0] or "browser"
            for task in Path(f"/proc/{pid}/task").iterdir():
                name = f"{kind} {(task / 'comm').read_text().strip()}"
                spent[name] = spent.get(name, 0.0) + _task_cpu_s(task)
    return spent


def _descends(pid: int, parent: dict[int, int]) -> bool:
    while pid > 1:
        pid = parent.get(pid, 0)
        if pid == os.getpid():
            return True
    return False


def _task_cpu_s(task: Path) -> float:
    return int((task / "schedstat").read_text().split()[0]) / 1e9


async def scrolled(tab: Page) -> dict[str, object]:
    """Scroll through all rows: frames a second, and what a frame costs each kind of thread, ms.

    Frames a second are those of this machine at this moment; what a frame costs is what bounds
    them where nobody else is on it: the busiest thread may take 16.7 ms for 60 of them.
    """
    idle = await _spent(asyncio.sleep(IDLE_S))
    began_s, before = time.monotonic(), threads_cpu_s()
    found: dict[str, object] = await tab.evaluate(SCROLL)
    after, span_s = threads_cpu_s(), time.monotonic() - began_s
    # Less what the page does each second anyway: at few frames a second it is much of each.
    each = {
        name: 1e3 * (s - before.get(name, 0.0) - idle.get(name, 0.0) * span_s / IDLE_S) / FRAMES
        for name, s in after.items()
    }
    threads = {name: round(ms, 2) for name, ms in sorted(each.items(), key=lambda i: -i[1])[:6]}
    return {
        **found,
        "cpu_ms_a_frame_by_thread": threads,
        "cpu_ms_a_second_idle": round(1e3 * sum(idle.values()) / IDLE_S, 1),
    }


async def _spent(work: Awaitable[object]) -> dict[str, float]:
    """Processor time of the browser's threads while something is awaited, s."""
    before = threads_cpu_s()
    await work
    return {name: s - before.get(name, 0.0) for name, s in threads_cpu_s().items()}


# What a person does: turns the wheel, frame by frame, through all rows.
FRAMES = 300
IDLE_S = 5.0
SCROLL = """async () => {
  const box = document.getElementById('rows'), apart = [], work = [];
  let last = await new Promise(requestAnimationFrame);
  const first = last;
  for (let k = 0; k < FRAMES; k++) {
    box.scrollTop = (box.scrollTop + 400) % (box.scrollHeight - box.clientHeight);
    const began = performance.now();
    vppd.fleet.paint(); box.offsetHeight;
    work.push(performance.now() - began);
    const now = await new Promise(requestAnimationFrame);
    apart.push(now - last); last = now;
  }
  const part = (list, q) => +list.sort((a, b) => a - b)[Math.floor(q * list.length)].toFixed(2);
  return { frames_per_s: +(1000 * FRAMES / (last - first)).toFixed(1),
           frame_p50_ms: part(apart, 0.5), frame_p99_ms: part(apart, 0.99),
           work_p50_ms: part(work, 0.5), work_p99_ms: part(work, 0.99) };
}""".replace("FRAMES", str(FRAMES))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
