"""The simulated world keeps its own time: its processes go before ordinary ones.

A real device does not wait for a CPU that a test suite keeps busy, and a real link is not slower
for it. Without this, a busy machine shows as late setpoints that nobody sent late. The daemon, at
its SCHED_FIFO 40, goes before all of it. Where it is not permitted, everything works, but later.
"""

import os

ROUND_ROBIN = 10
NICE = -10


def raise_priority(pid: int = 0) -> str:
    """Ask for a real-time priority, else for a better nice value; say what was granted.

    `pid` 0: for this process.
    """
    try:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(ROUND_ROBIN))
    except PermissionError:
        try:
            os.setpriority(os.PRIO_PROCESS, pid, NICE)
        except PermissionError:
            return "ordinary"
        return f"nice {NICE}"
    return f"SCHED_RR {ROUND_ROBIN}"
