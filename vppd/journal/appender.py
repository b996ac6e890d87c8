"""The one place that writes a journal: codes records, groups them, turns segments over.

Runs in the thread of the writer, or inline under virtual time. An input or output error closes
the segment, loses what was pending and counts it; a new segment is tried after `retry_s`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vppd.core.types import Decision, Image, Params, State
from vppd.journal.codec import StateLayout, TickEncoder, TickLayout
from vppd.journal.errors import LayoutError
from vppd.journal.frames import CONTINUES, Kind, frame
from vppd.journal.header import UNCHAINED, About, Header, pack_header
from vppd.journal.recover import Recovery, recover
from vppd.journal.schema import SCHEMA, Meta
from vppd.journal.segment import OpenSegment, SegmentFile, segment_name

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is turned over, and when writing is tried again after an error."""

    segment_s: float = 3600.0  # by the clock of the ticks
    segment_bytes: int = 256 << 20
    retry_s: float = 10.0


@dataclass(frozen=True, slots=True)
class TickItem:
    """One tick on its way to the file. `gap`: records dropped just before it."""

    meta: Meta
    state: State
    image: Image
    decision: Decision
    gap: int = 0


@dataclass(frozen=True, slots=True)
class EventItem:
    """One low-rate event on its way to the file."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class ParamsItem:
    """Other Params from the next tick on: a segment of its own."""

    params: Params
    about: About
    utc_s: float


Item = TickItem | EventItem | ParamsItem


@dataclass(frozen=True, slots=True)
class Written:
    """What has been written so far."""

    ticks: int = 0
    others: int = 0  # records that are no ticks
    bytes: int = 0
    segments: int = 0
    lost: int = 0  # records lost by errors of the disk, or that did not fit the layout
    last_tick: int = -1  # number of the last tick that is in the file, and synced if asked
    error: str = ""  # why nothing can be written now; empty when all is well
    path: Path | None = None


def event_payload(utc_s: float, name: str, fields: Mapping[str, Scalar]) -> bytes:
    """JSON of an event; a number that is not finite becomes null."""
    data: dict[str, Scalar] = {"utc_s": utc_s, "event": name, **fields}
    for key, value in data.items():
        if isinstance(value, float) and not math.isfinite(value):
            data[key] = None
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


class Appender:
    """Writes items to the segments of one folder. Not thread safe; raises no OSError."""

    def __init__(
        self,
        folder: Path,
        site: ParamsItem,
        limits: Limits,
        *,
        sync: bool,
        open_segment: OpenSegment = SegmentFile,
    ) -> None:
        self.written = Written()
        self.recovery: Recovery | None = None
        self._folder = folder
        self._site = site
        self._limits = limits
        self._sync = sync
        self._open_segment = open_segment
        self._file: SegmentFile | None = None
        self._ticks: TickEncoder
        self._states: StateLayout
        self._pending: list[bytes] = []
        self._pending_ticks: list[int] = []  # their numbers
        self._number, self._seq, self._chain = 0, 0, UNCHAINED
        self._in_file = (0, UNCHAINED)  # sequence and chain after the last byte of the file
        self._unsaid = 0  # records lost or dropped since the last event that told of them
        self._recovery_told = False
        self._fresh = True  # the next tick does not go on from the last one in the journal
        self._state_due = True
        self._now_s, self._utc_s = -math.inf, site.utc_s
        self._retry_at_s = self._turn_at_s = math.inf
        self._open()

    # -- in -----------------------------------------------------------------------------------

    def add(self, item: Item) -> None:
        """Code one item; it is in the file after `commit`."""
        if isinstance(item, TickItem):
            self._now_s, self._utc_s = item.image.now_s, item.meta.utc_s
            self._note_gap(item.gap)
            self._turn_over_if_due()
            if not self._ready() or not self._add_tick(item):
                self._lose(1)
        elif isinstance(item, EventItem):
            if self._ready():
                self._frame(Kind.EVENT, 0, item.payload)
            else:
                self._lose(1)
        else:
            self._end("reconfigured")
            self._site, self._fresh = item, True

    def commit(self) -> None:
        """Write what is pending, in one go, and sync it."""
        if self._file is None or not self._pending:
            return
        data = b"".join(self._pending)
        written = self.written
        ticks, events = len(self._pending_ticks), len(self._pending) - len(self._pending_ticks)
        try:
            self._file.append(data)
        except OSError as error:
            self._fail(error)
            return
        self.written = replace(
            written,
            ticks=written.ticks + ticks,
            others=written.others + events,
            bytes=written.bytes + len(data),
        )
        last = self._pending_ticks[-1] if ticks else written.last_tick
        self._pending, self._pending_ticks = [], []
        self._in_file = (self._seq, self._chain)
        try:
            if self._sync:
                self._file.sync()
        except OSError as error:  # what the kernel held may be gone: never sync this file again
            self._fail(error)
            return
        self.written = replace(self.written, last_tick=last)

    def close(self) -> None:
        """Write the end record."""
        self._end("closed")

    # -- records ------------------------------------------------------------------------------

    def _add_tick(self, item: TickItem) -> bool:
        flags = 0 if self._fresh else CONTINUES
        try:
            state = self._states.encode(item.state) if self._state_due or self._fresh else b""
            tick = self._ticks.encode(item.meta, item.image, item.decision)
        except LayoutError as error:
            self.written = replace(self.written, error=str(error))
            return False
        if self._unsaid:
            self._tell("journal_gap", {"lost": self._unsaid})
            self._unsaid = 0
        if state:
            self._frame(Kind.STATE, flags, state)
            self._turn_at_s = min(self._turn_at_s, self._now_s + self._limits.segment_s)
        self._frame(Kind.TICK, 0, tick)
        self._pending_ticks.append(item.image.tick)
        self._fresh = self._state_due = False
        if self.written.error:
            self.written = replace(self.written, error="")
        return True

    def _tell(self, name: str, fields: Mapping[str, Scalar]) -> None:
        self._frame(Kind.EVENT, 0, event_payload(self._utc_s, name, fields))

    def _frame(self, kind: Kind, flags: int, payload: bytes) -> None:
        data, self._chain = frame(kind, flags, self._seq, self._chain, payload)
        self._seq += 1
        self._pending.append(data)

    # -- segments -----------------------------------------------------------------------------

    def _ready(self) -> bool:
        if self._file is None and (not self.written.error or self._now_s >= self._retry_at_s):
            self._open()
        return self._file is not None

    def _open(self) -> None:
        """Begin a segment: recover what is there if that was not done, header, first events."""
        try:
            if self.recovery is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self.recovery = recover(self._folder)
                self._number = self.recovery.number - 1
                self._in_file = (self.recovery.seq, self.recovery.chain)
            self._begin()
        except (OSError, LayoutError) as error:
            self._fail(error)
            return
        if self.recovery.segment and not self._recovery_told:
            self._recovery_told = True
            self._tell("journal_recovered", self.recovery.fields())

    def _begin(self) -> None:
        seq, previous = self._in_file
        site = self._site
        header = Header(
            self._number + 1, seq, previous, self._utc_s, site.about, SCHEMA, site.params
        )
        data, chain = pack_header(header)
        path = self._folder / segment_name(header.number, self._utc_s)
        self._file = self._open_segment(path, data, sync=self._sync)
        self._number += 1
        self._seq, self._chain = seq, chain
        self._in_file = (seq, chain)
        self._ticks = TickEncoder(TickLayout(SCHEMA, header.n))
        self._states = StateLayout(SCHEMA, header.n)
        self._state_due, self._turn_at_s = True, math.inf
        written = self.written
        self.written = replace(
            written,
            bytes=written.bytes + len(data),
            segments=written.segments + 1,
            error="",
            path=path,
        )

    def _turn_over_if_due(self) -> None:
        if self._file is None:
            return
        size = self._file.size + sum(map(len, self._pending))
        if self._now_s >= self._turn_at_s or size >= self._limits.segment_bytes:
            self._end("turned over")

    def _end(self, reason: str) -> None:
        if self._file is None:
            return
        payload = json.dumps({"reason": reason}, separators=(",", ":")).encode()
        self._frame(Kind.END, 0, payload)
        self.commit()
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- errors -------------------------------------------------------------------------------

    def _fail(self, error: OSError | LayoutError) -> None:
        """Give up this segment. The next one links to what is surely in the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lose(len(self._pending))
        self._pending, self._pending_ticks = [], []
        self._retry_at_s = self._now_s + self._limits.retry_s
        self.written = replace(self.written, error=str(error))

    def _note_gap(self, dropped: int) -> None:
        if dropped:
            self._unsaid += dropped
            self._fresh = True

    def _lose(self, records: int) -> None:
        self.written = replace(self.written, lost=self.written.lost + records)
        self._note_gap(records)
