"""Hand ticks to the journal without ever making control wait.

`put` takes references to records that nobody changes any more and returns at once; a thread of
its own codes, writes and syncs them, all that wait in one go. A full queue drops the record,
counts it and raises the alarm. Under virtual time (`inline`) there is no thread.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vppd.core.types import Decision, Image, Params, State
from vppd.journal.appender import Appender, TellHead
from vppd.journal.header import About
from vppd.journal.heads import Signer, key_id
from vppd.journal.items import (
    EventItem,
    Item,
    Limits,
    ParamsItem,
    Scalar,
    TickItem,
    event_payload,
)
from vppd.journal.recover import Recovery
from vppd.journal.retention import Keep
from vppd.journal.schema import Meta
from vppd.journal.segment import OpenSegment, SegmentFile

OnEvent = Callable[[float, str, Mapping[str, Scalar]], None]
SPARE: Final = 64  # room that the ticks leave for events


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """State of the writer at one instant."""

    ticks: int  # written since the start
    bytes: int
    segments: int
    queued: int  # records that wait
    dropped: int  # records that found the queue full, since the start
    lost: int  # records lost by errors of the disk, or that did not fit the layout
    last_tick: int  # number of the last tick that is in the file (synced if asked); -1: none
    unsynced_age_s: float  # age of the oldest record that is not there yet
    busy_us: float  # time the last group took, coding and disk
    alarm: bool  # something is not being recorded at this moment, or the last tick was not
    error: str  # why; empty when all is well
    late: bool  # the oldest record that is not there yet is older than it may be
    events: int  # in the log of events, since the start
    events_lost: int
    reserve: bool  # the room for a full disk is kept, or none is asked for
    removed: int  # segments removed by age or size, since the start
    held: str  # the oldest that would go, and is still needed; empty: none
    key_id: str  # hex, of the key that signs; empty: nothing is signed
    key_missing: bool  # it was to be signed
    signed_utc_s: float  # when a head was signed last; NaN: never
    path: Path | None  # segment that is written
    recovery: Recovery | None  # what was found at the start


class JournalWriter:
    """Writer of one folder of segments.

    Never raises OSError: a disk that fails degrades it, see `status().error`, also right after
    the construction. Segments that are damaged never prevent a start.

    Parameters
    ----------
    folder : Path
        Made if it is not there. One writer at a time: the caller holds the lock.
    params, about : Params, About
        Of the ticks to come.
    utc_s : float
        Wall clock now, seconds since 1970.
    inline : bool
        Write in `put`, without a thread.
    sync : bool
        fdatasync after each group of records.
    capacity : int
        Ticks that may wait.
    limits : Limits
        When segments are turned over.
    clock : callable
        Monotonic seconds, for ages and durations only.
    on_thread_start : callable, optional
        Runs first in the thread: to leave the real-time priority of the loop, say.
    open_segment : callable
        Makes the files; the bench has a disk that can be full.
    late_after_s : float
        A record that is not there after that time is `late`.
    key_missing : bool
        There was to be a signer: for `status`.
    signer, with_events, keep, tell_head
        As of `Appender`; the last three are called in the thread.
    """

    def __init__(
        self,
        folder: Path,
        params: Params,
        about: About,
        *,
        utc_s: float,
        inline: bool = False,
        sync: bool = True,
        capacity: int = 256,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_thread_start: Callable[[], None] | None = None,
        open_segment: OpenSegment = SegmentFile,
        late_after_s: float = math.inf,
        key_missing: bool = False,
        signer: Signer | None = None,
        with_events: bool = False,
        keep: Keep = lambda _: False,
        tell_head: TellHead | None = None,
    ) -> None:
        self._appender = Appender(
            folder, ParamsItem(params, about, utc_s), limits or Limits(), sync=sync,
            open_segment=open_segment, signer=signer, with_events=with_events, keep=keep,
            tell_head=tell_head,
        )  # fmt: skip
        self._late_after_s = late_after_s
        self._key_missing = key_missing
        self._key_id = "" if signer is None else key_id(signer.public_key).hex()
        self._capacity = capacity
        self._clock = clock
        self._queue: deque[tuple[float, Item]] = deque()
        self._awake = threading.Condition()
        self._oldest_s: float | None = None  # put time of the oldest record of the group at work
        self._dropped = self._gap = 0
        self._busy_us = 0.0
        self._closing = False
        self._on_thread_start = on_thread_start
        self.on_event: OnEvent | None = None  # hears of each event, in the caller's thread
        self._thread: threading.Thread | None = None
        if not inline:
            self._thread = threading.Thread(target=self._run, name="vppd-journal", daemon=True)
            self._thread.start()

    # -- called by the loop -------------------------------------------------------------------

    def put(self, meta: Meta, state: State, image: Image, decision: Decision) -> bool:
        """Record one tick; `state` is the one the tick started from.

        Returns False, at once, if it was dropped. The arrays must not change afterwards.
        """
        full = len(self._queue) >= self._capacity
        if full or self._closing:
            self._dropped += 1
            self._gap += 1
            return False
        item = TickItem(meta, state, image, decision, self._gap)
        self._gap = 0
        self._submit(item)
        return True

    def put_event(self, utc_s: float, event: str, **fields: Scalar) -> bool:
        """Record a low-rate event: start, stop, order. False if it was dropped."""
        if len(self._queue) >= self._capacity + SPARE or self._closing:
            self._dropped += 1
            self._gap += 1
            return False
        self._submit(EventItem(event_payload(utc_s, event, fields)))
        if self.on_event is not None:
            self.on_event(utc_s, event, fields)
        return True

    def reconfigure(self, params: Params, about: About, utc_s: float) -> None:
        """Begin a segment for other Params; the next tick does not go on from the last one."""
        if not self._closing:
            self._submit(ParamsItem(params, about, utc_s))

    def status(self) -> JournalStatus:
        """Counters, ages and errors."""
        written = self._appender.written
        dead = self._thread is not None and not self._thread.is_alive() and not self._closing
        error = written.error or ("the thread of the journal has ended" if dead else "")
        if not error and written.events_error:
            error = f"events: {written.events_error}"
        age_s = self._unsynced_age_s()
        return JournalStatus(
            ticks=written.ticks,
            bytes=written.bytes,
            segments=written.segments,
            queued=len(self._queue),
            dropped=self._dropped,
            lost=written.lost,
            last_tick=written.last_tick,
            unsynced_age_s=age_s,
            busy_us=self._busy_us,
            alarm=bool(error) or self._gap > 0,
            error=error,
            late=age_s > self._late_after_s,
            events=written.events,
            events_lost=written.events_lost,
            reserve=written.reserve,
            removed=written.removed,
            held=written.held,
            key_id=self._key_id,
            key_missing=self._key_missing,
            signed_utc_s=written.signed_utc_s,
            path=written.path,
            recovery=self._appender.recovery,
        )

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was put is in the file. False after `timeout_s`."""
        with self._awake:
            return self._awake.wait_for(
                lambda: not self._queue and self._oldest_s is None, timeout_s
            )

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what waits, and the end record. False if `timeout_s` was not enough.

        Then the thread goes on by itself; it dies with the process, and the next start recovers.
        """
        with self._awake:
            already, self._closing = self._closing, True
            self._awake.notify_all()
        if self._thread is None:
            if not already:
                self._appender.close()
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _submit(self, item: Item) -> None:
        put_s = self._clock()
        if self._thread is None:
            self._write([(put_s, item)])
            return
        with self._awake:
            self._queue.append((put_s, item))
            self._awake.notify_all()

    def _unsynced_age_s(self) -> float:
        with self._awake:
            oldest_s = self._oldest_s
            if oldest_s is None and self._queue:
                oldest_s = self._queue[0][0]
        return 0.0 if oldest_s is None else self._clock() - oldest_s

    # -- in the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        if self._on_thread_start is not None:
            self._on_thread_start()
        while group := self._next_group():
            self._write(group)
            with self._awake:
                self._oldest_s = None
                self._awake.notify_all()
        self._appender.close()

    def _next_group(self) -> list[tuple[float, Item]]:
        """All that waits; empty when the writer closes."""
        with self._awake:
            while not self._queue and not self._closing:
                self._awake.wait()
            group = list(self._queue)
            self._queue.clear()
            if group:
                self._oldest_s = group[0][0]
            return group

    def _write(self, group: list[tuple[float, Item]]) -> None:
        begin_s = self._clock()
        for _, item in group:
            self._appender.add(item)
        self._appender.commit()
        self._busy_us = (self._clock() - begin_s) * 1e6
