"""Open what a killed daemon left: cut the torn tail, and find where the chain goes on."""

import os
from dataclasses import dataclass
from pathlib import Path

from vppd.journal.errors import JournalError, LayoutError
from vppd.journal.header import UNCHAINED
from vppd.journal.scan import Ending, SegmentScan, Tail, find_record, header_tail, segments


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where the next segment links to, and what was done to the last one."""

    number: int  # of the next segment
    seq: int  # of its first record
    chain: bytes
    segment: str = ""  # name of the segment that was not closed in order; empty if it was
    ending: str = ""
    offset: int = 0
    cut_bytes: int = 0
    what: str = ""

    def fields(self) -> dict[str, str | int]:
        """Fields of the event that tells of it."""
        return {
            "segment": self.segment,
            "ending": self.ending,
            "offset": self.offset,
            "cut_bytes": self.cut_bytes,
            "what": self.what,
        }


def recover(folder: Path) -> Recovery:
    """Make the last segment of `folder` end after a whole record.

    Only bytes that are no record are cut: where records that hold come after a bad place, the
    file is left as it is, and the chain goes on from the last of them.

    Raises
    ------
    OSError
        The folder cannot be read or the file not be cut.
    """
    try:
        paths = segments(folder)
    except JournalError:
        return Recovery(1, 0, UNCHAINED)
    last = paths[-1]
    number = _number(last) + 1
    try:
        with SegmentScan(last) as scan:
            for _ in scan:
                pass
            tail = scan.tail
            chain, seq = scan.chain, scan.seq
    except LayoutError as error:
        return _without_header(paths, number, error)
    if tail is None or tail.ending in (Ending.CLOSED, Ending.OPEN):
        name = "" if tail is None or tail.ending is Ending.CLOSED else last.name
        if name:
            _settle(last, None)
        return Recovery(number, seq, chain, name, name and Ending.OPEN.value)
    if tail.followed:
        return _past_the_damage(last, number, seq, chain, tail)
    _settle(last, tail.offset)
    return Recovery(
        number, seq, chain, last.name, tail.ending.value, tail.offset, tail.size, tail.what
    )


def _settle(path: Path, size: int | None) -> None:
    """Cut a file, and put it on the disk: the next segment will link to what is in it."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if size is not None:
            os.ftruncate(fd, size)
        os.fsync(fd)
    finally:
        os.close(fd)


def _past_the_damage(path: Path, number: int, seq: int, chain: bytes, tail: Tail) -> Recovery:
    """Link to the last record that holds by itself; cut nothing."""
    end = tail.offset + tail.size
    with path.open("rb") as file:
        at = tail.offset
        while found := find_record(file, at, end):
            at, head = found
            if head is not None:
                seq, chain = head.seq + 1, head.chain
    return Recovery(number, seq, chain, path.name, tail.ending.value, tail.offset, 0, tail.what)


def _without_header(paths: list[Path], number: int, error: LayoutError) -> Recovery:
    """Treat a last segment whose header does not hold: nothing in it can be read."""
    last = paths[-1]
    tail = header_tail(last, error)
    if tail.followed:
        return _past_the_damage(last, number, 0, UNCHAINED, tail)
    last.unlink()  # it never got its whole header, let alone a record
    before = recover(last.parent)  # a crash while a segment is begun leaves the one before whole
    return Recovery(
        number, before.seq, before.chain, last.name, tail.ending.value, 0, tail.size, tail.what
    )


def _number(path: Path) -> int:
    digits = path.name.split("-")[0].split(".")[0]
    return int(digits) if digits.isdecimal() else 0
