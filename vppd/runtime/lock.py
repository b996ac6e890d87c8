"""One daemon on a state folder: the folder itself, and the lock in it."""

import errno
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


class StateDirError(OSError):
    """The state folder cannot be used; the text says why, and what to do, for people."""


class StateLock:
    """The state folder, held by this process until `release()`, or until it ends, however.

    The kernel holds the lock (flock), so a crash leaves none behind. The file stays: removing it
    would let two processes hold locks on two files of the same name.

    Raises
    ------
    StateLockedError
        Another process holds the folder.
    StateDirError
        The folder cannot be made or written.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / LOCK_NAME
        try:
            state_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self.path, flags, FILE_MODE)
        except OSError as error:
            raise StateDirError(f"state_dir {state_dir}: {_why(error, state_dir)}") from error
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


def _why(error: OSError, state_dir: Path) -> str:
    elsewhere = error.filename and Path(error.filename) != state_dir
    place = f" ({error.filename})" if elsewhere else ""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return f"is not a folder{place}; name another one"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"this user may not write there{place}; change its owner, or name another folder"
    return f"{(error.strerror or str(error)).lower()}{place}"
