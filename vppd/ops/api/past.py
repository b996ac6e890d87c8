"""The last two hours of a plant's figures: a ring of rows in a memory file.

The file outlives the api process, and where a service manager keeps it the daemon, too: who looks
after a restart sees what was before it. Written by the api process alone.

    mark 8s | number of rows so far u8 | rows of f8, one a tick, by `frame.SCALARS`
"""

import mmap
import os
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vppd.ops.api.frame import SCALARS

NAME: Final = "history"  # in the manager's store
TICKS: Final = 7200
_MARK: Final = b"VPPH" + zlib.crc32(",".join(SCALARS).encode()).to_bytes(4, "little")
_HEAD: Final = 16
_SIZE: Final = _HEAD + 8 * TICKS * len(SCALARS)


class Past:
    """Rows of the newest ticks.

    `fd`: the memory file; None: one of its own. What is not of these columns is begun anew.
    """

    def __init__(self, fd: int | None = None) -> None:
        own = fd is None
        place = fresh() if fd is None else fd
        os.ftruncate(place, _SIZE)
        memory = mmap.mmap(place, _SIZE)
        if own:
            os.close(place)
        is_ours = memory[: len(_MARK)] == _MARK
        memory[: len(_MARK)] = _MARK
        self._count = np.frombuffer(memory, np.uint64, 1, len(_MARK))
        self._rows = np.frombuffer(memory, np.float64, offset=_HEAD).reshape(TICKS, len(SCALARS))
        if not is_ours:
            self._count[0] = 0

    @property
    def count(self) -> int:
        """Rows so far."""
        return int(self._count[0])

    def add(self, row: tuple[float, ...]) -> None:
        """Keep the figures of one tick. Counted when it is whole: a kill may come in between."""
        self._rows[self.count % TICKS] = row
        self._count[0] += 1

    def rows(self) -> NDArray[np.float64]:
        """All that are kept, shape (ticks, len(SCALARS)), oldest first."""
        kept = min(self.count, TICKS)
        return self._rows[np.arange(self.count - kept, self.count) % TICKS]


def fresh() -> int:
    """Give a memory file with nothing in it."""
    return os.memfd_create(f"vppd-{NAME}", os.MFD_CLOEXEC)
