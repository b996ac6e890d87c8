"""Room on the disk that is kept for the day when there is none left."""

import os
from pathlib import Path
from typing import Final

NAME: Final = "reserve"
_MODE: Final = 0o640


class Reserve:
    """A file whose blocks are taken. Gone, it leaves room for what must still be written."""

    def __init__(self, folder: Path, size: int) -> None:
        self.is_held = not size  # or there is none to hold
        self._path = folder / NAME
        self._size = size

    def take(self) -> bool:
        """Take the room. False if the disk has not got it; True, too, where none is asked for."""
        if not self._size:
            return True
        self.is_held = False
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError:
            return False
        try:
            os.posix_fallocate(fd, 0, self._size)
            os.ftruncate(fd, self._size)  # one of another size, from an earlier configuration
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)
        self.is_held = True
        return True

    def release(self) -> None:
        """Give the room back to the disk. Raises OSError."""
        if self._size:
            self.is_held = False
            self._path.unlink(missing_ok=True)
