"""Check a journal without decoding it: checksums, sequence and hash chain."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vppd.journal.errors import LayoutError
from vppd.journal.frames import Kind
from vppd.journal.header import UNCHAINED, RawHeader
from vppd.journal.scan import (
    Ending,
    Progress,
    SegmentScan,
    Tail,
    header_tail,
    moved_by,
    segments,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first record that does not hold."""

    segment: str
    seq: int
    offset: int
    what: str

    def __str__(self) -> str:
        return f"{self.segment}: record {self.seq} at byte {self.offset}: {self.what}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What of a journal holds."""

    segments: int
    records: int  # that hold
    ticks: int
    bytes: int  # of all files
    fault: Fault | None
    torn: tuple[Fault, ...]  # incomplete records at the end of a segment: a crash, no forgery
    closed: bool  # the last segment has its end record
    whole: bool  # it begins with the first segment ever written
    head: str  # chain of the last record, hex: who keeps it can prove the journal

    @property
    def ok(self) -> bool:
        """Whether every record holds, and each segment links to the one before."""
        return self.fault is None


def verify(path: Path, *, progress: Progress | None = None) -> VerifyReport:
    """Check a segment, or all segments of a folder, up to the first record that does not hold.

    A journal that was cut short at a record's border by the removal of its last records, or of
    its first or last segments, still holds: compare `head`, or see `closed` and `whole`.

    Raises
    ------
    JournalError
        Nothing to read there.
    """
    paths = segments(path)
    total = sum(p.stat().st_size for p in paths)
    check = _Check()
    done = 0
    for part in paths:
        moved = moved_by(progress, done, total)
        done += part.stat().st_size
        if not check.segment(part, moved):
            break
    if progress is not None:
        progress(done, max(done, total))
    return check.report(len(paths), total)


class _Check:
    """Goes over the segments one after the other."""

    def __init__(self) -> None:
        self.records = self.ticks = 0
        self.fault: Fault | None = None
        self.torn: list[Fault] = []
        self.closed = False
        self.first: RawHeader | None = None
        self.chain = UNCHAINED
        self.seq = 0

    def segment(self, path: Path, moved: Callable[[int], None]) -> bool:
        """Check one segment; False when something in it does not hold."""
        try:
            with SegmentScan(path) as scan:
                self._link(path, scan.header)
                if self.fault is None:
                    self._records(scan, moved)
        except LayoutError as error:
            self.closed = False
            self._end(path, header_tail(path, error))
        return self.fault is None

    def _link(self, path: Path, header: RawHeader) -> None:
        if self.first is None:
            self.first = header
        elif (header.previous, header.first_seq) != (self.chain, self.seq):
            what = "does not link to the segment before it"
            self.fault = Fault(path.name, header.first_seq, 0, what)

    def _records(self, scan: SegmentScan, moved: Callable[[int], None]) -> None:
        for frame in scan:
            self.records += 1
            self.ticks += frame.kind == Kind.TICK
            moved(frame.offset)
        self.chain, self.seq = scan.chain, scan.seq
        if scan.tail is not None:
            self.closed = scan.tail.ending is Ending.CLOSED
            self._end(scan.path, scan.tail)

    def _end(self, path: Path, tail: Tail) -> None:
        fault = Fault(path.name, tail.seq, tail.offset, tail.what)
        if tail.ending is Ending.DAMAGED:
            self.fault = fault
        elif tail.ending is Ending.TORN:
            self.torn.append(fault)

    def report(self, n_segments: int, n_bytes: int) -> VerifyReport:
        """Sum up."""
        return VerifyReport(
            segments=n_segments,
            records=self.records,
            ticks=self.ticks,
            bytes=n_bytes,
            fault=self.fault,
            torn=tuple(self.torn),
            closed=self.closed,
            whole=self.first is not None and self.first.previous == UNCHAINED,
            head=self.chain.hex(),
        )
