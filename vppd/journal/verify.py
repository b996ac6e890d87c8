"""Check a journal without decoding its ticks: checksums, sequence, chains and signatures.

A journal has two chains: the ticks, and the events in the folder `events`. Each says in its heads
how far the other was, so that neither can be cut without the other.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vppd.journal.chain_check import (
    Bound,
    ChainCheck,
    CheckedSegment,
    Fault,
    Signed,
    Sought,
)
from vppd.journal.errors import JournalError
from vppd.journal.event_log import FOLDER
from vppd.journal.frames import Kind
from vppd.journal.header import UNCHAINED, read_header
from vppd.journal.heads import Place, key_id
from vppd.journal.keys import BadKeyError, verifier
from vppd.journal.retention import REMOVED
from vppd.journal.scan import Frame, Progress, moved_by, segments

__all__ = ["Fault", "Verification", "VerifyReport", "verify"]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What of a journal holds."""

    segments: int
    records: int  # that hold, of the ticks
    ticks: int
    bytes: int  # of all files
    fault: Fault | None
    torn: tuple[Fault, ...]  # incomplete records at the end of a segment: a crash, no forgery
    closed: bool  # the last segment has its end record
    whole: bool  # it begins with the first segment ever written
    head: str  # chain of the last record, hex: who keeps it can prove the journal
    key_ids: tuple[str, ...] = ()  # of the keys that signatures were held against
    key_given: bool = False  # somebody gave them; else the journal itself names them
    signed: Signed | None = None  # last head of the ticks whose signature holds
    unsigned: int = 0  # records of the ticks after it
    events: int = 0  # in the chain of events
    events_signed: Signed | None = None
    has_events: bool = False  # there is a chain of events
    removed: int = 0  # segments that the events say were removed by age or size
    heads: int = 0  # expected heads that were found

    @property
    def ok(self) -> bool:
        """Whether every record holds, and each segment links to the one before."""
        return self.fault is None


def verify(
    path: Path,
    *,
    keys: Sequence[bytes] = (),
    heads: Sequence[Place] = (),
    progress: Progress | None = None,
) -> VerifyReport:
    """Check a segment, or all of a folder, up to the first record that does not hold.

    Parameters
    ----------
    keys : sequence of bytes
        Public keys that the heads must be signed with. Without, signatures are held against the
        key that the journal itself names, which proves nothing to somebody who does not know it.
    heads : sequence of Place
        Chains that the journal once had: each must still be there, or be of a segment whose
        removal the events name. `seq` is the number of its record; negative: not known.

    Raises
    ------
    JournalError
        Nothing to read there.
    BadKeyError
        A key that is none.
    """
    found = Verification(path, keys=keys, heads=heads, progress=progress)
    found.over()
    return found.report()


class Verification:
    """A check of a journal, whose ticks somebody else may read: a replay, say.

    The events are checked at once; then each segment of ticks is added in its order, and `report`
    holds the two against each other. Parameters and errors as of `verify`.
    """

    def __init__(
        self,
        path: Path,
        *,
        keys: Sequence[bytes] = (),
        heads: Sequence[Place] = (),
        progress: Progress | None = None,
    ) -> None:
        self._paths = found = _Paths(path, progress)
        names = keys or sorted(_named_keys((*found.ticks, *found.events)))
        self._keys = {key_id(key): verifier(key) for key in names}
        self._keys_given, self._heads, self._events = bool(keys), heads, _Events()
        chains = frozenset(head.chain for head in heads)
        self._beside = ChainCheck(self._keys, look=self._events.look, heads=chains)
        self._beside.over(found.events, found.moved)
        seqs = frozenset(bound.other.seq for bound in self._beside.bounds)
        self._ticks = ChainCheck(self._keys, seqs, chains)

    @property
    def sought(self) -> Sought:
        """What the check of a segment of ticks has to look for."""
        return self._ticks.sought

    def add(self, segment: CheckedSegment) -> None:
        """Take in the next segment of ticks."""
        self._ticks.add(segment)

    def over(self) -> None:
        """Read the ticks here."""
        self._ticks.over(self._paths.ticks, self._paths.moved)

    def report(self) -> VerifyReport:
        """What holds."""
        found, ticks, beside = self._paths, self._ticks, self._beside
        fault = self._fault()
        found.over()
        return VerifyReport(
            segments=len(found.ticks),
            records=ticks.records,
            ticks=ticks.ticks,
            bytes=found.tick_bytes,
            fault=fault,
            torn=tuple(ticks.torn),
            closed=ticks.closed,
            whole=ticks.first is not None and ticks.first.previous == UNCHAINED,
            head=ticks.chain.hex(),
            key_ids=tuple(name.hex() for name in self._keys),
            key_given=self._keys_given,
            signed=ticks.signed,
            unsigned=ticks.unsigned,
            events=self._events.count,
            events_signed=beside.signed,
            has_events=bool(found.events),
            removed=len(self._events.removed),
            heads=len(ticks.found | beside.found),
        )

    def _fault(self) -> Fault | None:
        ticks, beside, found = self._ticks, self._beside, self._paths
        fault = ticks.fault or _of_events(beside.fault)
        if fault is None and found.events:
            fault = _cut_ticks(ticks, beside) or _unnamed(ticks, beside, self._events.removed)
            fault = fault or _other_events(ticks, found)
        fault = fault or _missing(ticks, beside, self._heads)
        if fault is None and self._keys_given:
            fault = ticks.unsigned_fault()
            if fault is None and beside.records:
                fault = _of_events(beside.unsigned_fault())
        return fault


class _Paths:
    """The files of a journal, and how far one has got with them."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        self.ticks = segments(path)
        self.events: list[Path] = []
        folder = path / FOLDER
        if folder.is_dir() and any(folder.iterdir()):
            self.events = segments(folder)
        self.tick_bytes = sum(p.stat().st_size for p in self.ticks)
        self._total = self.tick_bytes + sum(p.stat().st_size for p in self.events)
        self._done = 0
        self._progress = progress

    def moved(self, path: Path) -> Callable[[int], None]:
        """Give what reports the way made in a segment."""
        moved = moved_by(self._progress, self._done, self._total)
        self._done += path.stat().st_size
        return moved

    def over(self) -> None:
        """Report the end."""
        if self._progress is not None:
            self._progress(self._total, max(self._total, 1))


class _Events:
    """What the events say of the ticks."""

    def __init__(self) -> None:
        self.count = 0
        self.removed: dict[int, str] = {}  # chain (hex) by number of the record after it

    def look(self, frame: Frame) -> None:
        """Take in a record that holds."""
        if frame.kind != Kind.EVENT:
            return
        self.count += 1
        try:
            data = json.loads(frame.payload)
        except (ValueError, RecursionError):
            return
        if isinstance(data, dict) and data.get("event") == REMOVED:
            seq, chain = data.get("next_seq"), data.get("chain")
            if isinstance(seq, int) and isinstance(chain, str):
                self.removed[seq] = chain


def _named_keys(paths: Iterable[Path]) -> set[bytes]:
    """Public keys that the headers name; one that is none is passed over, as it holds nothing."""
    found: set[bytes] = set()
    for path in paths:
        try:
            with path.open("rb") as file:
                data = json.loads(read_header(file, path.stat().st_size).text)
            key = bytes.fromhex(data.get("public_key", ""))
            verifier(key)
        except (JournalError, BadKeyError, ValueError, TypeError, AttributeError, RecursionError):
            continue
        found.add(key)
    return found


def _of_events(fault: Fault | None) -> Fault | None:
    if fault is None:
        return None
    return Fault(f"{FOLDER}/{fault.segment}", fault.seq, fault.offset, fault.what)


def _blame(bound: Bound, what: str) -> Fault:
    return Fault(bound.at.segment, bound.at.seq, bound.at.offset, what)


def _cut_ticks(ticks: ChainCheck, events: ChainCheck) -> Fault | None:
    """Hold the ticks against what the events say of them."""
    first = 0 if ticks.first is None else ticks.first.first_seq
    for bound in events.bounds:
        there = ticks.places.get(bound.other.seq)
        if bound.other.seq < first or (there and bound.other.chain in there):
            continue
        what = f"the ticks went to record {bound.other.seq - 1} and end at {ticks.seq - 1}: cut off"
        if there:
            what = "the ticks it was written beside were others"
        return _of_events(_blame(bound, what))
    return None


def _other_events(ticks: ChainCheck, found: _Paths) -> Fault | None:
    """Hold the events against what the ticks say of them; read now, for they may have grown."""
    again = ChainCheck(seqs=frozenset(bound.other.seq for bound in ticks.bounds))
    again.over(found.events, lambda _: lambda _: None)
    for bound in ticks.bounds:
        there = again.places.get(bound.other.seq)
        if not there:
            last = again.seq - 1
            return _blame(
                bound, f"the events went to {bound.other.seq - 1} and end at {last}: cut off"
            )
        if bound.other.chain not in there:
            return _blame(bound, "the events it was written beside were others")
    return None


def _unnamed(ticks: ChainCheck, events: ChainCheck, removed: Mapping[int, str]) -> Fault | None:
    """Whether what is gone from the beginning was removed by the daemon itself."""
    if events.first is not None and events.first.previous != UNCHAINED:
        what = "the events before it are gone"
        return _of_events(Fault(events.first_name, events.first.first_seq, 0, what))
    first = ticks.first
    if first is None or first.previous == UNCHAINED:
        return None
    if removed.get(first.first_seq) == first.previous.hex():
        return None
    what = "the segments before it are gone, and no event names their removal"
    return Fault(ticks.first_name, first.first_seq, 0, what)


def _missing(ticks: ChainCheck, events: ChainCheck, heads: Iterable[Place]) -> Fault | None:
    """Whether a head that was once told is no longer there."""
    first = 0 if ticks.first is None else ticks.first.first_seq
    for head in heads:
        is_gone = 0 <= head.seq < first
        if not is_gone and head.chain not in ticks.found and head.chain not in events.found:
            what = f"head {head.chain.hex()} is not there: cut off, or written anew"
            return Fault(ticks.last_name, ticks.seq, 0, what)
    return None
