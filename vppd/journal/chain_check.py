"""Go over one chain of segments: checksums, sequence, links, signatures, and what is told of it.

Knows nothing of the other chain: what has to be compared with it is collected. A segment is looked
at by itself (`SegmentCheck`), maybe while something else reads it and in another process; what was
found of each is put together in their order (`ChainCheck`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from vppd.journal.errors import LayoutError
from vppd.journal.frames import Kind
from vppd.journal.header import UNCHAINED
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


class Beginning(NamedTuple):
    """What a header says of its place in the chain, and the chain that it starts."""

    first_seq: int
    previous: bytes
    chain: bytes


def beginning(scan: SegmentScan) -> Beginning:
    """Where a segment says that it stands."""
    return Beginning(scan.header.first_seq, scan.header.previous, scan.header.chain)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature in a head, and what it is over; not looked at yet."""

    at: Fault
    head: HeadRecord
    message: bytes


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for in a chain.

    `key_ids` are the short names of the keys that signatures must be of; empty where nobody knows.
    `seqs` are numbers of records before which the chain is to be kept, `heads` chains to look for.
    """

    key_ids: frozenset[bytes] = frozenset()
    seqs: frozenset[int] = frozenset()
    heads: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class CheckedSegment:
    """What one segment holds by itself."""

    name: str
    begin: Beginning | None = None  # None: its header does not hold
    tail: Tail | None = None  # None: `fault` stands before its end
    records: int = 0
    ticks: int = 0
    chain: bytes = UNCHAINED  # after its last record
    seq: int = 0  # of the record that comes next
    fault: Fault | None = None
    signature: Signature | None = None  # its last
    bounds: tuple[Bound, ...] = ()
    places: Mapping[int, bytes] = field(default_factory=dict)
    found: frozenset[bytes] = frozenset()


class SegmentCheck:
    """Looks at the records of one segment while somebody reads them."""

    def __init__(self, scan: SegmentScan, sought: Sought) -> None:
        self._scan, self._sought, self._name = scan, sought, scan.path.name
        self._begin = begin = beginning(scan)
        self._records = self._ticks = 0
        self._signature: Signature | None = None
        self._bounds: list[Bound] = []
        self._places: dict[int, bytes] = {}
        self._found: set[bytes] = set()
        self.fault: Fault | None = None
        self._passed(begin.first_seq, begin.chain)

    def frames(self) -> Iterator[Frame]:
        """Give the records of the scan, each after a look at it."""
        before = self._scan.chain
        for frame in self._scan:
            if self.fault is None:
                self._look(frame, before)
            before = self._scan.chain
            yield frame

    def checked(self) -> CheckedSegment:
        """What was found; asked for when all records were given, or the first that is at fault."""
        scan = self._scan
        return CheckedSegment(
            self._name, self._begin, scan.tail if self.fault is None else None, self._records,
            self._ticks, scan.chain, scan.seq, self.fault, self._signature, tuple(self._bounds),
            self._places, frozenset(self._found),
        )  # fmt: skip

    def _look(self, frame: Frame, before: bytes) -> None:
        self._records += 1
        self._ticks += frame.kind == Kind.TICK
        if frame.kind == Kind.HEAD:
            self._signature = self._head(frame, before) or self._signature
        if self.fault is None:
            self._passed(frame.seq + 1, self._scan.chain)

    def _passed(self, seq: int, chain: bytes) -> None:
        """Note a chain that stands before record `seq`, where somebody asks for it."""
        if seq in self._sought.seqs:
            self._places[seq] = chain
        if chain in self._sought.heads:
            self._found.add(chain)

    def _head(self, frame: Frame, before: bytes) -> Signature | None:
        """Note what a head says; returns its signature, if it is one that can be held to a key."""
        at = Fault(self._name, frame.seq, frame.offset, "")
        try:
            head = parse_payload(frame.payload)
        except LayoutError as error:
            self.fault = _blamed(at, str(error))
            return None
        if head.other.chain != UNCHAINED:
            self._bounds.append(Bound(at, head.other))
        if not head.is_signed or not self._sought.key_ids:
            return None
        if head.key_id not in self._sought.key_ids:
            self.fault = _blamed(at, f"signed with another key ({head.key_id.hex()})")
            return None
        return Signature(at, head, message(before, frame.first, head.said))


def unread(path: Path, error: LayoutError) -> CheckedSegment:
    """What there is to say of a segment whose header does not hold."""
    return CheckedSegment(path.name, tail=header_tail(path, error))


def _blamed(at: Fault, what: str) -> Fault:
    return Fault(at.segment, at.seq, at.offset, what)


@dataclass(slots=True)
class ChainCheck:
    """Puts the segments of one chain together, one after the other.

    `keys` are those that signatures must be of, by their short names. Of a segment the last
    signature is looked at: it is over all before it, the earlier signatures included.
    """

    keys: Mapping[bytes, Verifier] = field(default_factory=dict)
    seqs: frozenset[int] = frozenset()  # as `Sought`
    heads: frozenset[bytes] = frozenset()
    look: Callable[[Frame], None] | None = None  # sees each record that holds; of `over` alone
    records: int = 0
    ticks: int = 0
    unsigned: int = 0  # records after the last signature that holds
    fault: Fault | None = None
    torn: list[Fault] = field(default_factory=list)
    closed: bool = False
    first: Beginning | None = None
    first_name: str = ""  # of its segments
    last_name: str = ""
    chain: bytes = UNCHAINED
    seq: int = 0
    signed: Signed | None = None
    last_records: int = 0  # of the last segment that has any
    bounds: list[Bound] = field(default_factory=list)
    places: dict[int, set[bytes]] = field(default_factory=dict)  # two where a segment begins
    found: set[bytes] = field(default_factory=set)

    @property
    def sought(self) -> Sought:
        """What the check of each segment has to look for."""
        return Sought(frozenset(self.keys), self.seqs, self.heads)

    def over(self, paths: Iterable[Path], moved: Callable[[Path], Callable[[int], None]]) -> None:
        """Check segments until something does not hold."""
        for path in paths:
            try:
                with SegmentScan(path) as scan:
                    self.add(self._checked(scan, moved(path)))
            except LayoutError as error:
                self.add(unread(path, error))
            if self.fault is not None:
                return

    def add(self, segment: CheckedSegment) -> None:
        """Take in the next segment; nothing any more once something does not hold."""
        if self.fault is not None:
            return
        self.last_name = segment.name
        if segment.begin is None:
            self.closed = False
            holds = True
        else:
            holds = self._link(segment.name, segment.begin)
            holds = holds and self._records(segment, segment.begin)
        if segment.tail is not None and holds:
            self._end(segment.name, segment.tail)

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

    def _checked(self, scan: SegmentScan, moved: Callable[[int], None]) -> CheckedSegment:
        if not self._follows(begin := beginning(scan)):
            return CheckedSegment(scan.path.name, begin)  # `add` says so
        check = SegmentCheck(scan, self.sought)
        for frame in check.frames():
            if self.look is not None:
                self.look(frame)
            if check.fault is not None:
                break
            moved(frame.offset)
        return check.checked()

    def _link(self, name: str, begin: Beginning) -> bool:
        if not self._follows(begin):
            self.fault = Fault(name, begin.first_seq, 0, LINK)
            return False
        if self.first is None:
            self.first, self.first_name = begin, name
            self.seq = begin.first_seq
            self._passed(begin.first_seq, begin.previous)
        self._passed(begin.first_seq, begin.chain)
        return True

    def _follows(self, begin: Beginning) -> bool:
        """Whether a segment goes on from the one before."""
        place = self.chain, self.seq
        return self.first is None or (begin.previous, begin.first_seq) == place

    def _records(self, segment: CheckedSegment, begin: Beginning) -> bool:
        self.records += segment.records
        self.unsigned += segment.records
        self.ticks += segment.ticks
        self.bounds += segment.bounds
        self.found |= segment.found
        for seq, chain in segment.places.items():
            self.places.setdefault(seq, set()).add(chain)
        self.fault = segment.fault
        if segment.fault is not None:
            return False
        self.chain, self.seq = segment.chain, segment.seq
        self.last_records = segment.seq - begin.first_seq or self.last_records
        if segment.signature is not None and not self._signature(segment.signature):
            return False
        if segment.tail is not None:
            self.closed = segment.tail.ending is Ending.CLOSED
        return True

    def _passed(self, seq: int, chain: bytes) -> None:
        """Note a chain that stands before record `seq`, where somebody asks for it."""
        if seq in self.seqs:
            self.places.setdefault(seq, set()).add(chain)
        if chain in self.heads:
            self.found.add(chain)

    def _signature(self, last: Signature) -> bool:
        at, head, name = last.at, last.head, last.head.key_id.hex()
        if not self.keys[head.key_id](head.signature, last.message):
            self.fault = _blamed(at, f"the signature of key {name} does not hold")
            return False
        utc_s = head.utc_s if math.isfinite(head.utc_s) else None
        self.signed = Signed(at.segment, at.seq, utc_s, name)
        self.unsigned = self.seq - 1 - at.seq
        return True

    def _end(self, name: str, tail: Tail) -> None:
        fault = Fault(name, tail.seq, tail.offset, tail.what)
        if tail.ending is Ending.DAMAGED:
            self.fault = fault
        elif tail.ending is Ending.TORN:
            self.torn.append(fault)
