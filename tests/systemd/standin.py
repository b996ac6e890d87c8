"""A stand-in for the daemon inside the sandbox of vppd.service: it tells what it finds there.

Run as /opt/vppd/venv/bin/vppd. The parts are the real ones: lock, log, realtime, tick clock,
notify; and a kernel that Numba compiles into the cache. SIGUSR1 makes it hang.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import structlog

from vppd.ops.log import setup_log
from vppd.runtime.clock import TickClock
from vppd.runtime.lock import StateLock
from vppd.runtime.notify import Notifier
from vppd.runtime.realtime import apply_realtime, scheduler

KERNEL = """
from numba import njit

@njit("float64(float64)", cache=True)
def twice(x):
    return 2.0 * x
"""


def compiled():
    """Compile a kernel, or load it from the cache: (its answer, hits in the cache)."""
    folder = Path("/var/lib/vppd")
    folder.joinpath("standin_kernel.py").write_text(KERNEL)
    sys.path.insert(0, str(folder))
    from standin_kernel import twice

    return twice(21.0), sum(twice.stats.cache_hits.values())


def refused(action):
    """The error that an action gives, by name; empty: it was done."""
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return ""


def findings():
    """What the sandbox gives and refuses."""
    import resource

    answer, hits = compiled()
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    of_thread = []
    thread = threading.Thread(target=lambda: of_thread.append(scheduler()))
    thread.start()
    thread.join()
    realtime = apply_realtime(40, lock_memory=True)
    credentials = Path(os.environ["CREDENTIALS_DIRECTORY"])
    param = os.sched_param(41)
    return {
        "user": os.getuid(),
        "kernel": answer,
        "cache_hits": hits,
        "cached": sorted(
            f"{path.name.partition('.')[0]}{path.suffix}"
            for path in Path("/var/cache/vppd/numba").rglob("*.nb?")
        ),
        "credentials": {path.name: path.read_text() for path in credentials.iterdir()},
        "capabilities": status["CapBnd"],
        "no_new_privs": status["NoNewPrivs"],
        "seccomp": status["Seccomp"],
        "scheduler": realtime.scheduler,
        "memory": realtime.memory,
        "thread": of_thread[0],
        "memlock_limit": resource.getrlimit(resource.RLIMIT_MEMLOCK)[0],
        "write_etc": refused(lambda: Path("/etc/vppd/x").write_text("")),
        "write_program": refused(lambda: Path("/opt/vppd/x").write_text("")),
        "list_home": refused(lambda: list(Path("/root").iterdir())),
        "read_stored_credentials": refused(lambda: list(Path("/etc/vppd/credentials").iterdir())),
        "raise_priority": refused(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, param)),
        "other_processes": len([p for p in Path("/proc").iterdir() if p.name.isdigit()]) - 1,
    }


async def run(notifier):
    """Tick until SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: time.sleep(600.0))
    clock = TickClock(0.1, time.monotonic)
    async for tick in clock:
        if tick.number == 0:
            notifier.ready("ready")
        notifier.watchdog(f"tick {tick.number}, timer {clock.timer_name}")
        if stopping.is_set():
            notifier.stopping("stopping")
            return


def main():
    """Look around, then tick."""
    log = setup_log("info")
    if Path("/etc/vppd/vppd.yaml").read_text() == "bad\n":
        return 2
    with StateLock(Path("/var/lib/vppd")):
        Path("/var/lib/vppd/findings.json").write_text(json.dumps(findings()))
        structlog.get_logger().info("daemon_ready", pid=os.getpid())
        asyncio.run(run(Notifier()))
    log.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
