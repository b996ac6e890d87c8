"""Make one run, and say what came of it as an exit code with words."""

import asyncio

from hil.plumbing import CouldNotRunError
from hil.records import RecordError
from hil.rig import DaemonDiedError, Rig
from hil.tso.signal import NoSignalError, SignalError

MISSED, BAD, COULD_NOT = 1, 2, 3


class RunError(Exception):
    """A run that did not come to its end. `code`: what the command is to exit with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class StoppedError(RunError):
    """Somebody stopped the run."""

    def __init__(self) -> None:
        super().__init__(MISSED, "interrupted; every process has been ended")


def make(rig: Rig) -> None:
    """Make a run. Raises RunError; every process has been ended in any case."""
    try:
        asyncio.run(rig.run())
    except (CouldNotRunError, NoSignalError) as error:
        raise RunError(COULD_NOT, str(error)) from error
    except DaemonDiedError as error:
        raise RunError(MISSED if rig.began else COULD_NOT, str(error)) from error
    except (RecordError, SignalError) as error:
        raise RunError(BAD, str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise StoppedError from error
