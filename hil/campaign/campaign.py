"""One campaign: its seeds run on all cores, their rows collected, what failed kept."""

import gc
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

from hil import folder
from hil.campaign import regression
from hil.campaign.plan import FAILED, NONE, Job, Plan
from hil.campaign.pool import Done, Pool
from hil.campaign.row import Row, failure
from hil.campaign.summary import Summary, sum_up
from hil.running import INTERRUPTED, TERMINATED, StoppedError

KEPT = 50  # failed seeds whose files are kept: some 10 MB each; the others can be run again
LEAST_S = 60.0  # that a seed may take at least


@dataclass(frozen=True, slots=True)
class Outcome:
    """A campaign that came to its end, or was stopped."""

    plan: Plan
    seeds: range
    jobs: int
    rows: tuple[Row, ...]  # by seed
    summary: Summary
    started_utc: str
    spent_s: float
    stopped: int  # exit code of one that somebody stopped, else 0

    @property
    def seeds_per_s(self) -> float:
        """Speed."""
        return len(self.rows) / max(self.spent_s, 1e-6)

    @property
    def speedup(self) -> float:
        """Simulated time over the time spent."""
        return self.seeds_per_s * self.plan.scenario.duration_s


class Campaign:
    """One scenario over seeds, into a folder.

    Parameters
    ----------
    jobs : int
        Number of processes.
    keep : str
        Whose files are kept, of `plan.KEEP`; of failed seeds the first KEPT.
    timeout_s : float
        A seed that takes longer fails; default: twice the time it simulates, and LEAST_S.
    view : callable, optional
        Told of each seed that is done.
    """

    def __init__(
        self,
        plan: Plan,
        seeds: range,
        out_dir: Path,
        *,
        jobs: int,
        keep: str = FAILED,
        timeout_s: float | None = None,
        view: Callable[[Row], None] | None = None,
    ) -> None:
        self.plan = plan
        self.seeds = seeds
        self.out_dir = out_dir.resolve()
        self.jobs = min(jobs, len(seeds))
        self._keep = keep
        self._timeout_s = timeout_s or LEAST_S + 2.0 * plan.scenario.duration_s
        self._view = view
        self._rows: list[Row] = []
        self._kept = 0

    def make(self) -> Outcome:
        """Run all seeds. Ctrl-C and SIGTERM end it; what is done by then is the outcome.

        Raises CouldNotRunError.
        """
        began_s, started = time.monotonic(), datetime.now(UTC)
        marker = folder.take(self.out_dir, "seeds")
        stopped = 0
        try:
            with terminable():
                self._run()
        except StoppedError as error:
            stopped = error.code
        finally:
            self._tidy()
            os.close(marker)
        rows = tuple(sorted(self._rows, key=lambda row: row.seed))
        return Outcome(
            self.plan,
            self.seeds,
            self.jobs,
            rows,
            sum_up(rows),
            started.isoformat(timespec="seconds"),
            time.monotonic() - began_s,
            stopped,
        )

    def _run(self) -> None:
        make = partial(_runner, self.plan, self.out_dir)
        pool: Pool[Job, Row] = Pool(make, self.jobs, self._timeout_s, self.out_dir / "workers")
        done = pool.run(self._jobs())
        try:
            for each in done:
                self._add(each)
        finally:
            done.close()

    def _jobs(self) -> Iterator[Job]:
        for seed in self.seeds:
            full = self._keep == FAILED and self._kept >= KEPT
            yield Job(seed, NONE if full else self._keep)

    def _add(self, done: Done[Job, Row]) -> None:
        row = done.value
        if row is None:
            where = Path("seeds") / str(done.item.seed)
            kept = done.item.keep != NONE and (self.out_dir / where).is_dir()
            row = failure(done.item.seed, done.failed, f"{done.failed}: {done.text}", done.spent_s)
            row = replace(row, kept=str(where) if kept else "")
        self._kept += bool(row.kept)
        if row.failed:
            failures = self.out_dir / "failures"
            failures.mkdir(exist_ok=True)
            regression.write(self.plan, row, failures)
        self._rows.append(row)
        if self._view is not None:
            self._view(row)

    def _tidy(self) -> None:
        """Delete what was in work, and what is not to be kept."""
        kept = {Path(row.kept).parts[1] for row in self._rows if row.kept}
        for path in (self.out_dir / "seeds").iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(self.out_dir / "workers", ignore_errors=True)


def _runner(plan: Plan, out_dir: Path) -> Callable[[Job], Row]:
    from hil.campaign.seed import SeedRunner  # noqa: PLC0415  (loads the daemon: workers only)

    gc.freeze()  # what is there now stays: only what a run leaves behind is looked through
    return SeedRunner(plan, out_dir)


@contextmanager
def terminable() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into StoppedError."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise StoppedError(TERMINATED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        raise StoppedError(INTERRUPTED) from error
    finally:
        signal.signal(signal.SIGTERM, before)
