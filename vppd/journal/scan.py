"""Walk over the records of one segment, and say how it ends."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from vppd.journal.errors import JournalError, LayoutError
from vppd.journal.frames import HEAD_SIZE, MAGIC, Head, Kind, chain_link, crc_holds, parse_head
from vppd.journal.header import MAGIC as SEGMENT_MAGIC
from vppd.journal.header import TornHeaderError, read_header

Progress = Callable[[int, int], None]  # bytes done, bytes in all
SUFFIX: Final = ".vppj"
_CHUNK: Final = 1 << 20
_CANDIDATES_MAX: Final = 1 << 18  # places that a search for the next record may look at,
_BYTES_MAX: Final = 256 << 20  # and bytes of payload
AFTER_END: Final = "bytes after the end record"


class Ending(Enum):
    """How a segment ends."""

    CLOSED = "closed"  # by its end record
    OPEN = "open"  # after a whole record: its writer runs, or was killed between two records
    TORN = "torn"  # within a record: its writer was killed, or the power went
    DAMAGED = "damaged"  # a record is there and does not hold


@dataclass(frozen=True, slots=True)
class Tail:
    """What follows the last record that holds."""

    ending: Ending
    seq: int  # of the record that would come next
    offset: int  # byte where it would start
    size: int  # bytes that are left from there
    what: str  # what is wrong; empty when nothing is
    followed: bool = False  # records that hold by themselves come after the bad place


@dataclass(frozen=True, slots=True)
class Frame:
    """One record that holds: checksum, sequence and chain."""

    kind: int
    flags: int
    seq: int
    offset: int
    payload: bytes
    first: bytes  # the 20 bytes that it starts with


class SegmentScan:
    """The records of one segment, in order, each checked. Use as a context manager.

    After the iteration `tail` says how the segment ends, and `chain` is the chain of the last
    record that holds.

    Raises
    ------
    LayoutError
        On opening: the header does not hold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = path.open("rb")
        try:
            self.size = path.stat().st_size
            self.header = read_header(self._file, self.size)
        except (JournalError, OSError):
            self._file.close()
            raise
        self.chain, self.offset = self.header.chain, self.header.size
        self.seq = self.header.first_seq
        self.tail: Tail | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Frame]:
        ended = over = False
        while self.offset < self.size and not over:
            before = self.chain
            found = self._frame(self._file.read(HEAD_SIZE))
            if isinstance(found, Tail):
                damaged = ended and found.ending is Ending.DAMAGED
                self.tail = replace(found, what=AFTER_END) if damaged else found
                return
            over = ended
            if over and found.kind != Kind.HEAD:
                self.chain = before
                self.tail = replace(self._bad(Ending.DAMAGED, AFTER_END), followed=True)
                return
            self.offset += HEAD_SIZE + len(found.payload)
            self.seq += 1
            ended = ended or found.kind == Kind.END
            yield found
        rest = self.size - self.offset
        if over and rest:
            self.tail = self._bad(Ending.DAMAGED, AFTER_END)
        else:
            ending = Ending.CLOSED if ended else Ending.OPEN
            self.tail = Tail(ending, self.seq, self.offset, rest, "")

    def _frame(self, data: bytes) -> Frame | Tail:
        """Next record, or why it does not hold."""
        rest = self.size - self.offset
        if len(data) < HEAD_SIZE:
            torn = data.startswith(MAGIC) or MAGIC.startswith(data) or not any(data)
            return self._bad(Ending.TORN if torn else Ending.DAMAGED, "incomplete head")
        head = parse_head(data)
        if head is None:
            if not any(data) and self._zeros_to_the_end():
                return self._bad(Ending.TORN, "zeros up to the end of the file")
            return self._bad(Ending.DAMAGED, "checksum of the head")
        if HEAD_SIZE + head.length > rest:
            return self._bad(Ending.TORN, "incomplete record")
        payload = self._file.read(head.length)
        what = self._wrong(head, payload)
        if what:
            return self._bad(Ending.DAMAGED, what)
        self.chain = head.chain
        return Frame(head.kind, head.flags, head.seq, self.offset, payload, head.first)

    def _wrong(self, head: Head, payload: bytes) -> str:
        if len(payload) != head.length or not crc_holds(head, payload):
            return "checksum"
        if head.seq != self.seq:
            return f"sequence {head.seq} instead of {self.seq}"
        if head.chain != chain_link(self.chain, head.first, payload):
            return "hash chain"
        return ""

    def _bad(self, ending: Ending, what: str) -> Tail:
        # A record that is whole but out of its sequence or chain is evidence, never a torn tail.
        followed = what == "hash chain" or what.startswith("sequence")
        after = find_record(self._file, self.offset + 1, self.size)
        followed = followed or after is not None
        ending = Ending.DAMAGED if followed else ending
        return Tail(ending, self.seq, self.offset, self.size - self.offset, what, followed)

    def _zeros_to_the_end(self) -> bool:
        while data := self._file.read(_CHUNK):
            if data.count(0) != len(data):
                return False
        return True


def moved_by(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    """Report of the way made in one segment, about once a megabyte."""
    said = 0

    def moved(offset: int) -> None:
        nonlocal said
        if progress is not None and offset - said >= _CHUNK:
            said = offset
            progress(done + offset, total)

    return moved


def header_tail(path: Path, error: LayoutError) -> Tail:
    """How a segment ends whose header could not be read.

    Torn where the file ends within its header; damaged, or of an unknown layout, else.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        followed = find_record(file, 0, size) is not None
    if isinstance(error, TornHeaderError) and not followed:
        return Tail(Ending.TORN, 0, 0, size, str(error))
    return Tail(Ending.DAMAGED, 0, 0, size, f"header: {error}", followed=True)


def find_record(file: BinaryIO, start: int, size: int) -> tuple[int, Head | None] | None:
    """First record at or after `start` that holds by its own checksum, and where it ends.

    None if there is none. The head is None where a file made to waste time has used up the
    budget of the search: then nobody knows, and nothing may be cut.
    """
    candidates, budget = _CANDIDATES_MAX, _BYTES_MAX
    at = start
    while at + HEAD_SIZE <= size:
        file.seek(at)
        data = file.read(_CHUNK)
        i = data.find(MAGIC)
        while 0 <= i <= len(data) - HEAD_SIZE:
            head = parse_head(data[i : i + HEAD_SIZE])
            candidates -= 1
            if head is not None and at + i + HEAD_SIZE + head.length <= size:
                file.seek(at + i + HEAD_SIZE)
                budget -= head.length
                if crc_holds(head, file.read(head.length)):
                    return at + i + HEAD_SIZE + head.length, head
            if candidates < 0 or budget < 0:
                return size, None
            i = data.find(MAGIC, i + 1)
        if len(data) < HEAD_SIZE:
            return None
        at += len(data) - HEAD_SIZE + 1
    return None


def ticks_after(path: Path, tail: Tail, seq: int | None) -> tuple[int, int | None]:
    """Count the ticks that a segment has from its bad place on, as far as it shows.

    A record that does not hold is taken for a tick: nearly all are. `seq` is the number of the
    first that is missing, None if that is not known; returned is also the one after the last.
    """
    ticks, at = 0, tail.offset
    with path.open("rb") as file:
        while (found := find_record(file, at, tail.offset + tail.size)) is not None:
            at, head = found
            if head is None or (seq is not None and head.seq < seq):
                continue
            ticks += (0 if seq is None else head.seq - seq) + (head.kind == Kind.TICK)
            seq = head.seq + 1
    return ticks, seq


def segments(path: Path) -> list[Path]:
    """Segments of a journal, oldest first: a file is itself, a folder all that it holds.

    Raises
    ------
    JournalError
        Nothing is there, or no journal.
    """
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix == SUFFIX and p.is_file())
        if found:
            return found
        raise JournalError(f"{path}: no segment (*{SUFFIX}) in this folder")
    if not path.is_file():
        raise JournalError(f"{path}: no such journal")
    if _is_foreign(path):
        raise JournalError(f"{path}: not a journal")
    return [path]


def _is_foreign(path: Path) -> bool:
    """Tell whether a file has neither the beginning of a segment nor any record."""
    with path.open("rb") as file:
        begin = file.read(len(SEGMENT_MAGIC))
        return begin != SEGMENT_MAGIC[: len(begin)] and (
            find_record(file, 0, path.stat().st_size) is None
        )
