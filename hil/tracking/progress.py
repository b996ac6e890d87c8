"""How far a tracking table is: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from hil.campaign.progress import LINE_S, in_words
from hil.campaign.row import BROKEN, Row
from hil.tracking.plan import Job


class TableProgress:
    """Shows runs done, their speed, and the time left, by the time they simulate."""

    def __init__(self, jobs: int, work: float, console: Console | None = None) -> None:
        self._jobs, self._work = jobs, work
        self._console = console or Console(stderr=True)
        self._done, self._worked = 0, 0.0
        self._began_s = self._line_s = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._bar = self._progress.add_task("tracking", total=work, told=f"{jobs} runs to go")

    def __enter__(self) -> "TableProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def add(self, job: Job, row: Row) -> None:
        """Count a job that is done."""
        self._done += 1
        self._worked += job.work
        for reason in row.reasons:
            if reason.what in BROKEN:
                text = reason.text.strip().splitlines()[0]
                self._line(f"{job.name}: {text}")
        now_s = time.monotonic()
        speed = self._worked / max(now_s - self._began_s, 1e-6)
        left = in_words((self._work - self._worked) / speed)
        told = f"{self._done} of {self._jobs} runs, {speed:.0f} × real time, {left} left"
        self._progress.update(self._bar, completed=self._worked, told=told)
        if not self._console.is_terminal and now_s - self._line_s >= LINE_S:
            self._line_s = now_s
            self._line(f"tracking: {told}")

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
