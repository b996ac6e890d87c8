"""A tracking table made: its jobs done on all cores, what is done already left as it is."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from hil import folder
from hil.campaign.campaign import LEAST_S, terminable
from hil.campaign.pool import Done, Pool
from hil.campaign.row import Row, failure
from hil.possible import TIMEOUT_S
from hil.running import StoppedError
from hil.tracking import table, worker
from hil.tracking.plan import Ask, Job
from hil.tracking.store import Store

KEPT = "done"  # folder of the rows
WORK = "workers"
View = Callable[[Job, Row], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A table that came to its end, or was stopped."""

    ask: Ask
    asked: int  # jobs
    kept: int  # of them done before
    done: tuple[tuple[Job, Row], ...]  # in the order in which they were asked for
    lines: tuple[table.Line, ...]
    processes: int
    started_utc: str
    spent_s: float
    stopped: int  # exit code of one that somebody stopped, else 0

    @property
    def missed(self) -> list[str]:
        """What was missed, by how much."""
        return [text for line in self.lines for text in line.missed]

    @property
    def left(self) -> int:
        """Jobs that were not done."""
        return self.asked - len(self.done)


class Table:
    """Jobs of a table, done into a folder. `view` is told of each that gets done."""

    def __init__(self, ask: Ask, jobs: Sequence[Job], out_dir: Path, processes: int) -> None:
        self._ask, self._jobs = ask, jobs
        self.out_dir = out_dir.resolve()
        self._processes = processes
        self._store = Store(self.out_dir / KEPT)
        self._rows: dict[str, Row] = {}
        self._marker = -1

    @property
    def before(self) -> int:
        """Number of jobs that were done before."""
        return len(self._rows)

    def open(self) -> list[Job]:
        """Take the folder; what is to be done yet. Raises CouldNotRunError."""
        self._marker = folder.take(self.out_dir, KEPT, keep=True)
        for job in self._jobs:
            if (row := self._store.get(job)) is not None:
                self._rows[job.key] = row
        return [job for job in self._jobs if job.key not in self._rows]

    def make(self, waiting: Sequence[Job], view: View) -> Outcome:
        """Do what is waiting. Ctrl-C and SIGTERM end it; what is done by then is the outcome."""
        began_s, started = time.monotonic(), datetime.now(UTC)
        stopped = 0
        try:
            with terminable():
                self._run(waiting, view)
        except StoppedError as error:
            stopped = error.code
        finally:
            shutil.rmtree(self.out_dir / WORK, ignore_errors=True)
            os.close(self._marker)
        done = tuple((job, self._rows[job.key]) for job in self._jobs if job.key in self._rows)
        return Outcome(
            self._ask, len(self._jobs), len(self._jobs) - len(waiting), done, table.lines(done),
            self._processes, started.isoformat(timespec="seconds"),
            time.monotonic() - began_s, stopped,
        )  # fmt: skip

    def _run(self, waiting: Sequence[Job], view: View) -> None:
        if not waiting:
            return
        work_dir = self.out_dir / WORK
        longest_s = max(job.plan.scenario.duration_s for job in waiting)
        timeout_s = max(LEAST_S + 2.0 * longest_s, TIMEOUT_S)
        processes = min(self._processes, len(waiting))
        pool: Pool[Job, Row] = Pool(
            partial(worker.make, work_dir), processes, timeout_s, work_dir / "logs"
        )
        doing = pool.run(waiting)
        try:
            for each in doing:
                view(each.item, self._add(each))
        finally:
            doing.close()

    def _add(self, done: Done[Job, Row]) -> Row:
        row, job = done.value, done.item
        if row is None:
            row = failure(job.seed, done.failed, f"{done.failed}: {done.text}", done.spent_s)
        self._rows[job.key] = row
        self._store.put(job, row)
        return row
