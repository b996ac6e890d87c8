"""What the process asks of the kernel so that a tick comes in time, and what it got.

Nothing here is fatal: without real-time scheduling the plant runs with more jitter, and `status`
says so. Measured on a machine with both cores busy, lateness of the worst tick in 1,000: 586 ms
without SCHED_FIFO, 1 to 9 ms with it; everything else is cosmetic beside that.
"""

import ctypes
import errno
import gc
import os
import resource
from collections.abc import Callable
from pathlib import Path

from vppd.ops.status import Realtime

MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # mlockall(2)
CAP_IPC_LOCK = 14  # capabilities(7)
POLICY_NAME = {
    os.SCHED_OTHER: "SCHED_OTHER",
    os.SCHED_FIFO: "SCHED_FIFO",
    os.SCHED_RR: "SCHED_RR",
    os.SCHED_BATCH: "SCHED_BATCH",
    os.SCHED_IDLE: "SCHED_IDLE",
}
YOUNG_BACKSTOP = 50_000  # new containers at which gc runs by itself, should no slack ever come


def apply_realtime(priority: int, lock_memory: bool) -> Realtime:
    """Ask for all of it, for the calling thread, which must be the event loop's.

    Call it when start-up is over: what exists then is kept out of garbage collection.
    """
    return Realtime(
        scheduler=ask_fifo(priority),
        memory=ask_locked_memory() if lock_memory else "not locked: not asked for",
        gc=freeze_heap(),
    )


def ask_fifo(priority: int) -> str:
    """Put the calling thread under SCHED_FIFO; `priority` 0 asks for nothing.

    With SCHED_RESET_ON_FORK: threads that it starts (journal, log) are ordinary ones, and
    cannot hold a core against the loop.
    """
    policy, current = scheduler()
    if priority == 0:
        return f"{_named(policy, current)}: not asked for"
    if (policy, current) == (os.SCHED_FIFO, priority):
        return f"{_named(policy, current)}, given by the service manager"
    try:
        param = os.sched_param(priority)
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, param)
    except OSError as error:
        why = errno.errorcode.get(error.errno or 0, str(error))
        return f"{_named(policy, current)}: {why} for SCHED_FIFO {priority}"
    return _named(*scheduler())


def scheduler() -> tuple[int, int]:
    """Policy and priority of the calling thread."""
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(0).sched_priority


def ask_locked_memory() -> str:
    """Keep every page in memory from its first use on (mlockall with MCL_ONFAULT).

    Without MCL_ONFAULT the stacks and arenas that are only reserved would be filled at once:
    350 to 500 MB. Under a finite limit nothing is locked, for MCL_FUTURE would turn the first
    allocation beyond it into a MemoryError, hours later.
    """
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit != resource.RLIM_INFINITY and not has_capability(CAP_IPC_LOCK):
        return f"not locked: limit of {limit / 2**20:.0f} MB (LimitMEMLOCK=infinity lifts it)"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0:
        return f"not locked: {errno.errorcode.get(ctypes.get_errno(), 'error')}"
    return "locked as used"


def has_capability(number: int) -> bool:
    """Whether the calling thread has a capability in effect; False where /proc does not tell."""
    try:
        lines = Path("/proc/thread-self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> number & 1)


def freeze_heap() -> str:
    """Take what exists now out of garbage collection; `SlackCollector` does the rest.

    Without a collection before: what start-up leaves behind is little, and to look for it among
    200,000 objects takes 0.1 s of a restart. For the same reason `vppd run` starts with the
    collector off.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(YOUNG_BACKSTOP, *gc.get_threshold()[1:])
    return f"{gc.get_freeze_count()} objects frozen"


class SlackCollector:
    """Collects cyclic garbage at the end of a tick, where time is left until the next one.

    The young generations each time; everything since `freeze_heap()` once in `full_every_s`,
    for a long life moves garbage up to where young collections do not see it.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    full_every_s : float
        Time between two full collections, s.
    """

    YOUNG_SLACK_S = 0.02
    FULL_SLACK_S = 0.2

    def __init__(self, clock: Callable[[], float], full_every_s: float = 60.0) -> None:
        self.longest_s = 0.0
        self.full_collections = 0
        self._clock = clock
        self._full_every_s = full_every_s
        self._full_at_s = clock()

    def collect(self, slack_s: float) -> None:
        """Collect what fits into `slack_s`, the time until the next tick is due, s."""
        if slack_s < self.YOUNG_SLACK_S:
            return
        started_s = self._clock()
        full = slack_s >= self.FULL_SLACK_S and started_s - self._full_at_s >= self._full_every_s
        gc.collect(2 if full else 1)
        ended_s = self._clock()
        if full:
            self._full_at_s = ended_s
            self.full_collections += 1
        self.longest_s = max(self.longest_s, ended_s - started_s)


def _named(policy: int, priority: int) -> str:
    name = POLICY_NAME.get(policy, f"policy {policy}")
    return f"{name} {priority}" if priority else name
