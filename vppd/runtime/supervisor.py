"""Who is restarted, how often, and when the daemon gives up.

The one place with a broad `except`: a driver or link task that fails by a programmer's error is
started again a few times, so that a bug in one driver does not take the other units down; then it
stays down, its unit is benched, and the log says so. Whatever the daemon cannot do without (the
control loop, a signal) ends the process with a failure status, and systemd starts it anew.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

RESTARTS_MAX = 5
RESTART_DELAY_S = 1.0

Job = Callable[[], Awaitable[None]]
Tell = Callable[[str, bool], None]  # name of a task that failed, and whether it stays down


async def essential(name: str, job: Job) -> None:
    """Run a job that the daemon cannot do without. Whatever ends it, ends the daemon.

    Raises what the job raises, and RuntimeError if it ends by itself: a plant that nobody can
    reach any more must not go on as if nothing were.
    """
    await job()
    raise RuntimeError(f"{name} has ended by itself")


def tell_nobody(_name: str, _given_up: bool) -> None:
    """Say nothing: the log has it."""


async def restarted(
    name: str, job: Job, *, clock: Callable[[], float], tell: Tell = tell_nobody
) -> None:
    """Run a job that should never end; start it again when it fails, `RESTARTS_MAX` times.

    A job that ran for a minute without failing has its failures forgiven. `tell` hears of each
    failure, in the event loop.
    """
    failures = 0
    while True:
        started_s = clock()
        try:
            await job()
        except Exception:  # a bug in one driver must not reach the other units
            log.exception("task_failed", task=name, failures=failures + 1)
        else:
            log.error("task_ended", task=name)
        failures = 1 if clock() - started_s > 60.0 else failures + 1
        given_up = failures > RESTARTS_MAX
        tell(name, given_up)
        if given_up:
            log.critical("task_given_up", task=name, failures=failures)
            return
        await asyncio.sleep(RESTART_DELAY_S * failures)
