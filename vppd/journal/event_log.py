"""Low-rate events in a chain of their own, which no retention removes.

Orders, changes of mode and configuration, alarms, start and stop must outlive the ticks. They go to
segments of the same format, without Params, in the folder `events` of the journal. Each group of
them is followed by a record HEAD, which binds them to the ticks: see `heads`. While the disk takes
nothing they wait here, so that an event may be written twice, and is lost only with the process.
"""

import math
from pathlib import Path
from typing import Final

from vppd.journal.chain import Chain, Link
from vppd.journal.frames import Kind
from vppd.journal.header import About, pack_text_header
from vppd.journal.heads import Place, Signer
from vppd.journal.recover import Recovery
from vppd.journal.reserve import Reserve
from vppd.journal.segment import OpenSegment, SegmentFile, is_disk_full

FOLDER: Final = "events"
SEGMENT_BYTES: Final = 16 << 20
WAITING_MAX: Final = 10_000


class EventLog:
    """Writer of the events of one journal. Raises no OSError.

    Parameters
    ----------
    reserve : Reserve
        Room that is given back to a full disk, so that events still fit.
    retry_s : float
        Time between two tries on a disk that takes nothing, by the clock of the ticks.
    """

    def __init__(
        self,
        folder: Path,
        about: About,
        utc_s: float,
        reserve: Reserve,
        *,
        sync: bool,
        retry_s: float,
        open_segment: OpenSegment = SegmentFile,
        signer: Signer | None = None,
    ) -> None:
        self.about = about  # of the next segment
        self.written = self.lost = 0
        self.error = ""  # why nothing can be written now; empty when all is well
        self._chain = Chain(folder, sync=sync, open_segment=open_segment, signer=signer)
        self._reserve = reserve
        self._retry_s = retry_s
        self._retry_at_s = -math.inf
        self._waiting: list[bytes] = []
        self._utc_s = utc_s
        self._begin(-math.inf)

    @property
    def place(self) -> Place:
        """How far it is on the disk."""
        return self._chain.synced

    @property
    def recovery(self) -> Recovery | None:
        """What was found at the start."""
        return self._chain.recovery

    def add(self, payload: bytes) -> None:
        """Take an event; it is on the disk after `commit`, unless `error` says why not."""
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(payload)
        else:
            self.lost += 1

    def commit(self, ticks: Place, now_s: float, utc_s: float) -> None:
        """Write and sync what waits. `ticks`: how far their chain is on the disk."""
        self._utc_s = utc_s
        if not self._waiting:
            return
        if not self._chain.is_open and now_s >= self._retry_at_s:
            self._begin(now_s)
        if not self._chain.is_open:
            return
        for payload in self._waiting:
            self._chain.add(Kind.EVENT, 0, payload)
        self._chain.add_head(ticks, utc_s)
        if self._write(now_s):
            self.written += len(self._waiting)
            self._waiting = []
        if self._chain.size >= SEGMENT_BYTES:
            self._end(ticks, "turned over", now_s)

    def close(self, ticks: Place, now_s: float, utc_s: float) -> None:
        """Write what waits, and the end."""
        self._retry_at_s = -math.inf
        self.commit(ticks, now_s, utc_s)
        self._end(ticks, "closed", now_s)
        self.lost += len(self._waiting)
        self._waiting = []

    def _end(self, ticks: Place, reason: str, now_s: float) -> None:
        if self._chain.is_open:
            self._chain.add_end(reason)
            self._chain.add_head(ticks, self._utc_s)
            self._write(now_s)
            self._chain.abandon()

    def _begin(self, now_s: float) -> None:
        try:
            try:
                self._chain.begin(self._header, self._utc_s)
            except OSError as error:
                if not is_disk_full(error):
                    raise
                self._reserve.release()
                self._chain.begin(self._header, self._utc_s)
            self.error = ""
        except OSError as error:
            self._fail(error, now_s)

    def _write(self, now_s: float) -> bool:
        """Write and sync what is framed; on a full disk with the room that was kept for it."""
        try:
            try:
                self._chain.write()
            except OSError as error:
                if not is_disk_full(error):
                    raise
                self._reserve.release()
                self._chain.write()
            self._chain.sync()
        except OSError as error:
            self._fail(error, now_s)
            return False
        return True

    def _fail(self, error: OSError, now_s: float) -> None:
        self._chain.abandon()
        self._retry_at_s = now_s + self._retry_s
        self.error = str(error)

    def _header(self, link: Link) -> bytes:
        return pack_text_header(link.number, link.seq, link.previous, self.about, self._utc_s)
