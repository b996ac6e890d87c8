"""Make one run, and say what came of it as an exit code with words."""

import asyncio
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hil.plumbing import CouldNotRunError
from hil.records import RecordError
from hil.rig import DaemonDiedError, Rig
from hil.tso.signal import NoSignalError, SignalError

MISSED, BAD, COULD_NOT = 1, 2, 3
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM  # as shells say it


class RunError(Exception):
    """A run that did not come to its end. `code`: what the command is to exit with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class StoppedError(RunError):
    """Somebody stopped the run."""

    def __init__(self, code: int = INTERRUPTED) -> None:
        super().__init__(code, "interrupted; every process has been ended")


def make(rig: Rig) -> None:
    """Make a run on sockets. Raises RunError; every process has been ended in any case."""
    with _told():
        try:
            asyncio.run(rig.run())
        except DaemonDiedError as error:
            raise RunError(MISSED if rig.began else COULD_NOT, str(error)) from error


def make_virtual(simulate: Callable[[], None]) -> None:
    """Make a run in virtual time. Raises RunError."""
    with _told():
        try:
            simulate()
        except ExceptionGroup as error:  # of the daemon, see `vppd.runtime.shell`
            told = "".join(traceback.format_exception(error))
            raise RunError(MISSED, f"vppd failed:\n{told}") from error


@contextmanager
def _told() -> Iterator[None]:
    """Turn what can go wrong around a run into exit codes."""
    try:
        yield
    except (CouldNotRunError, NoSignalError) as error:
        raise RunError(COULD_NOT, str(error)) from error
    except (RecordError, SignalError) as error:
        raise RunError(BAD, str(error)) from error
    except KeyboardInterrupt as error:
        raise StoppedError(INTERRUPTED) from error
    except asyncio.CancelledError as error:  # SIGTERM, see Rig
        raise StoppedError(TERMINATED) from error
