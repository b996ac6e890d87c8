"""One seed, run and measured in this process; no other one is started."""

import gc
import hashlib
import shutil
import time
import traceback
from dataclasses import replace
from pathlib import Path

from hil import result, running
from hil.campaign.plan import ALL, FAILED, Job, Plan
from hil.campaign.row import (
    NO_RUN,
    NOT_MEASURED,
    UNEXPECTED,
    VPPD_FAILED,
    Row,
    failure,
    judged,
)
from hil.result import Measured
from hil.running import MISSED, RunError
from hil.scenario import applicable
from hil.sim.attribution import unsound
from hil.sim.replay import replay as replay_journal
from hil.sim.run import Simulation


class SeedRunner:
    """Runs seeds of one campaign one after the other; nothing of one reaches the next.

    Parameters
    ----------
    out : Path
        Folder of the campaign; the files of a seed are in `OUT/seeds/SEED` while it runs.
    """

    def __init__(self, plan: Plan, out: Path) -> None:
        self._plan = plan
        self._out = out

    def __call__(self, job: Job) -> Row:
        """Run, measure and judge one seed. Whatever goes wrong is its failure.

        Raises MemoryError only: then this process is of no more use.
        """
        began_s = time.perf_counter()
        folder = self._out / "seeds" / str(job.seed)
        measured: Measured | None = None
        try:
            row, measured = self._judge(job.seed, folder)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  (of the bench: the other seeds go on)
            text = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
            row = failure(job.seed, UNEXPECTED, text)
        if job.keep == ALL or (job.keep == FAILED and row.failed):
            row = replace(row, kept=self._keep(row, folder, measured))
        else:
            shutil.rmtree(folder, ignore_errors=True)
        gc.collect()
        gc.freeze()  # what is left stays: a long run has thawed all that was there before it
        return replace(row, spent_s=round(time.perf_counter() - began_s, 3))

    def _judge(self, seed: int, folder: Path) -> tuple[Row, Measured | None]:
        scenario = self._plan.of(seed)
        simulation = Simulation(scenario, folder, command=self._plan.command(seed))
        try:
            running.make_virtual(simulation.make)
        except RunError as error:
            what = VPPD_FAILED if error.code == MISSED else NO_RUN
            return failure(seed, what, str(error)), None
        try:
            measured = result.figures(folder, ticks=simulation.ticks, replay=replay_journal)
        except (OSError, ValueError, KeyError) as error:
            text = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
            return failure(seed, NOT_MEASURED, text), None
        row = judged(
            scenario,
            measured,
            simulation.errors,
            digest(folder / "raw"),
            unsound(folder / "journal"),
        )
        return row, measured

    def _keep(self, row: Row, folder: Path, measured: Measured | None) -> str:
        """Write what a run by itself would leave; return where, below the campaign's folder."""
        if not folder.is_dir():
            return ""
        page = folder
        if measured is not None:
            from hil import report  # noqa: PLC0415  (plotly: only seeds that are kept need it)

            result.write(measured)
            scenario = self._plan.of(row.seed)
            page = report.write(measured, acceptance=applicable(scenario, measured.result))
        return str(page.relative_to(self._out))


def digest(raw_dir: Path) -> str:
    """Fingerprint of what every device was told and did; the same for the same run."""
    found = hashlib.sha256()
    for path in sorted(raw_dir.glob("wire-*.bin")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
