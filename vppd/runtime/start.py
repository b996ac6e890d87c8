"""What comes before the daemon: log, lock, kernels.

The modules of the daemon compile the kernels when they are imported, which takes some seconds
without a cache. So they come last, when the lock is held and the log says what is going on.
"""

import time

import structlog

from vppd.kernels import jit, warm
from vppd.ops.log import setup_log
from vppd.runtime import kernel_library
from vppd.runtime.handed import take_handed
from vppd.runtime.lock import StateLock
from vppd.runtime.notify import Notifier
from vppd.runtime.site import Site

log = structlog.get_logger()


def start_daemon(site: Site, *, shadow: bool) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Raises StateLockedError, StateDirError, OSError or ValueError when it could not start,
    ExceptionGroup when something failed that the daemon cannot do without.
    """
    take_handed()
    log_setup = setup_log(site.config.site.log_level)
    notifier = Notifier()
    try:
        with StateLock(site.state_dir):
            load_kernels(notifier)
            from vppd.runtime.daemon import run_daemon  # noqa: PLC0415 - see above

            keep_kernels()
            run_daemon(site, notifier, log_setup, shadow=shadow)
    finally:
        notifier.close()
        log_setup.close()


def load_kernels(notifier: Notifier) -> None:
    """Read the kernels from Numba's cache, or compile them: before READY, never in a tick."""
    started_s = time.monotonic()
    notifier.status("loading kernels")
    log.info(
        "loading_kernels", from_library=bool(jit.linked),
        note="the first start compiles them, which takes some seconds",
    )  # fmt: skip
    warm.load()
    log.info("kernels_ready", took_s=round(time.monotonic() - started_s, 3))


def keep_kernels() -> None:
    """Put the kernels into a library, for the next start, where there is none of them."""
    if jit.linked or kernel_library.read(kernel_library.path()) is not None:
        return
    if reason := kernel_library.write():
        log.warning("kernels_not_kept", reason=reason, note="the next start takes 0.6 s longer")
