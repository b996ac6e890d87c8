"""The records of one folder of segments, each chained to the one before.

What a record holds is not looked at here: ticks and events are both written by this. Every method
that touches the disk raises OSError; then `abandon` is called, and `begin` later.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vppd.journal.frames import Kind, first_bytes, frame
from vppd.journal.header import UNCHAINED
from vppd.journal.heads import PAYLOAD_SIZE, Place, Signer, ToldHead, head_payload, parse_payload
from vppd.journal.recover import Recovery, recover
from vppd.journal.segment import OpenSegment, SegmentFile, segment_name

START = Place(0, UNCHAINED)


@dataclass(frozen=True, slots=True)
class Link:
    """What the header of a new segment says of its place in the chain."""

    number: int
    seq: int
    previous: bytes


class Chain:
    """Writer of one chain. `signer`: None where heads are not signed."""

    def __init__(
        self,
        folder: Path,
        *,
        sync: bool,
        open_segment: OpenSegment = SegmentFile,
        signer: Signer | None = None,
    ) -> None:
        self.recovery: Recovery | None = None
        self.synced = START  # what is surely on the disk; as good as that without `sync`
        self.number = 0  # of the segment
        self.pending: list[bytes] = []  # records that are not in the file yet
        self._folder = folder
        self._sync = sync
        self._open_segment = open_segment
        self._signer = signer
        self._file: SegmentFile | None = None
        self._in_file = START
        self._next = START  # behind what is pending

    @property
    def is_open(self) -> bool:
        """Whether there is a segment to write to."""
        return self._file is not None

    @property
    def path(self) -> Path | None:
        """Segment that is written."""
        return None if self._file is None else self._file.path

    @property
    def size(self) -> int:
        """Bytes of the segment, with what is pending."""
        return 0 if self._file is None else self._file.size + sum(map(len, self.pending))

    def begin(self, header: Callable[[Link], bytes], utc_s: float) -> int:
        """Begin a segment, and recover what is there before the first; returns its bytes.

        Raises OSError, or what `header` raises.
        """
        if self.recovery is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.recovery = recover(self._folder)
            self.number = self.recovery.number - 1
            self._in_file = Place(self.recovery.seq, self.recovery.chain)
        data = header(Link(self.number + 1, self._in_file.seq, self._in_file.chain))
        path = self._folder / segment_name(self.number + 1, utc_s)
        self._file = self._open_segment(path, data, sync=self._sync)
        self.number += 1
        self._in_file = Place(self._in_file.seq, hashlib.sha256(data).digest())
        self._next = self.synced = self._in_file
        return len(data)

    def add(self, kind: Kind, flags: int, payload: bytes) -> None:
        """Frame a record; it is in the file after `write`."""
        data, chain = frame(kind, flags, self._next.seq, self._next.chain, payload)
        self._next = Place(self._next.seq + 1, chain)
        self.pending.append(data)

    def add_head(self, other: Place, utc_s: float) -> ToldHead:
        """Say how far the other chain is, and sign all that was framed before."""
        seq, before = self._next.seq, self._next.chain
        first = first_bytes(Kind.HEAD, 0, PAYLOAD_SIZE, seq)
        payload = head_payload(before, first, other, utc_s, self._signer)
        self.add(Kind.HEAD, 0, payload)
        record = parse_payload(payload)
        name = "" if self._file is None else self._file.path.name
        return ToldHead(utc_s, name, seq, self._next.chain, record.key_id, record.signature, other)

    def add_end(self, reason: str) -> None:
        """Say that the segment is over. Only its head may follow."""
        payload = json.dumps({"reason": reason}, separators=(",", ":")).encode()
        self.add(Kind.END, 0, payload)

    def write(self) -> int:
        """Write what is pending, in one go; returns its bytes."""
        if self._file is None:
            return 0
        data = b"".join(self.pending)
        self._file.append(data)
        self.pending = []
        self._in_file = self._next
        return len(data)

    def sync(self) -> None:
        """Return when all that was written is on the disk, if that is asked for."""
        if self._file is not None:
            if self._sync:
                self._file.sync()
            self.synced = self._in_file

    def drop_pending(self) -> int:
        """Forget what is not in the file; returns how many records that was."""
        dropped = len(self.pending)
        self.pending, self._next = [], self._in_file
        return dropped

    def abandon(self) -> int:
        """Leave the segment as it is, without an end; returns the records that are lost.

        The next one links to what is surely in the file.
        """
        if self._file is not None:
            self._file.close()
            self._file = None
        return self.drop_pending()
