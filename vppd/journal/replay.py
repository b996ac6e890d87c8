"""Run every tick of a journal again, and compare with what was recorded, bit for bit."""

from dataclasses import dataclass
from pathlib import Path

from vppd.core.types import State
from vppd.journal.compare import Compare, Difference
from vppd.journal.header import Header
from vppd.journal.pieces import Job, Opening, Piece, added, pieces
from vppd.journal.rerun import Tick
from vppd.journal.scan import Ending, Progress, Tail, segments, ticks_after
from vppd.journal.verify import Verification


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay found."""

    ticks: int
    differing: int  # ticks whose decision differs
    first_difference: Difference | None
    missed_ticks: int  # as the shell counted them, over all runs
    runs: int  # starts of the daemon, and gaps: places where the state was taken as recorded
    segments: int
    bytes: int
    torn: int  # segments that do not end with a whole record
    unreadable: tuple[str, ...]  # places from which on a segment was not read, and why
    unread_ticks: int  # that stand there, as far as it shows

    @property
    def bit_exact(self) -> bool:
        """Whether ticks were replayed, and each gave the recorded bits."""
        return self.ticks > 0 and self.first_difference is None


def replay(
    path: Path,
    tick: Tick,
    *,
    skip_damaged: bool = False,
    progress: Progress | None = None,
    processes: int = 1,
    proof: Verification | None = None,
) -> ReplayReport:
    """Replay a segment or a folder of segments.

    Each segment begins with the state that its first tick started from, and is replayed by itself:
    by `processes` at a time, which `tick` must be picklable for. Where a segment goes on from the
    one before, what was carried to its border is compared with the state that it begins with.

    `proof` is a check of this journal: it is given what the chain of each segment holds, which is
    looked at while the segment is read. Nothing is read twice.

    Raises
    ------
    JournalError
        Nothing to read there, or damaged before its end (see `read`).
    """
    paths = segments(path)
    total = sum(p.stat().st_size for p in paths)
    sought = None if proof is None else proof.sought
    jobs = [Job(part, tick, skip_damaged, sought) for part in paths]
    run = _Run()
    done = 0

    def moved(bytes_read: int, _of: int = 0) -> None:
        if progress is not None:
            progress(done + bytes_read, max(done + bytes_read, total))

    for piece in pieces(jobs, min(processes, len(jobs)), moved):
        run.add(piece)
        if proof is not None and piece.checked is not None:
            proof.add(piece.checked)
        done += piece.path.stat().st_size
        moved(0)
    return run.report()


class _Run:
    """The pieces of a replay, put together in their order."""

    def __init__(self) -> None:
        self._carried: State | None = None
        self._ticks = self._differing = self._runs = 0
        self._missed: int | None = None
        self._missed_in_all = 0
        self._segments = self._bytes = self._torn = 0
        self._first: Difference | None = None
        self._unreadable: list[str] = []
        self._unread = 0
        self._seq: int | None = None  # of the next record
        self._lost = False  # it may be missing: the segment before is damaged

    def add(self, piece: Piece) -> None:
        header = piece.header
        if header is not None:
            if self._lost and self._seq is not None:
                self._unread += max(0, header.first_seq - self._seq)
            self._lost = False
            self._segments += 1
            if piece.opening is not None:
                self._border(piece, piece.opening, header)
        self._note(piece.first, piece.differing)
        self._ticks += piece.ticks
        self._runs += piece.runs
        self._end(piece)

    def _border(self, piece: Piece, opening: Opening, header: Header) -> None:
        """Compare what was carried here with what the segment begins with; or a run begins."""
        if self._carried is not None and opening.continues:
            compare = Compare(piece.path.name, header)
            difference = compare.state(opening.tick, opening.state, self._carried)
            self._note(difference, int(difference is not None))
        else:
            self._runs += 1
            if self._missed is None and opening.continues:
                self._missed = piece.missed_first  # it began in a segment that is not here
        self._missed_in_all += added(self._missed or 0, piece.missed_first) + piece.missed
        self._missed = piece.missed_last

    def _end(self, piece: Piece) -> None:
        self._carried = piece.closing if piece.closing is not None else self._carried
        self._bytes += piece.path.stat().st_size
        tail = piece.tail
        if piece.header is not None:
            self._seq = tail.seq
        if tail.ending is Ending.DAMAGED:
            self._damaged(piece.path, tail)
        if tail.followed:
            self._carried = None
        elif tail.ending in (Ending.TORN, Ending.DAMAGED):
            self._torn += 1

    def _damaged(self, path: Path, tail: Tail) -> None:
        where = f"{path.name}: record {tail.seq} at byte {tail.offset}"
        self._unreadable.append(f"{where}: {tail.what}")
        ticks, self._seq = ticks_after(path, tail, self._seq)
        self._unread += ticks if tail.followed else 1
        self._lost = True

    def _note(self, difference: Difference | None, differing: int) -> None:
        self._first = self._first or difference
        self._differing += differing

    def report(self) -> ReplayReport:
        return ReplayReport(
            ticks=self._ticks,
            differing=self._differing,
            first_difference=self._first,
            missed_ticks=self._missed_in_all,
            runs=self._runs,
            segments=self._segments,
            bytes=self._bytes,
            torn=self._torn,
            unreadable=tuple(self._unreadable),
            unread_ticks=self._unread,
        )
