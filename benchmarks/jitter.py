"""Lateness of ticks: the daemon's clock, asyncio's, and the machine's own floor, side by side.

All three run at the same time, so they see the same machine: first as it is, then with every core
taken by other processes. The floor is cyclictest (Debian: rt-tests): a real-time thread in C that
does nothing but sleep. What it is late by, nothing in a process can cure.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import Row

PERIOD_S = 0.02
TICKS = 3000  # a minute; the worst three are beyond p99.9
OURS, DEFAULT, FLOOR = "vppd clock", "asyncio", "cyclictest"
IDLE, SATURATED = "machine as it is", "every core taken"
LIMIT_US = {IDLE: 1_000.0, SATURATED: 10_000.0}  # of our p99.9
SPIN = "while True: pass"


def measure() -> list[Row]:
    """Rows of both states of the machine."""
    rows = side_by_side(IDLE)
    with hogs(2 * (os.cpu_count() or 1)):
        return rows + side_by_side(SATURATED)


@contextlib.contextmanager
def hogs(count: int) -> Iterator[None]:
    """Processes that take all the time they get."""
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def side_by_side(state: str, period_s: float = PERIOD_S, ticks: int = TICKS) -> list[Row]:
    """Run all three at once; one row each."""
    command = [sys.executable, "-m", "benchmarks.jitter_process"]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        floor = stack.enter_context(floor_process(Path(folder), period_s * ticks))
        processes = [
            subprocess.Popen([*command, who, str(period_s), str(ticks)], stdout=subprocess.PIPE)
            for who in ("ours", "default")
        ]
        told = [json.loads(process.communicate()[0]) for process in processes]
        rows = [
            row_of(who, state, each["late_us"], each["told"])
            for who, each in zip((OURS, DEFAULT), told, strict=True)
        ]
        if floor is not None:
            floor.wait()
            rows.append(floor_row(state, Path(folder) / "floor.json"))
    return rows


@contextlib.contextmanager
def floor_process(folder: Path, duration_s: float) -> Iterator["subprocess.Popen[bytes] | None"]:
    """cyclictest in the background; None where it is not installed or not permitted."""
    if shutil.which("cyclictest") is None or os.getuid() != 0:
        yield None
        return
    command = ["cyclictest", "-q", "-m", "-p", "80", "-i", "1000", "-h", "100000"]
    command += ["-D", f"{max(1, round(duration_s))}s", f"--json={folder / 'floor.json'}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def floor_row(state: str, path: Path) -> Row:
    """Row of what cyclictest has written."""
    thread: dict[str, Any] = json.loads(path.read_text())["thread"]["0"]
    counts = {int(us): n for us, n in thread["histogram"].items()}
    late_us = np.repeat(list(counts), list(counts.values())).astype(float)
    beyond = [float(thread["max"])] * (int(thread["cycles"]) - late_us.size)  # of the histogram
    return row_of(FLOOR, state, [*late_us, *beyond], "real-time thread in C, FIFO 80, each 1 ms")


def row_of(who: str, state: str, late_us: list[float], note: str) -> Row:
    """Make a row; `p999_us` is what the targets are about."""
    p50, p99, p999 = np.percentile(late_us, (50.0, 99.0, 99.9))
    return Row(
        who, f"lateness, {state}", 0, float(p50), float(p99), len(late_us),
        p999_us=float(p999), max_us=float(max(late_us)),
        note=f"p99.9 {p999 / 1e3:.3g} ms, worst {max(late_us) / 1e3:.3g} ms; {note}",
    )  # fmt: skip
