"""A replay in pieces, one a segment, by several processes at a time."""

import gc
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from vppd.core.types import State
from vppd.journal.chain_check import CheckedSegment, SegmentCheck, Sought
from vppd.journal.compare import Compare, Difference
from vppd.journal.errors import JournalError
from vppd.journal.header import Header
from vppd.journal.reader import SegmentEnd, SegmentStart, read_segment
from vppd.journal.rerun import Tick, WholeTick, rerun
from vppd.journal.scan import Frame, Progress, SegmentScan, Tail, moved_by


@dataclass(frozen=True, slots=True)
class Job:
    """One segment to replay."""

    path: Path
    tick: Tick
    skip_damaged: bool
    sought: Sought | None = None  # also check its chain, for this


@dataclass(frozen=True, slots=True)
class Opening:
    """What the first tick of a segment started from."""

    tick: int
    state: State
    continues: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment that was replayed by itself."""

    path: Path
    header: Header | None  # None: it could not be read
    opening: Opening | None  # None: no tick
    closing: State | None  # what its last tick hands on
    ticks: int
    differing: int
    first: Difference | None
    runs: int  # starts and gaps behind its first tick
    missed_first: int  # the counter at its first tick, and at its last
    missed_last: int
    missed: int  # behind its first tick
    tail: Tail
    checked: CheckedSegment | None  # where that was asked for


def added(last: int, counter: int) -> int:
    """Growth of a counter that begins at zero with each start of the daemon."""
    return counter - last if counter >= last else counter


class _Segment:
    """A segment on its way."""

    def __init__(self, watch: "_Watch") -> None:
        self._watch = watch
        self._header: Header | None = None
        self._compare: Compare
        self._state: State | None = None
        self._opening: Opening | None = None
        self._ticks = self._differing = self._runs = 0
        self._missed_first = self._missed_last = self._missed = 0
        self._first: Difference | None = None

    def begin(self, record: SegmentStart) -> None:
        self._header = record.header
        self._compare = Compare(record.path.name, record.header)

    def tick(self, step: WholeTick) -> None:
        counter = step.record.meta.missed_ticks
        if self._ticks == 0:
            self._missed_first = self._missed_last = counter
        self._missed += added(self._missed_last, counter)
        self._missed_last = counter
        self._look_at_start(step)
        self._state = step.after
        self._ticks += 1
        self._note(step.difference)

    def _look_at_start(self, step: WholeTick) -> None:
        """Hold a state that was recorded against the one that was carried there."""
        recorded, carried, number = step.recorded, step.carried, step.record.image.tick
        if recorded is None:
            return
        if carried is None:
            self._opening = Opening(number, recorded.state, recorded.continues)
        elif recorded.continues:
            self._note(self._compare.state(number, recorded.state, carried))
        else:
            self._runs += 1

    def _note(self, difference: Difference | None) -> None:
        if difference is not None:
            self._first = self._first or difference
            self._differing += 1

    def piece(self, end: SegmentEnd) -> Piece:
        return Piece(
            end.path, self._header, self._opening, self._state, self._ticks, self._differing,
            self._first, self._runs, self._missed_first, self._missed_last, self._missed, end.tail,
            self._watch.checked(end),
        )  # fmt: skip


class _Watch:
    """Checks the chain of a segment as it is read, where that was asked for."""

    def __init__(self, sought: Sought | None) -> None:
        self._sought = sought
        self._check: SegmentCheck | None = None

    def __call__(self, scan: SegmentScan) -> Iterator[Frame]:
        """Give the frames of a scan."""
        if self._sought is None:
            return iter(scan)
        self._check = SegmentCheck(scan, self._sought)
        return self._check.frames()

    def checked(self, end: SegmentEnd) -> CheckedSegment | None:
        """What the segment holds; None where nobody asked."""
        if self._sought is None:
            return None
        if self._check is None:
            return CheckedSegment(end.path.name, tail=end.tail)
        return self._check.checked()


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Leave what is freed to its counts: ticks hold no cycles, and a search takes 6 %."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_no_search_for_cycles()
def piece_of(job: Job, progress: Progress | None = None) -> Piece:
    """Replay one segment. Raises as `read`."""
    watch = _Watch(job.sought)
    segment = _Segment(watch)
    moved = moved_by(progress, 0, job.path.stat().st_size)
    for record in rerun(read_segment(job.path, job.skip_damaged, moved, watch), job.tick):
        if isinstance(record, WholeTick):
            segment.tick(record)
        elif isinstance(record, SegmentStart):
            segment.begin(record)
        elif isinstance(record, SegmentEnd):
            return segment.piece(record)
    raise JournalError(f"{job.path}: read without an end")


def pieces(
    jobs: Sequence[Job], processes: int, progress: Progress | None = None
) -> Iterator[Piece]:
    """Replay segments, in their order or several at a time; give the pieces in their order.

    An error comes in the place of the piece that it befell, whoever was first. This process takes
    its part; the others load the kernels meanwhile, with nothing of its threads and locks.
    `progress` is told of each segment by itself, where there is but one process.
    """
    if processes < 2:
        for job in jobs:
            yield piece_of(job, progress)
        return
    found: list[Future[Piece]] = [Future() for _ in jobs]
    waiting = deque(range(len(jobs)))
    with ProcessPoolExecutor(processes - 1, mp_context=get_context("spawn")) as pool:

        def elsewhere(job: Job) -> Piece:
            return pool.submit(piece_of, job).result()

        beside = [
            threading.Thread(target=_work, args=(jobs, waiting, found, elsewhere))
            for _ in range(processes - 1)
        ]
        for thread in beside:
            thread.start()
        try:
            for result in found:
                while not result.done() and _work_on_next(jobs, waiting, found, piece_of):
                    pass
                yield result.result()
        finally:
            waiting.clear()
            for thread in beside:
                thread.join()


Replay = Callable[[Job], Piece]


def _work(
    jobs: Sequence[Job], waiting: deque[int], found: Sequence[Future[Piece]], replay: Replay
) -> None:
    while _work_on_next(jobs, waiting, found, replay):
        pass


def _work_on_next(
    jobs: Sequence[Job], waiting: deque[int], found: Sequence[Future[Piece]], replay: Replay
) -> bool:
    """Take the next segment that nobody has; False if there is none."""
    try:
        at = waiting.popleft()
    except IndexError:
        return False
    try:
        found[at].set_result(replay(jobs[at]))
    except Exception as error:  # noqa: BLE001 - it is raised where its piece is asked for
        found[at].set_exception(error)
    return True
