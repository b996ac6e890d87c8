"""One job of a tracking table, done in this process: a run and its figures, or a bound."""

import gc
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from hil import fleet
from hil.campaign.plan import NONE
from hil.campaign.plan import Job as SeedJob
from hil.campaign.row import UNEXPECTED, Row, failure
from hil.tracking.plan import BOUND, Job

Work = Callable[[Job], Row]


def make(work_dir: Path) -> Work:
    """Give what does a job; `work_dir`: where a run may have its files while it goes on."""
    from hil.campaign.seed import SeedRunner  # noqa: PLC0415  (loads the daemon: workers only)

    gc.freeze()  # what is there now stays: only what a run leaves behind is looked through

    def work(job: Job) -> Row:
        if job.policy == BOUND:
            return possible(job)
        folder = work_dir / job.key
        try:
            return SeedRunner(job.plan, folder)(SeedJob(job.seed, NONE))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return work


def possible(job: Job) -> Row:
    """What the best controller could have reached in the run of a job."""
    from hil import oracle  # noqa: PLC0415  (SciPy and HiGHS: workers only)

    began_s = time.perf_counter()
    scenario = job.plan.of(job.seed)
    try:
        found = oracle.bound(scenario, fleet.draw(scenario, 0))
    except Exception as error:  # noqa: BLE001  (the other jobs go on)
        return failure(job.seed, UNEXPECTED, f"{error}\n{traceback.format_exc()}")
    figures: dict[str, float | None] = {
        "possible_pct": found.accuracy_pct,
        "reachable_pct": found.reachable_pct,
    }
    return Row(job.seed, figures=figures, spent_s=round(time.perf_counter() - began_s, 3))
