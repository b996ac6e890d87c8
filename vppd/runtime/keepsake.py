"""What a killed daemon leaves to the next one: the state and the inputs of its last tick.

Two files in memory (memfd), written in turn, kept by the service manager (`Notifier.keep`). A kill
in the middle of a write spoils one; the other still holds the tick before. Each says all that is
needed to read it, in the layout of the journal's records, so a daemon of another version or
configuration takes from it what it knows by name.

    magic 8s | crc u4 | attempts u4 | sequence u8 | header_size u8 | state_size u8 | image_size u8
    | header of a journal segment (names of the units, parameters, columns) | State | Image

Little endian. `crc` is the CRC-32 of header, state, image and the prelude without magic, crc and
attempts, in this order, so that that of a header that stands need not be computed again.

A state that ends each daemon that takes it up must not do so for ever: `attempts` counts those
that took it and did not come to `SETTLED_S`.
"""

import io
import os
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from vppd.core.types import Image, Params, State
from vppd.journal.errors import LayoutError
from vppd.journal.header import UNCHAINED, About, Header, pack_header, parse_header, read_header
from vppd.journal.layout import Block, Column, builder
from vppd.journal.schema import SCHEMA

NAME: Final = "state"  # in the manager's store
FILES: Final = 2
MAGIC: Final = b"VPPDKEEP"
# Longer ago, units have come near their watchdogs and the signal is stale: a start that reads
# every unit first knows more than the memory.
AGE_MAX_S: Final = 10.0
ATTEMPTS_MAX: Final = 3
SETTLED_S: Final = 3.0  # a daemon that ran so long has not died of what it took up
_PRELUDE: Final = struct.Struct("<8sIIQQQQ")
_SUMMED: Final = struct.Struct("<QQQQ")
_ATTEMPTS_AT: Final = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found: the newest tick that is whole."""

    params: Params  # of the daemon that left it
    config_hash: str
    state: State  # after the tick
    image: Image
    attempts: int  # of daemons that took it up before, and died of it or near it


class Keepsake:
    """The two files, written in turn.

    Parameters
    ----------
    fds : sequence of int
        As the manager handed them over, or none. They become its own.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self, fds: Sequence[int] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.kept = newest(fds)
        self.fds = tuple(fds) if len(fds) == FILES else _fresh(fds)
        self._clock = clock
        self._started_s = clock()
        self._attempts = 0
        self._sequence = 0 if self.kept is None else self.kept[0]
        self._header = b""
        self._header_crc = 0
        self._written_headers = [b""] * FILES
        self._state_block = Block("State", SCHEMA.state, 0)
        self._image_block = Block("Image", SCHEMA.image, 0)

    def take(self, now_s: float) -> Kept | None:
        """Give what the last daemon left, if it is young, and counted as taken up; else None."""
        if self.kept is None:
            return None
        _, kept = self.kept
        age_s = now_s - kept.image.now_s
        if not 0.0 <= age_s <= AGE_MAX_S or kept.attempts >= ATTEMPTS_MAX:
            return None
        self._attempts = kept.attempts + 1
        for fd in self.fds:
            os.pwrite(fd, struct.pack("<I", self._attempts), _ATTEMPTS_AT)
        return kept

    def configure(self, params: Params, about: About) -> None:
        """Say whose ticks come next."""
        header = Header(0, 0, UNCHAINED, float("nan"), about, SCHEMA, params)
        self._header, _ = pack_header(header)
        self._header_crc = zlib.crc32(self._header)
        self._state_block = Block("State", SCHEMA.state, header.n)
        self._image_block = Block("Image", SCHEMA.image, header.n)

    def write(self, state: State, image: Image) -> None:
        """Keep one tick: the state after it, and its inputs. Call it before setpoints leave.

        So that what is kept is never older than what a unit was told.
        """
        if self._attempts and self._clock() - self._started_s > SETTLED_S:
            self._attempts = 0
        self._sequence += 1
        turn = self._sequence % FILES
        bodies = self._state_block.pack(state), self._image_block.pack(image)
        sizes = (self._sequence, len(self._header), len(bodies[0]), len(bodies[1]))
        crc = self._header_crc
        for part in (*bodies, _SUMMED.pack(*sizes)):
            crc = zlib.crc32(part, crc)
        fd = self.fds[turn]
        if self._written_headers[turn] is not self._header:
            _write_all(fd, self._header, _PRELUDE.size)
            self._written_headers[turn] = self._header
        _write_all(fd, b"".join(bodies), _PRELUDE.size + len(self._header))
        _write_all(fd, _PRELUDE.pack(MAGIC, crc, self._attempts, *sizes), 0)

    def clear(self) -> None:
        """Leave nothing: after a stop, or a failure of which nothing is known to be right."""
        for fd in self.fds:
            os.ftruncate(fd, 0)
        self._written_headers = [b""] * FILES

    def close(self) -> None:
        """Give the descriptors back. The manager's own copies stay."""
        for fd in self.fds:
            os.close(fd)
        self.fds = ()


def newest(fds: Sequence[int]) -> tuple[int, Kept] | None:
    """Read the files: sequence and content of the newest that is whole; None: none is."""
    found = [read for fd in fds if (read := _read(fd)) is not None]
    return max(found, key=lambda each: each[0], default=None)


def _read(fd: int) -> tuple[int, Kept] | None:
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    if len(data) < _PRELUDE.size or not data.startswith(MAGIC):
        return None
    _, crc, attempts, *sizes = _PRELUDE.unpack_from(data)
    sequence, header_size, state_size, image_size = sizes
    content = data[_PRELUDE.size :][: header_size + state_size + image_size]
    if zlib.crc32(_SUMMED.pack(*sizes), zlib.crc32(content)) != crc:
        return None
    try:
        raw = read_header(io.BytesIO(content), len(content))
        header = parse_header(raw)
        state_at, image_at = raw.size, raw.size + state_size
        state = _record(State, header.schema.state, content[state_at:image_at], header.n)
        image = _record(Image, header.schema.image, content[image_at:], header.n)
    except LayoutError:  # of a version that is too far away
        return None
    return sequence, Kept(header.params, header.about.config_hash, state, image, attempts)


def _record(kind: type[T], columns: Sequence[Column], packed: bytes, n: int) -> T:
    return builder(kind, columns)(Block(kind.__name__, columns, n).unpack(packed), n)


def _fresh(old: Sequence[int]) -> tuple[int, ...]:
    for fd in old:
        os.close(fd)
    return tuple(os.memfd_create(f"vppd-{NAME}", os.MFD_CLOEXEC) for _ in range(FILES))


def _write_all(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        view, at = view[written:], at + written
