"""The one place that writes a journal: codes records, groups them, turns segments over.

Runs in the thread of the writer, or inline under virtual time. An input or output error ends the
segment, loses what was pending and counts it; a new segment is tried after `retry_s`.
"""

import errno
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vppd.journal.chain import START, Chain, Link
from vppd.journal.codec import StateLayout, TickEncoder, TickLayout
from vppd.journal.errors import JournalError, LayoutError
from vppd.journal.event_log import FOLDER, EventLog
from vppd.journal.frames import CONTINUES, Kind
from vppd.journal.header import Header, pack_header
from vppd.journal.heads import Signer, ToldHead
from vppd.journal.items import (
    EventItem,
    Item,
    Limits,
    ParamsItem,
    Scalar,
    TickItem,
    Written,
    event_payload,
)
from vppd.journal.recover import Recovery
from vppd.journal.reserve import Reserve
from vppd.journal.retention import REMOVED, Keep, Removal, removable
from vppd.journal.schema import SCHEMA
from vppd.journal.segment import OpenSegment, SegmentFile, is_disk_full

TellHead = Callable[[ToldHead], None]
STOPPED = "journal_stopped"
NOT_REMOVED = "journal_not_removed"


class Appender:
    """Writes items to the segments of one folder. Not thread safe; raises no OSError.

    Parameters
    ----------
    signer : Signer, optional
        Signs the heads of both chains.
    with_events : bool
        Keep a log of events, in the folder `events`; only then are segments removed.
    keep : callable
        Whether a segment is still needed for something else and must not be removed.
    tell_head : callable, optional
        Hears of each head of the ticks once it is on the disk.
    """

    def __init__(
        self,
        folder: Path,
        site: ParamsItem,
        limits: Limits,
        *,
        sync: bool,
        open_segment: OpenSegment = SegmentFile,
        signer: Signer | None = None,
        with_events: bool = False,
        keep: Keep = lambda _: False,
        tell_head: TellHead | None = None,
    ) -> None:
        self.written = Written()
        self._folder = folder
        self._limits = limits
        self._signer = signer
        self._site = self._with_key(site)
        self._keep = keep
        self._tell_head = tell_head
        self._chain = Chain(folder, sync=sync, open_segment=open_segment, signer=signer)
        self._ticks: TickEncoder
        self._states: StateLayout
        self._pending_ticks: list[int] = []  # their numbers
        self._pending_heads: list[ToldHead] = []
        self._unsaid = 0  # records lost or dropped since the last event that told of them
        self._recovery_told = False
        self._fresh = True  # the next tick does not go on from the last one in the journal
        self._state_due = True
        self._now_s, self._utc_s = -math.inf, site.utc_s
        self._retry_at_s = self._turn_at_s = math.inf
        self._head_at_s = -math.inf
        self._reserve = Reserve(folder, limits.reserve_bytes)
        self._was_full = False  # there must be room for the reserve before ticks are written again
        self._events: EventLog | None = None
        if with_events:
            self._events = EventLog(
                folder / FOLDER, self._site.about, site.utc_s, self._reserve, sync=sync,
                retry_s=limits.retry_s, open_segment=open_segment, signer=signer,
            )  # fmt: skip
        if self._open():
            self._reserve.take()
            self._retain()
        self._note_events()

    @property
    def recovery(self) -> Recovery | None:
        """What was found at the start; None before that could be read."""
        return self._chain.recovery

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
            self._add_event(item.payload)
        else:
            self._end("reconfigured")
            self._site, self._fresh = self._with_key(item), True
            if self._events is not None:
                self._events.about = self._site.about

    def commit(self) -> None:
        """Write what is pending, in one go, and sync it."""
        self._commit_ticks()
        if self._events is not None:
            self._events.commit(self._chain.synced, self._now_s, self._utc_s)
        self._note_events()

    def close(self) -> None:
        """Write the end of both chains."""
        self._end("closed")
        if self._events is not None:
            self._events.close(self._chain.synced, self._now_s, self._utc_s)
        self._note_events()

    def _commit_ticks(self) -> None:
        if not self._chain.is_open or not self._chain.pending:
            return
        if self._now_s >= self._head_at_s:
            self._add_head()
        written = self.written
        ticks, records = len(self._pending_ticks), len(self._chain.pending)
        try:
            size = self._chain.write()
        except OSError as error:
            self._fail(error)
            return
        self.written = replace(
            written,
            ticks=written.ticks + ticks,
            others=written.others + records - ticks,
            bytes=written.bytes + size,
        )
        last = self._pending_ticks[-1] if ticks else written.last_tick
        self._pending_ticks = []
        try:
            self._chain.sync()
        except OSError as error:  # what the kernel held may be gone: never sync this file again
            self._fail(error)
            return
        self.written = replace(self.written, last_tick=last)
        self._heads_are_safe()

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
            self._chain.add(Kind.STATE, flags, state)
            self._turn_at_s = min(self._turn_at_s, self._now_s + self._limits.segment_s)
        self._chain.add(Kind.TICK, 0, tick)
        self._pending_ticks.append(item.image.tick)
        self._fresh = self._state_due = False
        if self.written.error:
            self.written = replace(self.written, error="")
        return True

    def _add_event(self, payload: bytes) -> None:
        """Put an event into its log, and among the ticks where they are written."""
        if self._events is not None:
            self._events.add(payload)
        if self._ready():
            self._chain.add(Kind.EVENT, 0, payload)
        elif self._events is None:
            self._lose(1)

    def _tell(self, name: str, fields: Mapping[str, Scalar]) -> None:
        payload = event_payload(self._utc_s, name, fields)
        if self._events is not None:
            self._events.add(payload)
        if self._chain.is_open:
            self._chain.add(Kind.EVENT, 0, payload)

    def _add_head(self) -> None:
        """Sign what was written, and tell how far the events are."""
        self._head_at_s = self._now_s + self._limits.sign_every_s
        if self._signer is None and self._events is None:
            return
        events = START if self._events is None else self._events.place
        self._pending_heads.append(self._chain.add_head(events, self._utc_s))

    def _heads_are_safe(self) -> None:
        heads, self._pending_heads = self._pending_heads, []
        for head in heads:
            if self._signer is not None:
                self.written = replace(self.written, signed_utc_s=head.utc_s)
            if self._tell_head is not None:
                self._tell_head(head)

    # -- segments -----------------------------------------------------------------------------

    def _ready(self) -> bool:
        is_due = not self.written.error or self._now_s >= self._retry_at_s
        if not self._chain.is_open and is_due and self._open():
            self._retain()
        return self._chain.is_open

    def _open(self) -> bool:
        """Begin a segment: recover what is there if that was not done, header, first events."""
        try:
            self._begin()
        except (OSError, LayoutError) as error:
            self._fail(error)
            return False
        found = self._chain.recovery
        if found is not None and found.segment and not self._recovery_told:
            self._recovery_told = True
            self._tell("journal_recovered", found.fields())
        return True

    def _begin(self) -> None:
        if self._was_full and not self._reserve.take():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
        self._was_full = False
        site = self._site
        size = self._chain.begin(self._header, self._utc_s)
        self._ticks = TickEncoder(TickLayout(SCHEMA, site.params))
        self._states = StateLayout(SCHEMA, len(site.params.ids))
        self._state_due, self._turn_at_s = True, math.inf
        written = self.written
        self.written = replace(
            written,
            bytes=written.bytes + size,
            segments=written.segments + 1,
            error="",
            path=self._chain.path,
        )

    def _header(self, link: Link) -> bytes:
        site = self._site
        header = Header(
            link.number, link.seq, link.previous, self._utc_s, site.about, SCHEMA, site.params
        )
        return pack_header(header)[0]

    def _with_key(self, site: ParamsItem) -> ParamsItem:
        key = "" if self._signer is None else self._signer.public_key.hex()
        return replace(site, about=replace(site.about, public_key=key))

    def _turn_over_if_due(self) -> None:
        if not self._chain.is_open:
            return
        is_full = self._chain.size >= self._limits.segment_bytes
        if self._now_s >= self._turn_at_s or is_full:
            self._end("turned over")

    def _end(self, reason: str) -> None:
        if not self._chain.is_open:
            return
        self._chain.add_end(reason)
        self._head_at_s = -math.inf  # the commit adds one
        self._commit_ticks()
        self._chain.abandon()

    # -- errors and room ----------------------------------------------------------------------

    def _fail(self, error: OSError | LayoutError) -> None:
        """Give up this segment. The next one links to what is surely in the file."""
        was_well = not self.written.error
        lost = self._chain.drop_pending()
        self._pending_ticks, self._pending_heads = [], []
        self._lose(lost)
        self._retry_at_s = self._now_s + self._limits.retry_s
        self.written = replace(self.written, error=str(error))
        if isinstance(error, OSError) and is_disk_full(error):
            self._end_on_full_disk()
        self._chain.abandon()
        if was_well and self._events is not None:
            self._events.add(event_payload(self._utc_s, STOPPED, {"why": str(error)}))

    def _end_on_full_disk(self) -> None:
        """Give the segment its end, in the room that was kept for it; look for more room."""
        self._was_full = True
        try:
            self._reserve.release()
            if self._chain.is_open:
                self._chain.add_end("disk full")
                self._add_head()
                self.written = replace(self.written, bytes=self.written.bytes + self._chain.write())
                self._chain.sync()
                self._heads_are_safe()
        except OSError:
            self._pending_heads = []  # it stays without an end, as after a crash
        self._retain()

    def _retain(self) -> None:
        """Remove segments that are too old or too much, each after an event that names it.

        One that is still needed stays, whatever the disk has left, and all after it: told once.
        """
        if self._events is None:
            return
        limits = self._limits
        try:
            for removal in removable(
                self._folder, self._utc_s, limits.keep_s, limits.keep_bytes, self._keep
            ):
                if removal.needed:
                    self._hold(removal)
                    return
                self._tell(REMOVED, removal.fields())
                self._events.commit(self._chain.synced, self._now_s, self._utc_s)
                if self._events.error:
                    return
                removal.path.unlink()
                self.written = replace(self.written, removed=self.written.removed + 1)
            self.written = replace(self.written, held="")
        except (OSError, JournalError) as error:
            self._tell(NOT_REMOVED, {"why": str(error)})

    def _hold(self, removal: Removal) -> None:
        if self.written.held != removal.path.name:
            why = f"{removal.why}, but it is not rolled"
            self._tell(NOT_REMOVED, {"segment": removal.path.name, "why": why})
            self.written = replace(self.written, held=removal.path.name)

    def _note_events(self) -> None:
        log, reserve = self._events, self._reserve.is_held
        if log is None:
            self.written = replace(self.written, reserve=reserve)
            return
        self.written = replace(
            self.written,
            events=log.written,
            events_lost=log.lost,
            events_error=log.error,
            reserve=reserve,
        )

    def _note_gap(self, dropped: int) -> None:
        if dropped:
            self._unsaid += dropped
            self._fresh = True

    def _lose(self, records: int) -> None:
        self.written = replace(self.written, lost=self.written.lost + records)
        self._note_gap(records)
