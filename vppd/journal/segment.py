"""The file of one segment, written at its end only."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from vppd.journal.scan import SUFFIX

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_MODE = 0o640


def segment_name(number: int, created_utc_s: float) -> str:
    """Name of a segment; names sort by number."""
    try:
        at = datetime.fromtimestamp(created_utc_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, OverflowError, OSError):  # NaN, or no clock worth the name
        at = "undated"
    return f"{number:08d}-{at}{SUFFIX}"


def is_disk_full(error: OSError) -> bool:
    """Whether an error says that there is no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class SegmentFile:
    """Append-only file.

    Raises
    ------
    OSError
        From every method but `close`. The file then ends after a whole append, or does not exist.
    """

    def __init__(self, path: Path, header: bytes, *, sync: bool) -> None:
        self.path = path
        self.size = 0
        self._fd = os.open(path, _FLAGS, _MODE)
        try:
            self.append(header)
            if sync:
                self.sync()
                _sync_folder(path.parent)
        except OSError:
            self.close()
            path.unlink(missing_ok=True)
            raise

    def append(self, data: bytes) -> None:
        """Write all of `data`, or none of it."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            # A disk that is full has taken a part: without this the tail would be torn.
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)

    def sync(self) -> None:
        """Return when the data are on the disk."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file; nothing is lost by a second call."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class OpenSegment(Protocol):
    """Opens a new segment: `SegmentFile`, or one on another kind of disk."""

    def __call__(self, path: Path, header: bytes, *, sync: bool) -> SegmentFile:
        """Make the file with its header. Raises OSError."""


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
