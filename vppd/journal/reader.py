"""Read a journal back: segments, ticks, states and events in the order they were written."""

import json
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from vppd.core.types import Image, State
from vppd.journal.codec import StateLayout, TickDecoder, TickLayout
from vppd.journal.errors import (
    DamagedHeaderError,
    DamageError,
    JournalError,
    LayoutError,
)
from vppd.journal.frames import CONTINUES, Kind
from vppd.journal.header import DefectError, Header, parse_header
from vppd.journal.kept import Kept
from vppd.journal.scan import (
    Ending,
    Frame,
    Progress,
    SegmentScan,
    Tail,
    header_tail,
    moved_by,
    segments,
)
from vppd.journal.schema import Meta

EVENT_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class SegmentStart:
    """The records of this segment follow."""

    path: Path
    header: Header


@dataclass(frozen=True, slots=True)
class TickRecord:
    """One tick. Arrays are read-only."""

    seq: int
    offset: int
    meta: Meta
    image: Image
    decision: Kept


@dataclass(frozen=True, slots=True)
class StateRecord:
    """The State that the next tick started from."""

    seq: int
    offset: int
    state: State
    continues: bool  # False: after a start or a gap, it is not what the tick before handed on


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A low-rate event. `utc_s` is None where the clock was not known."""

    seq: int
    offset: int
    utc_s: float | None
    event: str
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """The segment is over; `header` is None where the header could not be read."""

    path: Path
    header: Header | None
    tail: Tail


Record = SegmentStart | TickRecord | StateRecord | EventRecord | SegmentEnd
Watch = Callable[[SegmentScan], Iterator[Frame]]  # gives the frames of a scan, and looks at them


def read(
    path: Path, *, skip_damaged: bool = False, progress: Progress | None = None
) -> Iterator[Record]:
    """Iterate over a segment, or over all segments of a folder.

    A segment may end torn: what is whole is given, and SegmentEnd says how it ends. With
    `skip_damaged` the same goes for a segment that is damaged before its end: reading goes on
    at the next segment. Memory is bounded by the largest record.

    Raises
    ------
    JournalError
        Nothing to read there.
    DamageError
        A segment is damaged before its end, or its header is (DamagedHeaderError).
    LayoutError
        A header is of a layout that this version cannot read.
    """
    paths = segments(path)
    total = sum(p.stat().st_size for p in paths)
    done = 0
    for part in paths:
        yield from read_segment(part, skip_damaged, moved_by(progress, done, total))
        done += part.stat().st_size
    if progress is not None:
        progress(done, max(done, total))


def read_segment(
    path: Path,
    skip: bool,
    moved: Callable[[int], None],
    watch: Watch = iter,
) -> Iterator[Record]:
    """Iterate over one segment. As `read`; `watch` sees each record, decoded or not."""
    try:
        with SegmentScan(path) as scan:
            frames = watch(scan)
            try:
                header = parse_header(scan.header)
                decoder = _Decoder(header)
            except LayoutError:
                deque(frames, 0)  # who watches sees all
                raise
            yield SegmentStart(path, header)
            tail = yield from _records(scan, frames, decoder, moved)
    except LayoutError as error:
        header, tail = None, header_tail(path, error)
        if tail.followed and not skip:
            if isinstance(error, DefectError):
                raise DamagedHeaderError(path, 0, 0, f"header: {error}") from error
            raise LayoutError(f"{path.name}: header: {error}") from error
    if tail.followed and not skip:
        raise DamageError(path, tail.seq, tail.offset, tail.what)
    yield SegmentEnd(path, header, tail)


def _records(
    scan: SegmentScan, frames: Iterator[Frame], decoder: "_Decoder", moved: Callable[[int], None]
) -> Generator[Record, None, Tail]:
    """Give the records of one segment; return how it ends."""
    for frame in frames:
        try:
            record = decoder.decode(frame)
        except LayoutError as error:  # checksum and chain hold, but no writer wrote this
            size = scan.size - frame.offset
            deque(frames, 0)  # who watches sees all
            return Tail(Ending.DAMAGED, frame.seq, frame.offset, size, str(error), followed=True)
        if record is not None:
            yield record
        moved(frame.offset)
    if scan.tail is None:
        raise JournalError(f"{scan.path}: read without an end")
    return scan.tail


class _Decoder:
    """Turns the frames of one segment into records."""

    def __init__(self, header: Header) -> None:
        self._ticks = TickDecoder(TickLayout(header.schema, header.params))
        self._states = StateLayout(header.schema, header.n)

    def decode(self, frame: Frame) -> Record | None:
        """Record of a frame; None for the end, and for kinds of a later version."""
        if frame.kind == Kind.TICK:
            return TickRecord(frame.seq, frame.offset, *self._ticks.decode(frame.payload))
        if frame.kind == Kind.STATE:
            state = self._states.decode(frame.payload)
            return StateRecord(frame.seq, frame.offset, state, bool(frame.flags & CONTINUES))
        if frame.kind == Kind.EVENT:
            return _event(frame)
        return None


def _event(frame: Frame) -> EventRecord:
    if len(frame.payload) > EVENT_MAX:
        raise LayoutError(f"an event of {len(frame.payload)} bytes")
    try:
        data = json.loads(frame.payload)
    except (ValueError, RecursionError) as error:
        raise LayoutError(f"event: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("event"), str):
        raise LayoutError("an event without a name")
    utc_s = data.pop("utc_s", None)
    known = float(utc_s) if isinstance(utc_s, int | float) else None
    return EventRecord(frame.seq, frame.offset, known, data.pop("event"), data)
