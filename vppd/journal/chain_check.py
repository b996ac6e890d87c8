"""Go over one chain of segments: checksums, sequence, links, signatures, and what is told of it.

Knows nothing of the other chain: what has to be compared with it is collected.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vppd.journal.errors import LayoutError
from vppd.journal.frames import Kind
from vppd.journal.header import UNCHAINED, RawHeader
from vppd.journal.heads import HeadRecord, Place, Verifier, message, parse_payload
from vppd.journal.scan import Ending, Frame, SegmentScan, Tail, header_tail

LINK: Final = "does not link to the segment before it"


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
class Signed:
    """The last head whose signature holds: all before it is as its signer saw it."""

    segment: str
    seq: int
    utc_s: float | None  # None where the clock was not known
    key_id: str  # hex


@dataclass(frozen=True, slots=True)
class Bound:
    """What a head says of the other chain, and where it says so."""

    at: Fault
    other: Place


@dataclass(frozen=True, slots=True)
class _Signature:
    at: Fault
    head: HeadRecord
    message: bytes


@dataclass(slots=True)
class ChainCheck:
    """Goes over the segments of one chain, one after the other.

    `keys` are those that signatures must be of, by their short names; empty where nobody knows.
    `wanted` are numbers of records before which the chain is to be kept in `places`. Of a segment
    the last signature is looked at: it is over all before it, the earlier signatures included.
    """

    keys: Mapping[bytes, Verifier] = field(default_factory=dict)
    wanted: frozenset[int] = frozenset()
    heads: frozenset[bytes] = frozenset()  # chains to look for
    look: Callable[[Frame], None] | None = None  # sees each record that holds
    records: int = 0
    ticks: int = 0
    unsigned: int = 0  # records after the last signature that holds
    fault: Fault | None = None
    torn: list[Fault] = field(default_factory=list)
    closed: bool = False
    first: RawHeader | None = None
    first_name: str = ""  # of its segments
    last_name: str = ""
    chain: bytes = UNCHAINED
    seq: int = 0
    signed: Signed | None = None
    last_records: int = 0  # of the last segment that has any
    bounds: list[Bound] = field(default_factory=list)
    places: dict[int, set[bytes]] = field(default_factory=dict)  # two where a segment begins
    found: set[bytes] = field(default_factory=set)

    def over(self, paths: Iterable[Path], moved: Callable[[Path], Callable[[int], None]]) -> None:
        """Check segments until something does not hold."""
        for path in paths:
            self.last_name = path.name
            try:
                with SegmentScan(path) as scan:
                    self._link(path, scan.header)
                    if self.fault is None:
                        self._records(scan, moved(path))
            except LayoutError as error:
                self.closed = False
                self._end(path, header_tail(path, error))
            if self.fault is not None:
                return

    def unsigned_fault(self) -> Fault | None:
        """What is not signed and would be, had its signer written it.

        A writer signs the end of each segment, and begins each start with a signed head: only the
        last segment may have a tail without, while it is written or after a kill.
        """
        what = ""
        if self.signed is None:
            what = "no head is signed with the key given"
        elif self.unsigned > self.last_records:
            what = f"{self.unsigned} records up to the end are not signed: more than one segment"
        elif self.closed and self.unsigned:
            what = "the end is not signed"
        return Fault(self.last_name, self.seq - self.unsigned, 0, what) if what else None

    def _link(self, path: Path, header: RawHeader) -> None:
        if self.first is None:
            self.first, self.first_name = header, path.name
            self.seq = header.first_seq
            self._passed(header.first_seq, header.previous)
        elif (header.previous, header.first_seq) != (self.chain, self.seq):
            self.fault = Fault(path.name, header.first_seq, 0, LINK)
        self._passed(header.first_seq, header.chain)

    def _records(self, scan: SegmentScan, moved: Callable[[int], None]) -> None:
        before, last = scan.chain, None
        for frame in scan:
            self.records += 1
            self.unsigned += 1
            self.ticks += frame.kind == Kind.TICK
            if frame.kind == Kind.HEAD:
                last = self._head(scan.path, frame, before) or last
            if self.look is not None:
                self.look(frame)
            if self.fault is not None:
                return
            before = scan.chain
            self._passed(frame.seq + 1, before)
            moved(frame.offset)
        self.chain, self.seq = scan.chain, scan.seq
        self.last_records = scan.seq - scan.header.first_seq or self.last_records
        if last is not None:
            self._signature(last)
        if scan.tail is not None and self.fault is None:
            self.closed = scan.tail.ending is Ending.CLOSED
            self._end(scan.path, scan.tail)

    def _passed(self, seq: int, chain: bytes) -> None:
        """Note a chain that stands before record `seq`, where somebody asks for it."""
        if seq in self.wanted:
            self.places.setdefault(seq, set()).add(chain)
        if chain in self.heads:
            self.found.add(chain)

    def _head(self, path: Path, frame: Frame, before: bytes) -> "_Signature | None":
        """Note what a head says; returns its signature, if it is one that can be held to a key."""
        at = Fault(path.name, frame.seq, frame.offset, "")
        try:
            head = parse_payload(frame.payload)
        except LayoutError as error:
            self._blame(at, str(error))
            return None
        if head.other.chain != UNCHAINED:
            self.bounds.append(Bound(at, head.other))
        if not head.is_signed or not self.keys:
            return None
        if head.key_id not in self.keys:
            self._blame(at, f"signed with another key ({head.key_id.hex()})")
            return None
        return _Signature(at, head, message(before, frame.first, head.said))

    def _signature(self, last: "_Signature") -> None:
        at, head, name = last.at, last.head, last.head.key_id.hex()
        if not self.keys[head.key_id](head.signature, last.message):
            self._blame(at, f"the signature of key {name} does not hold")
            return
        utc_s = head.utc_s if math.isfinite(head.utc_s) else None
        self.signed = Signed(at.segment, at.seq, utc_s, name)
        self.unsigned = self.seq - 1 - at.seq

    def _blame(self, at: Fault, what: str) -> None:
        self.fault = Fault(at.segment, at.seq, at.offset, what)

    def _end(self, path: Path, tail: Tail) -> None:
        fault = Fault(path.name, tail.seq, tail.offset, tail.what)
        if tail.ending is Ending.DAMAGED:
            self.fault = fault
        elif tail.ending is Ending.TORN:
            self.torn.append(fault)
