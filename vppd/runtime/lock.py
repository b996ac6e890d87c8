"""One daemon on a state folder: the folder itself, and the lock in it."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

FOLDER_MODE = 0o750
FILE_MODE = 0o640
LOCK_NAME = "lock"


class StateLockedError(Exception):
    """Another daemon has the state folder; the text says which, for people."""


class StateLock:
    """The state folder, held by this process until `release()`, or until it ends, however.

    The kernel holds the lock (flock), so a crash leaves none behind. The file stays: removing it
    would let two processes hold locks on two files of the same name.

    Raises
    ------
    StateLockedError
        Another process holds the folder.
    OSError
        The folder cannot be made or written.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / LOCK_NAME
        state_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.path, flags, FILE_MODE)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._fd, 32).decode("utf-8", "replace").strip()
            os.close(self._fd)
            raise StateLockedError(
                f"{state_dir}: another vppd (pid {holder or 'not yet written'})"
                " runs on this state folder"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another daemon have the folder."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
